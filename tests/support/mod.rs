//! What tests on the real thing share: where the stores are, a database and a prefix for each test, processes that end with it,
//! and waiting for a condition.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod cluster;
pub(crate) mod laws;
pub(crate) mod process;
pub(crate) mod stores;

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// The value of a variable that the test rig sets.
pub(crate) fn from_rig(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `make test`, or `rig/with-test-env cargo test …`"))
}

/// A name that no other test of this or another run has.
pub(crate) fn unique(stem: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    format!("{stem}-{:x}-{:x}-{:x}", now & 0xFFFF_FFFF, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asks `probe` again and again until it gives a value; after `limit` panics with what it said last.
pub(crate) async fn until<Probe, Run, Value, Seen>(what: &str, limit: Duration, mut probe: Probe) -> Value
where
    Probe: FnMut() -> Run,
    Run: Future<Output = Result<Value, Seen>>,
    Seen: Debug,
{
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(seen) if began.elapsed() > limit => panic!("after {limit:?} still not: {what}; last seen: {seen:#?}"),
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
