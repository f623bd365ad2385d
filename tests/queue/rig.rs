//! What the tests of the queue share: a prefix of their own in the rig's Redis, and an operator's client.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use igor::queue::{Client, Entry, Header, Meta, Owner, Settings, TypeKey};
use uuid::Uuid;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const OWNER: Owner = Owner(1);

pub(crate) fn redis_url() -> String {
    std::env::var("IGOR_TEST_REDIS_URL").expect("IGOR_TEST_REDIS_URL is not set: run the tests with `make test`")
}

/// A name that no other test of this or another run has.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    format!("{stem}-{now:x}-{:x}-{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An operator's client under a prefix of its own.
pub(crate) async fn client() -> Client {
    Client::connect(Settings::new(redis_url(), unique("t"))).await.expect("the rig's Redis")
}

/// A raw connection, to look from outside.
pub(crate) async fn raw() -> redis::aio::MultiplexedConnection {
    redis::Client::open(redis_url()).expect("a URL").get_multiplexed_async_connection().await.expect("the rig's Redis")
}

/// Short times, so that losing a lease does not take half a minute.
pub(crate) fn meta() -> Meta {
    Meta { lease_ms: 900, grace_ms: 20_000, ..Meta::default() }
}

/// A type that is made ready.
pub(crate) async fn prepared(client: &Client, kind: &str) -> TypeKey {
    let key = TypeKey::new("film.default", kind);
    client.prepare(&key, &meta(), OWNER).await.expect("a prepared type");
    key
}

pub(crate) fn entry(args: &str) -> Entry {
    Entry { header: Header::new(Uuid::from_u128(rand::random()), 1), args: args.into() }
}

/// Asks `probe` again and again until it gives a value; after [`LIMIT`] panics with what it said last.
pub(crate) async fn until<Probe, Run, Value, Seen>(what: &str, mut probe: Probe) -> Value
where
    Probe: FnMut() -> Run,
    Run: Future<Output = Result<Value, Seen>>,
    Seen: Debug,
{
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(seen) if began.elapsed() > LIMIT => panic!("after {LIMIT:?} still not: {what}; last seen: {seen:#?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
