//! What the tests of the queue share: a prefix of their own in the rig's Redis, and an operator's client.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use igor::queue::{Client, Entry, Header, Meta, Owner, Settings, TypeKey};
use uuid::Uuid;

use crate::support;
pub(crate) use crate::support::stores::redis_url;
pub(crate) use crate::support::unique;

/// Long enough for a loaded machine, short enough to notice.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) const OWNER: Owner = Owner(1);

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
pub(crate) async fn until<Probe, Run, Value, Seen>(what: &str, probe: Probe) -> Value
where
    Probe: FnMut() -> Run,
    Run: Future<Output = Result<Value, Seen>>,
    Seen: Debug,
{
    support::until(what, LIMIT, probe).await
}
