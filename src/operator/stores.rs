//! From what was set to connections: the addresses of the stores, and a renewed password while they are in use.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::{self, Address};
use crate::{queue, store};

/// How often the file with the database's address is read again. Kubernetes takes up to a minute to write a changed secret into it.
const RENEW: Duration = Duration::from_secs(5);

/// How the ledger is reached.
pub fn database(address: &Address) -> store::Settings {
    match address {
        Address::Url(url) => store::Settings::new(url.expose()),
        Address::File(path) => store::Settings::of_file(path),
    }
}

/// How Redis is reached.
pub fn redis(redis: &config::Redis) -> queue::Settings {
    let config::RedisTls { mode, ca_file, cert_file, key_file } = redis.tls.clone();
    let settings = match &redis.address {
        Address::Url(url) => queue::Settings::new(url.expose(), &redis.prefix),
        Address::File(path) => queue::Settings::of_file(path, &redis.prefix),
    };
    let spoken = mode.map(|mode| mode == config::RedisTlsMode::VerifyFull);
    queue::Settings { tls: queue::Tls { spoken, ca_file, cert_file, key_file }, ..settings }
}

/// Keeps the address of new connections to the ledger what its file says.
pub(super) async fn renew(ledger: store::Store, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(RENEW);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => if let Err(error) = ledger.renew() {
                tracing::warn!(error = &error as &dyn std::error::Error, "the old address of the ledger is used on");
            },
        }
    }
}
