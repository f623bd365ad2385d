//! `/livez`, `/readyz` and `/metrics`, on a port of their own: the operator's and the API's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

/// Whether this process can do its part: stores reached, schema new enough; of an operator that it takes turns for the lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often what histograms were told is added up: each value takes memory until then, also when nobody asks for the metrics.
const UPKEEP: Duration = Duration::from_secs(5);

/// Serves the probes until `stop`.
pub(crate) async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let ready = move |State(readiness): State<Readiness>| async move {
        if readiness.get() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "the stores are not reached yet\n") }
    };
    let (upkeep, over) = (metrics.clone(), stop.clone());
    tokio::spawn(async move {
        while tokio::time::timeout(UPKEEP, over.cancelled()).await.is_err() {
            upkeep.run_upkeep();
        }
    });
    let routes = Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(move || std::future::ready(metrics.render())))
        .with_state(readiness);
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving probes and metrics");
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}
