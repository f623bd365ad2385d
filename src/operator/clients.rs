//! The ways to the API server, each with its limits: nothing that stops answering may stop a loop for good.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, DefaultBackoff};
use kube::{Client, Config};

use super::Error;
use crate::proof;

/// How long the API server is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection, with its TLS.
    pub(super) connect: Duration,
    /// For the next bytes of an answer.
    pub(super) answer: Duration,
}

impl Patience {
    /// Of a call that asks one thing.
    const CALL: Self = Self { connect: Duration::from_secs(5), answer: Duration::from_secs(7) };
    /// Of the election: an answer that comes later than this is no use to a lease of fifteen seconds.
    const LEASE: Self = Self { connect: Duration::from_secs(2), answer: Duration::from_secs(4) };
    /// Of a watch: it may be silent for as long as it lasts, [`WATCH_SECONDS`].
    const WATCH: Self = Self { connect: Duration::from_secs(5), answer: Duration::from_secs(20) };
}

/// A watch is asked for anew after so long, from where it was: one whose other end is gone without a word is found out so soon.
const WATCH_SECONDS: u32 = 8;

/// The longest pause before a watch that failed is tried again.
const WATCH_AGAIN: Duration = Duration::from_secs(4);

/// A client for each kind of waiting.
pub(super) struct Clients {
    pub(super) calls: Client,
    pub(super) watches: Client,
    pub(super) lease: Client,
}

impl Clients {
    /// Those of the cluster that the environment names.
    pub(super) async fn infer() -> Result<Self, Error> {
        let config = Config::infer().await.map_err(|source| Error::Kubeconfig { source: Box::new(source) })?;
        let client = |patience| patient(config.clone(), patience);
        Ok(Self { calls: client(Patience::CALL)?, watches: client(Patience::WATCH)?, lease: client(Patience::LEASE)? })
    }
}

/// A client that gives up after so long. It tries nothing again by itself: the reconcile has a backoff of its own, and a status
/// that nobody needs any more is not written fifteen times.
fn patient(mut config: Config, patience: Patience) -> Result<Client, Error> {
    config.default_retry = false;
    config.connect_timeout = Some(patience.connect);
    config.read_timeout = Some(patience.answer);
    config.write_timeout = Some(patience.answer);
    // Else the time that a connection rested counts too.
    config.reset_reader_on_write = true;
    Client::try_from(config).map(proof::kube_client).map_err(|source| Error::Kube { act: "make a client", source })
}

/// How everything is watched.
pub(super) fn watching() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_SECONDS)
}

/// Pauses between tries of a watch, short enough that what happened while the API server was away is soon seen.
#[derive(Default)]
pub(super) struct Again(DefaultBackoff);

impl Iterator for Again {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(WATCH_AGAIN))
    }
}

impl Backoff for Again {
    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::Api;
    use tokio::net::TcpListener;

    use super::*;

    const SHORT: Patience = Patience { connect: Duration::from_millis(300), answer: Duration::from_millis(300) };

    /// Asks a server at that address for something, and gives how long it took to fail.
    async fn ask(scheme: &str, listener: &TcpListener) -> (kube::Error, Duration) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let url = format!("{scheme}://{}", listener.local_addr().expect("an address"));
        let client = patient(Config::new(url.parse().expect("a URL")), SHORT).expect("a client");
        let began = Instant::now();
        let namespaces: Api<Namespace> = Api::all(client);
        let asked = namespaces.get("kube-system");
        let failed = tokio::time::timeout(Duration::from_secs(20), asked).await.expect("it gives up").expect_err("nobody answers");
        (failed, began.elapsed())
    }

    #[tokio::test]
    async fn a_server_that_takes_the_question_and_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let silent = async {
            // Kept open: a connection that is closed would be an answer.
            let mut taken = Vec::new();
            loop {
                taken.push(listener.accept().await);
            }
        };
        let (failed, after) = tokio::select! { asked = ask("http", &listener) => asked, () = silent => unreachable!() };
        assert!(after >= SHORT.answer && after < SHORT.answer * 10, "{after:?} {failed:?}");
    }

    #[tokio::test]
    async fn a_server_that_never_says_hello_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let (failed, after) = ask("https", &listener).await;
        assert!(after >= SHORT.connect && after < SHORT.connect * 10, "{after:?} {failed:?}");
    }
}
