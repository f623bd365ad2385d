//! What can go wrong with a request, once for all versions, and with the server.

use std::any::Any;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::store;

/// Why a request is not done. What it says is for people; rendered by [`render`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The request is wrong: everything that is wrong with it.
    #[error("{}", .0.join("; "))]
    Bad(Vec<String>),
    /// It is not known who asks.
    #[error("{0}")]
    Unauthorized(String),
    /// Who asks may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// It is not there, or not for this caller to see.
    #[error("{0}")]
    NotFound(String),
    /// Nothing answers to this method here.
    #[error("this address does not take this method")]
    Method,
    /// It stands in a way that does not allow this.
    #[error("{0}")]
    Conflict(String),
    /// It is another than the caller has seen.
    #[error("{0}")]
    Precondition(String),
    /// The body is too long.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The request took too long to arrive.
    #[error("the request did not arrive within {0} seconds")]
    Slow(u64),
    /// The caller asks for too much: again after so many seconds.
    #[error("too many requests: try again in {0} s")]
    Busy(u32),
    /// A store is away, or has no connection left.
    #[error("{0} is away: try again")]
    StoreAway(&'static str),
    /// It took longer than a request may; what it asked for may have been done.
    #[error("not done within {0} seconds: look whether it was done, and try again")]
    OutOfTime(u64),
    /// Our own mistake; the log has more.
    #[error("a mistake of the server, its log has more")]
    Broken,
}

impl Fault {
    /// A request that is wrong in one way.
    pub(crate) fn bad(what: impl Into<String>) -> Self {
        Self::Bad(vec![what.into()])
    }

    /// How it is answered.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Precondition(_) => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::StoreAway(_) | Self::OutOfTime(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which the same may go through.
    fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Busy(seconds) => Some(*seconds),
            Self::StoreAway(_) | Self::OutOfTime(_) => Some(2),
            _ => None,
        }
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        match (error.class(), &error) {
            (_, store::Error::HistoryArchived { .. }) => Self::Conflict(error.to_string()),
            (_, store::Error::UnknownJob(_)) => Self::NotFound(error.to_string()),
            (store::Class::Transient | store::Class::Fenced, _) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the ledger is away");
                Self::StoreAway("the ledger")
            }
            _ => {
                tracing::error!(error = &error as &dyn std::error::Error, "the ledger failed");
                Self::Broken
            }
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a fault in the form of the version that was asked.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let v2 = request.uri().path().starts_with("/api/v2");
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let Some(fault) = response.extensions_mut().remove::<Fault>() else { return response };
    let (kind, body) =
        if v2 { ("application/problem+json", problem(&fault, &path)) } else { ("application/json", json!({"error": fault.to_string()})) };
    *response.body_mut() = body.to_string().into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.remove(axum::http::header::CONTENT_LENGTH);
    if let Some(seconds) = fault.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if matches!(fault, Fault::Unauthorized(_)) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A fault as RFC 9457 has it.
fn problem(fault: &Fault, path: &str) -> Value {
    let status = fault.status();
    let mut problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": fault.to_string(),
        "instance": path,
    });
    if let Fault::Bad(faults) = fault {
        problem["errors"] = json!(faults);
    }
    problem
}

/// What a panic of a handler is answered with.
#[expect(clippy::needless_pass_by_value, reason = "as the layer calls it")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> HttpResponse<axum::body::Body> {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    tracing::error!(panic = said.unwrap_or("without words"), "a handler panicked");
    Fault::Broken.into_response()
}

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger(store::Error),
    /// No way to the cluster is configured.
    #[error("cannot find out which cluster to work in")]
    Kubeconfig(#[source] Box<kube::config::InferConfigError>),
    /// The cluster cannot be asked.
    #[error("cannot {act}")]
    Kube {
        /// What was to be done.
        act: &'static str,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// An address cannot be served.
    #[error("cannot serve on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Metrics cannot be kept.
    #[error("cannot keep metrics")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
    /// A part of the server panicked.
    #[error("a part of the server panicked")]
    Panicked(#[source] tokio::task::JoinError),
}
