//! `/api/v1`: what the Go igor serves, for its clients.

mod jobs;

use axum::http::Method;

use super::auth::Need;
use super::route::Route;

/// Every route, with what its caller must be allowed to do.
pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(&Method::GET, "/api/v1/jobs", Need::List, jobs::list)]
}
