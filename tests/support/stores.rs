//! A database and a prefix in Redis for each test.

use sqlx::{Connection, Executor, PgConnection, PgPool};

use super::{from_rig, unique};

/// A migrated database of one test; it goes with the rig.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) pool: PgPool,
}

/// Makes an empty database and migrates it.
pub(crate) async fn database() -> Database {
    let admin = from_rig("IGOR_TEST_DATABASE_URL");
    let name = unique("igor").replace('-', "_");
    let mut connection = PgConnection::connect(&admin).await.expect("the test rig's Postgres");
    let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    connection.execute(statement).await.expect("a new database");
    connection.close().await.ok();
    let url = with_database(&admin, &name);
    igor::store::migrate(&url).await.expect("the migrations");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.expect("the new database");
    Database { url, pool }
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
