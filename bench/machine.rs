//! On what it was measured.

use serde_json::{Value, json};

/// The load averages, as Linux writes them.
pub(crate) fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

/// Processors, memory, kernel, and the versions of the stores.
pub(crate) async fn describe() -> Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "model": model,
        "memory": memory.lines().next().and_then(|line| line.split_once(':')).map(|(_, size)| size.trim()),
        "kernel": kernel.trim(),
        "postgres": postgres().await,
        "redis": redis().await,
        "build": if cfg!(debug_assertions) { "dev" } else { "release" },
        "igor": env!("CARGO_PKG_VERSION"),
    })
}

async fn postgres() -> Value {
    use sqlx::Connection;
    let mut connection =
        sqlx::PgConnection::connect(&crate::support::from_rig("IGOR_TEST_DATABASE_URL")).await.expect("the rig's Postgres");
    let mut settings = serde_json::Map::new();
    for name in ["server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "wal_compression"] {
        let value: String =
            sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut connection).await.expect("a setting");
        settings.insert(name.to_owned(), value.into());
    }
    Value::Object(settings)
}

async fn redis() -> Option<String> {
    let client = redis::Client::open(crate::support::stores::redis_url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the rig's Redis");
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await.expect("INFO");
    let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    of("valkey_version:").map(|version| format!("valkey {version}")).or_else(|| of("redis_version:"))
}
