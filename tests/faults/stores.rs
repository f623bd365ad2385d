//! The stores under test: a Redis of each world's own, a database with an observer, and the rig's shared parts as things to break.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgPool};

use crate::disk::SmallDisk;
use crate::support::process::Process;
use crate::support::{from_rig, stores, unique, until};

/// A port that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A Redis server of one world. It keeps nothing: started again it is empty.
pub(crate) struct Redis {
    pub(crate) port: u16,
    folder: PathBuf,
    process: Process,
    client: redis::Client,
}

impl Redis {
    pub(crate) async fn start(folder: &Path) -> Self {
        let port = free_port();
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a URL");
        let redis = Self { port, folder: folder.to_owned(), process: launch(folder, port), client };
        redis.until_ready().await;
        redis
    }

    async fn until_ready(&self) {
        until("Redis answers", Duration::from_secs(10), || async { self.ask::<()>(&redis::cmd("PING")).await }).await;
    }

    /// Ends the server at once, and starts an empty one in its place.
    pub(crate) async fn restart_empty(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, self.port);
        self.until_ready().await;
    }

    /// One command.
    pub(crate) async fn ask<Answer: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Result<Answer, String> {
        let mut connection = self.client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
        command.query_async(&mut connection).await.map_err(|error| error.to_string())
    }
}

fn launch(folder: &Path, port: u16) -> Process {
    let data = folder.join("redis");
    std::fs::create_dir_all(&data).expect("a folder for Redis");
    let mut command = Command::new(from_rig("IGOR_TEST_REDIS_SERVER"));
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"]).arg(&data);
    command.args(["--maxmemory-policy", "noeviction", "--appendonly", "no", "--save", "", "--daemonize", "no"]);
    Process::start(folder, "redis", &mut command)
}

/// The ledger of one world, and the role that its operators have.
pub(crate) struct Ledger {
    pub(crate) pool: PgPool,
    /// The role's name and the database's, which are the same.
    pub(crate) name: String,
    /// Where the server is.
    pub(crate) port: u16,
    password: String,
    /// Where the administrator finds it.
    url: String,
}

/// Notes each transaction that writes the audit or begins a term: from which port it came, when it began.
const OBSERVER: &str = "
CREATE SCHEMA watch;
CREATE TABLE watch.writes (seq int8 GENERATED ALWAYS AS IDENTITY, what text, port int4, began_us int8, at_us int8);
CREATE FUNCTION watch.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO watch.writes (what, port, began_us, at_us)
    VALUES (TG_TABLE_NAME, inet_client_port(), (extract(epoch FROM now()) * 1000000)::int8, (extract(epoch FROM clock_timestamp()) * 1000000)::int8);
    RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON igor.transitions FOR EACH STATEMENT EXECUTE FUNCTION watch.note();
CREATE TRIGGER note AFTER UPDATE ON igor.epoch FOR EACH STATEMENT EXECUTE FUNCTION watch.note();
";

impl Ledger {
    /// A migrated database with an observer, and a role that may do what the operator ships with.
    pub(crate) async fn new() -> Self {
        let database = stores::database().await;
        let name = database.url.rsplit('/').next().expect("a database").to_owned();
        let password = unique("secret");
        database.pool.execute(OBSERVER).await.expect("the observer");
        let role = format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{password}' IN ROLE igor_rw;
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"
        );
        database.pool.execute(AssertSqlSafe(role)).await.expect("a role");
        let server = database.url.rsplit('@').next().and_then(|rest| rest.split(['/', ':']).nth(1)).expect("a port");
        Self { port: server.parse().expect("a port"), pool: database.pool, name, password, url: database.url }
    }

    /// The same on a disk of its own.
    pub(crate) async fn on(disk: &mut SmallDisk) -> Self {
        let ledger = Self::new().await;
        ledger.pool.close().await;
        disk.take(&ledger.name);
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&ledger.url).await.expect("the moved database");
        Self { pool, ..ledger }
    }

    /// How an operator reaches it through a proxy.
    pub(crate) fn url(&self, port: u16) -> String {
        format!("postgres://{0}:{1}@127.0.0.1:{port}/{0}", self.name, self.password)
    }

    /// Runs statements as the administrator; `{}` stands for the database's name and the role's.
    pub(crate) async fn administer(&self, statement: &str) {
        self.pool.execute(AssertSqlSafe(statement.replace("{}", &self.name))).await.expect("administered");
    }

    /// One number.
    pub(crate) async fn count(&self, sql: &str) -> Result<i64, String> {
        let read = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool);
        tokio::time::timeout(Duration::from_secs(5), read).await.map_err(|late| late.to_string())?.map_err(|error| error.to_string())
    }

    /// Every row, as JSON.
    pub(crate) async fn rows(&self, table: &str) -> Result<Vec<Value>, String> {
        let sql = AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {table} t"));
        sqlx::query_scalar(sql).fetch_all(&self.pool).await.map_err(|error| error.to_string())
    }
}

/// Does something to a part of the rig that all worlds share: `stop`, `start`, `kill`, `pause`, `resume`.
pub(crate) fn rig(act: &str, part: &str) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(root.join("rig/test-env")).args([act, part]).current_dir(root).output().expect("the rig");
    assert!(output.status.success(), "rig/test-env {act} {part}: {}", String::from_utf8_lossy(&output.stderr));
}
