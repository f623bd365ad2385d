//! Routes with what they need: the only way into the router, so that none comes without.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};

use super::auth::Need;
use super::{Api, Fault, limits};

/// A route: where, what its caller must be allowed to do, and what it does.
pub(super) struct Route {
    path: &'static str,
    need: Need,
    handler: MethodRouter<Api>,
}

impl Route {
    /// A route at `path`, with what its caller must be allowed to do.
    pub(super) fn new<H, T>(method: &Method, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that routes have");
        Self { path, need, handler: on(filter, handler) }
    }
}

/// The router of such routes: the caller is known, has a share left, and was asked about before anything is answered.
pub(super) fn guarded(routes: Vec<Route>, api: &Api) -> Router<Api> {
    routes.into_iter().fold(Router::new(), |router, Route { path, need, handler }| router.route(path, guard(handler, need, api)))
}

/// The same for a handler that is routed by other means.
pub(super) fn guard(handler: MethodRouter<Api>, need: Need, api: &Api) -> MethodRouter<Api> {
    handler.layer(middleware::from_fn_with_state((api.clone(), need), admit))
}

async fn admit(State((api, need)): State<(Api, Need)>, mut request: Request, next: Next) -> Result<Response, Fault> {
    let caller = api.auth.caller(request.headers(), need).await?;
    let _share = api.shares.take(caller.name()).await?;
    request.extensions_mut().insert(caller.clone());
    let response = limits::body(&api.config.limits, request, next).await;
    if response.status().is_success() && !caller.was_asked_about() {
        tracing::error!(need = ?need, "a handler answered without asking whether its caller may");
        return Ok(Fault::Broken.into_response());
    }
    Ok(response)
}
