//! Requests: who asks, what is tried again, and answers that are refusals.

use std::time::Duration;

use reqwest::{RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::KEY;
use super::address::Query;
use super::error::{Error, Refusal};

/// What is safe to ask again is asked so often in all, with growing pauses: about four seconds.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to one API.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

impl Transport {
    pub(super) fn new(address: &str, token: Option<String>) -> Result<Self, Error> {
        rustls::crypto::ring::default_provider().install_default().ok();
        Url::parse(address).map_err(|error| Error::Settings(format!("{address:?} is no address: {error}")))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(|error| Error::Settings(error.to_string()))?;
        Ok(Self { http, address: address.trim_end_matches('/').to_owned(), token })
    }

    /// What there is at a path; tried again while the API is away or asks for patience.
    pub(super) async fn get<Shown: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<Shown, Error> {
        self.again("GET", path, || self.http.get(self.url(path)).query(query.words())).await
    }

    /// Asks for a change. Tried again only with a key, by which twice is once: else it is not known whether it was done.
    pub(super) async fn post<Shown: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        headers: &[(&str, String)],
    ) -> Result<Shown, Error> {
        let plain = || self.http.post(self.url(path)).json(body);
        let request = || headers.iter().fold(plain(), |request, (name, value)| request.header(*name, value));
        if headers.iter().any(|(name, _)| *name == KEY) {
            self.again("POST", path, request).await
        } else {
            self.once("POST", path, request()).await
        }
    }

    /// Sends lines under a key.
    pub(super) async fn pour<Shown: DeserializeOwned>(&self, path: &str, lines: Vec<u8>, key: String) -> Result<Shown, Error> {
        let request = || {
            let request = self.http.post(self.url(path)).header("content-type", "application/x-ndjson");
            request.header(KEY, &key).body(lines.clone())
        };
        self.again("POST", path, request).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    async fn again<Shown: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Shown, Error> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            let wait = match self.once(method, path, request()).await {
                Err(Error::Unreachable { .. }) => pause,
                Err(Error::Refused(refusal)) if refusal.may_pass() => pause.max(refusal.retry_after.unwrap_or_default()),
                done => return done,
            };
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        self.once(method, path, request()).await
    }

    async fn once<Shown: DeserializeOwned>(&self, method: &'static str, path: &str, request: RequestBuilder) -> Result<Shown, Error> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let unreachable = |source| Error::Unreachable { method, path: path.to_owned(), source };
        let answer = request.send().await.map_err(unreachable)?;
        let (status, wait) = (answer.status(), answer.headers().get("retry-after").cloned());
        let body = answer.bytes().await.map_err(unreachable)?;
        if !status.is_success() {
            let wait = wait.and_then(|wait| wait.to_str().ok()?.parse().ok()).map(Duration::from_secs);
            return Err(Error::Refused(Refusal::of(status.as_u16(), wait, &body)));
        }
        serde_json::from_slice(&body).map_err(|source| Error::Unreadable { method, path: path.to_owned(), source })
    }
}
