//! How long answers take, by route: never by anything that a caller makes up.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

/// Measures one answer.
pub(super) async fn measured(path: MatchedPath, request: Request, next: Next) -> Response {
    let (began, method) = (Instant::now(), known(request.method()));
    let response = next.run(request).await;
    let (route, status) = (path.as_str().to_owned(), response.status().as_str().to_owned());
    metrics::histogram!("igor_http_seconds", "route" => route, "method" => method, "status" => status)
        .record(began.elapsed().as_secs_f64());
    response
}

fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
