//! `/api/v1`: what the Go igor serves, for its clients.
//!
//! Statuses, fields, messages and orders are those of the original; where it does otherwise than it says, what it says is done.

mod add;
mod birth;
mod body;
pub(super) mod described;
mod list;
mod query;
mod show;
mod submit;
mod verb;

use axum::http::Method;

use super::auth::Need;
use super::route::Route;

/// Every route, with what its caller must be allowed to do.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(&Method::GET, "/api/v1/jobs", Need::List, list::jobs),
        Route::new(&Method::GET, "/api/v1/layers", Need::List, list::layers),
        Route::new(&Method::GET, "/api/v1/tasks", Need::List, list::tasks),
        Route::new(&Method::POST, "/api/v1/jobs", Need::Create, submit::post),
        Route::new(&Method::POST, "/api/v1/layers", Need::Patch, add::post),
        Route::new(&Method::POST, "/api/v1/tasks", Need::Patch, add::post),
        Route::new(&Method::PATCH, "/api/v1/pause", Need::Patch, verb::pause),
        Route::new(&Method::PATCH, "/api/v1/unpause", Need::Patch, verb::unpause),
        Route::new(&Method::PATCH, "/api/v1/skip", Need::Patch, verb::skip),
        Route::new(&Method::PATCH, "/api/v1/kill", Need::Patch, verb::kill),
        Route::new(&Method::PATCH, "/api/v1/retry", Need::Patch, verb::retry),
    ]
}
