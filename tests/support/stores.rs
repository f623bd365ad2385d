//! A database and a prefix in Redis for each test.

use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::{from_rig, unique};

/// A migrated database of one test; it goes with the rig.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) pool: PgPool,
    pub(crate) name: String,
    /// Where an administrator finds the server.
    server: String,
}

/// Makes an empty database and migrates it.
pub(crate) async fn database() -> Database {
    database_at(from_rig("IGOR_TEST_DATABASE_URL")).await
}

/// The same on a server that is not the rig's.
pub(crate) async fn database_at(server: String) -> Database {
    let name = new_name();
    administer(&server, &format!("CREATE DATABASE {name}")).await;
    igor::store::migrate(&igor::store::Settings::new(with_database(&server, &name))).await.expect("the migrations");
    Database::open(name, server).await
}

/// Makes a copy of a migrated database that nobody is connected to, which is quicker than to migrate another.
pub(crate) async fn copy(template: &str) -> Database {
    let (name, server) = (new_name(), from_rig("IGOR_TEST_DATABASE_URL"));
    administer(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    Database::open(name, server).await
}

impl Database {
    async fn open(name: String, server: String) -> Self {
        let url = with_database(&server, &name);
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.expect("the new database");
        Self { url, pool, name, server }
    }

    /// Makes it as empty as it was, for another run of the same test: a hundred times quicker than a new one.
    pub(crate) async fn empty(&self) {
        let used = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = 'igor'::regnamespace AND relkind = 'r'
            AND relname NOT IN ('migrations', 'days', 'epoch') AND pg_relation_size(oid) > 0";
        let used: Option<String> = sqlx::query_scalar(used).fetch_one(&self.pool).await.expect("the tables in use");
        if let Some(used) = used {
            let truncate = sqlx::AssertSqlSafe(format!("TRUNCATE {used} RESTART IDENTITY"));
            sqlx::query(truncate).execute(&self.pool).await.expect("empty tables");
        }
        sqlx::query("UPDATE igor.epoch SET number = 0").execute(&self.pool).await.expect("no epoch");
    }

    /// Removes it, whoever is connected.
    pub(crate) async fn remove(&self) {
        self.pool.close().await;
        administer(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

fn new_name() -> String {
    unique("igor").replace('-', "_")
}

async fn administer(server: &str, statement: &str) {
    let mut connection = PgConnection::connect(server).await.expect("the test rig's Postgres");
    connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    connection.close().await.ok();
}

/// `url` with another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, None), |(address, options)| (address, Some(options)));
    let (server, _) = address.rsplit_once('/').expect("a URL with a database");
    let options = options.map(|options| format!("?{options}")).unwrap_or_default();
    format!("{server}/{name}{options}")
}

/// Where the test rig's Redis is.
pub(crate) fn redis_url() -> String {
    from_rig("IGOR_TEST_REDIS_URL")
}
