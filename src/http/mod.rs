//! The HTTP API: it reads the ledger, makes objects, and runs the same transactions as the operator; no truth is its own.
//!
//! `/api/v1` is what the Go igor serves ([`v1`]). Every route names what its caller must be allowed to do ([`auth::Need`]): one that
//! does not cannot be written, and a handler that answers without having asked is refused. What goes wrong is a [`Fault`], rendered
//! once, in the form of the version that was asked.

mod auth;
mod error;
mod limits;
mod make;
mod measure;
mod route;
mod server;
mod v1;
mod v2;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tower_http::catch_panic::CatchPanicLayer;

pub use self::auth::local::is_ours;
pub use self::error::Error;
use self::error::Fault;
use self::limits::Shares;
pub use self::server::{run, run_beside_operator};
use crate::{config, queue, store};

/// What every handler may use. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    /// The ledger: what reads goes through its reading connections.
    pub(crate) ledger: store::Store,
    /// The cluster, with the API's own rights.
    pub(crate) kube: kube::Client,
    /// What was set.
    pub(crate) config: Arc<config::Api>,
    /// Who callers are and what they may do.
    pub(crate) auth: auth::Gate,
    /// How much each of them has asked for.
    shares: Shares,
    /// Where the queue is, and the connection once somebody asked what lies there.
    queue: Option<Arc<(queue::Settings, OnceCell<queue::Client>)>>,
}

impl Api {
    fn new(ledger: store::Store, kube: kube::Client, config: config::Api, queue: Option<queue::Settings>) -> Self {
        let auth = auth::Gate::new(kube.clone(), &config);
        let shares = Shares::new(config.limits);
        let queue = queue.map(|settings| Arc::new((settings, OnceCell::new())));
        Self { ledger, kube, config: Arc::new(config), auth, shares, queue }
    }

    /// The queue, to be looked at only; `None` where no Redis was named.
    pub(crate) async fn queue(&self) -> Result<Option<&queue::Client>, Fault> {
        let Some((settings, client)) = self.queue.as_deref() else { return Ok(None) };
        let connected = client.get_or_try_init(|| queue::Client::connect(settings.clone())).await;
        connected.map(Some).map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "Redis is away");
            Fault::StoreAway("Redis")
        })
    }
}

/// All routes, with what holds for each.
fn router(api: Api) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/api/openapi.json", get(async || Json(v2::openapi())))
        .merge(route::guarded(v1::routes(), &api))
        .merge(route::guarded(v2::routes(), &api))
        .route_layer(middleware::from_fn(measure::measured))
        .fallback(async || Fault::NotFound("there is nothing at this address".to_owned()))
        .method_not_allowed_fallback(async || Fault::Method)
        // Longer bodies are refused before, in our own words.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn_with_state(api.clone(), limits::in_time))
        .layer(middleware::from_fn(error::render))
        .with_state(api)
}

async fn healthz(State(api): State<Api>) -> Result<Json<Value>, Fault> {
    api.ledger.ping().await?;
    Ok(Json(json!({"ok": true})))
}
