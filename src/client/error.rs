//! What goes wrong with a request, as its caller sees it.

use std::time::Duration;

use serde::Deserialize;

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client cannot be made of these settings.
    #[error("cannot make a client: {0}")]
    Settings(String),
    /// No answer came. Whether a request that changes something was done is not known.
    #[error("{method} {path}: no answer")]
    Unreachable {
        /// The method.
        method: &'static str,
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The API does not do it.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not what this client knows.
    #[error("{method} {path}: the answer cannot be read")]
    Unreadable {
        /// The method.
        method: &'static str,
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// What is to be sent cannot be written as JSON.
    #[error("cannot be written as JSON")]
    Spoken(#[source] serde_json::Error),
}

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its HTTP status: 400 a wrong request, 401 who asks is not known, 403 may not, 404 not there, 409 does not stand so, 412 has
    /// changed, 429 later, 503 a store is away.
    pub status: u16,
    /// What it says.
    pub detail: String,
    /// All that is wrong with the request, each in a sentence.
    pub faults: Vec<String>,
    /// After how long the same may go through.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

/// RFC 9457, with all faults.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    errors: Vec<String>,
}

impl Refusal {
    pub(super) fn of(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let said: Problem = serde_json::from_slice(body).unwrap_or_default();
        let detail = said.detail.or(said.title).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        let faults = if said.errors.is_empty() { vec![detail.clone()] } else { said.errors };
        Self { status, detail, faults, retry_after }
    }

    /// Whether the same may go through a little later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_with_all_its_faults_and_anything_else_as_it_is() {
        let body = br#"{"title": "Bad Request", "detail": "a; b", "errors": ["a", "b"]}"#;
        let refusal = Refusal::of(400, None, body);
        assert_eq!((refusal.detail.as_str(), refusal.faults), ("a; b", vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(Refusal::of(502, None, b"gone").to_string(), "502: gone");
    }
}
