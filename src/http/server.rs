//! The server beneath the routes: connections, and how it starts and ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::normalize_path::NormalizePath;

use super::{Api, Error, router};
use crate::config::Limits;
use crate::probes::{self, Readiness};
use crate::{config, queue, store, telemetry};

/// How long requests under way get to end.
const DRAIN: Duration = Duration::from_secs(20);
/// How often the file with the database's address is read again.
const RENEW: Duration = Duration::from_secs(5);

/// Serves the API until SIGTERM or SIGINT.
pub async fn run(config: config::Api, database: store::Settings, queue: Option<queue::Settings>) -> Result<(), Error> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let (address, readiness) = (config.metrics_addr, Readiness::default());
    let metrics = telemetry::metrics().map_err(Error::Metrics)?;
    let probes = tokio::spawn(probes::serve(address, readiness.clone(), metrics, stop.clone()));
    serve(config, &database, queue, &stop, &readiness).await?;
    stop.cancel();
    probes.await.map_err(Error::Panicked)?.map_err(|source| Error::Listen { address, source })
}

/// The same in a process whose operator answers the probes.
pub async fn run_beside_operator(config: config::Api, database: store::Settings, queue: queue::Settings) -> Result<(), Error> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    serve(config, &database, Some(queue), &stop, &Readiness::default()).await
}

/// Serves until `stop`; ready from when the ledger is reached.
async fn serve(
    config: config::Api,
    database: &store::Settings,
    queue: Option<queue::Settings>,
    stop: &CancellationToken,
    readiness: &Readiness,
) -> Result<(), Error> {
    let Some(ledger) = connect(database, readiness, stop).await? else { return Ok(()) };
    tokio::spawn(renew(ledger.clone(), stop.clone()));
    let (listen, limits) = (config.listen, config.limits);
    let listener = TcpListener::bind(listen).await.map_err(|source| Error::Listen { address: listen, source })?;
    let local = listener.local_addr().map_err(|source| Error::Listen { address: listen, source })?;
    if config.auth == config::Auth::None {
        tracing::warn!(address = %local, "EVERYBODY who reaches this address may do EVERYTHING: there is no auth");
    }
    let router = router(Api::new(ledger.clone(), client().await?, config, queue));
    readiness.ready();
    tracing::info!(address = %local, "serving");
    accept(listener, router, limits, stop).await;
    ledger.close().await;
    Ok(())
}

/// A client of the cluster that gives up soon, and tries nothing again by itself: who asks us can do that.
async fn client() -> Result<kube::Client, Error> {
    let mut config = kube::Config::infer().await.map_err(|source| Error::Kubeconfig(Box::new(source)))?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(3));
    config.read_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(Duration::from_secs(5));
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).map_err(|source| Error::Kube { act: "make a client", source })
}

/// Reaches the ledger; one that is away is waited for. `None` when told to stop meanwhile.
async fn connect(database: &store::Settings, readiness: &Readiness, stop: &CancellationToken) -> Result<Option<store::Store>, Error> {
    let mut pause = Duration::from_millis(200);
    loop {
        match store::Store::connect(database).await {
            Ok(ledger) => return Ok(Some(ledger)),
            Err(error) if error.class() != store::Class::Transient && !matches!(error, store::Error::Schema { .. }) => {
                return Err(Error::Ledger(error));
            }
            Err(error) => readiness.not_yet(&error),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
        }
    }
}

/// Takes connections until `stop`, then lets what is under way end.
async fn accept(listener: TcpListener, router: Router, limits: Limits, stop: &CancellationToken) {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let turn = tokio::select! {
            () = stop.cancelled() => break,
            turn = connections.clone().acquire_owned() => turn,
        };
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, peer)) => {
                let (router, watcher) = (router.clone(), graceful.watcher());
                tokio::spawn(async move {
                    let _turn = turn;
                    if let Err(error) = watcher.watch(connection(stream, router, limits)).await {
                        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "a connection ended");
                    }
                });
            }
            // Out of file descriptors, most likely: some are about to be given back.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off");
    }
}

/// Answers what comes over one connection. A client that goes away takes its handler with it.
fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<NormalizePath<Router>>> {
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(NormalizePath::trim_trailing_slash(router));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head()).max_buf_size(64 * 1024);
    http.serve_connection(TokioIo::new(stream), service)
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        tracing::error!("signals cannot be handled");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("told to stop");
    stop.cancel();
}

/// Keeps the address of new connections to the ledger what its file says.
async fn renew(ledger: store::Store, stop: CancellationToken) {
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
