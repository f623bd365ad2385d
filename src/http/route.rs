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
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare the routes with the document"))]
    method: Method,
    path: &'static str,
    need: Need,
    handler: MethodRouter<Api>,
    body: Reading,
}

/// How the body of a request comes to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whole, before the handler runs.
    Whole,
    /// As it arrives, however long it is.
    Streamed,
}

impl Route {
    /// A route at `path`, with what its caller must be allowed to do.
    pub(super) fn new<H, T>(method: &Method, path: &'static str, need: Need, handler: H) -> Self
    where
        H: Handler<T, Api>,
        T: 'static,
    {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that routes have");
        Self { method: method.clone(), path, need, handler: on(filter, handler), body: Reading::Whole }
    }

    /// The same, of which the handler reads the body as it arrives.
    pub(super) fn streamed(self) -> Self {
        Self { body: Reading::Streamed, ..self }
    }

    /// How it is called: the method in small letters, and the path.
    #[cfg(test)]
    pub(super) fn address(&self) -> (String, &'static str) {
        (self.method.as_str().to_lowercase(), self.path)
    }
}

/// The router of such routes: the caller is known, has a share left, and was asked about before anything is answered.
pub(super) fn guarded(routes: Vec<Route>, api: &Api) -> Router<Api> {
    routes.into_iter().fold(Router::new(), |router, Route { path, need, handler, body, .. }| {
        router.route(path, handler.layer(middleware::from_fn_with_state((api.clone(), need, body), admit)))
    })
}

async fn admit(State((api, need, body)): State<(Api, Need, Reading)>, mut request: Request, next: Next) -> Result<Response, Fault> {
    let caller = api.auth.caller(request.headers(), need).await?;
    let _share = api.shares.take(caller.name()).await?;
    request.extensions_mut().insert(caller.clone());
    let response = match body {
        Reading::Whole => limits::body(&api.config.limits, request, next).await,
        Reading::Streamed => next.run(request).await,
    };
    if response.status().is_success() && !caller.was_asked_about() {
        tracing::error!(need = ?need, "a handler answered without asking whether its caller may");
        return Ok(Fault::Broken.into_response());
    }
    Ok(response)
}
