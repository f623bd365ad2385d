//! `/livez`, `/readyz` and `/metrics`, on a port of their own: the operator's and the API's.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::telemetry;

/// Whether this process can do its part: stores reached, schema new enough; of an operator that it takes turns for the lease.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<RwLock<Result<(), String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Err("the stores are not reached yet".to_owned()))))
    }
}

impl Readiness {
    /// From now on it can.
    pub(crate) fn ready(&self) {
        self.set(Ok(()));
    }

    /// It cannot, for that reason and its causes.
    pub(crate) fn not_yet(&self, why: &(dyn std::error::Error + 'static)) {
        tracing::warn!(error = why, "not ready yet");
        self.set(Err(telemetry::chain(why)));
    }

    fn set(&self, ready: Result<(), String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    fn answer(&self) -> (StatusCode, String) {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
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
    let ready = |State(readiness): State<Readiness>| async move { readiness.answer() };
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
