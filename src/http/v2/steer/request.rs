//! A request with a verb, read: names, headers and body.

use axum::body::Bytes;
use axum::http::HeaderName;
use axum::http::header::{HeaderMap, IF_MATCH};
use axum::http::request::Parts;
use uuid::Uuid;

use super::super::super::auth::Caller;
use super::super::super::{Api, Fault};
use super::super::found::{Names, absent, by_name};
use super::Wanted;
use crate::core::command::{Object, Selector, Verb, read};
use crate::store::JobRow;

/// Longest reason, in characters, and longest key, in bytes.
const REASON: usize = 500;
const KEY: usize = 200;

/// A request with a verb: the names of its address, its headers, its body.
pub(in crate::http::v2) struct Request {
    names: Names,
    headers: HeaderMap,
    pub(super) wanted: Wanted,
}

impl axum::extract::FromRequest<Api> for Request {
    type Rejection = Fault;

    async fn from_request(request: axum::extract::Request, api: &Api) -> Result<Self, Fault> {
        let (mut parts, body): (Parts, _) = request.into_parts();
        let names = Names::of(&mut parts, api).await?;
        let headers = parts.headers.clone();
        let request = axum::extract::Request::from_parts(parts, body);
        let body = Bytes::from_request(request, api).await.map_err(|_| Fault::bad("the body broke off"))?;
        let blank = body.trim_ascii().is_empty();
        let wanted: Option<Wanted> = if blank { None } else { serde_json::from_slice(&body).map_err(|error| not_json(&error))? };
        Ok(Self { names, headers, wanted: wanted.unwrap_or_default() })
    }
}

fn not_json(error: &serde_json::Error) -> Fault {
    Fault::bad(format!("the body: {error}"))
}

impl Request {
    /// The last part of an address, which is a name and a verb.
    pub(super) fn named(&self, part: &str) -> Result<(&str, Verb), Fault> {
        let (name, verb) = self.name(part)?.rsplit_once(':').ok_or(Fault::Method)?;
        let verb = match verb {
            "pause" => Verb::Pause,
            "unpause" => Verb::Unpause,
            "kill" => Verb::Kill,
            "skip" => Verb::Skip,
            "retry" => Verb::Retry,
            _ => return Err(Fault::NotFound("there is no such verb: pause, unpause, kill, skip, retry".to_owned())),
        };
        Ok((name, verb))
    }

    pub(super) fn name(&self, part: &str) -> Result<&str, Fault> {
        self.names.get(part).ok_or_else(absent)
    }

    pub(super) async fn job(&self, api: &Api, caller: &Caller, job: &str) -> Result<JobRow, Fault> {
        by_name(api, caller, self.name("namespace")?, job).await
    }

    /// The selection, and the verb that goes with it: a pause of selected tasks is one of each of them.
    pub(super) fn selection(&self, verb: Verb, object: &Object) -> Result<(Verb, Selector), Fault> {
        let selected = self.wanted.select.as_deref().unwrap_or("true");
        let verb = match (verb, &self.wanted.select) {
            (Verb::Pause, Some(select)) if select.trim() != "true" => Verb::PauseTasks,
            (Verb::Unpause, Some(select)) if select.trim() != "true" => Verb::UnpauseTasks,
            (verb, _) => verb,
        };
        read(verb, object, selected).map(|selector| (verb, selector)).map_err(|fault| Fault::bad(format!("select: {fault}")))
    }

    pub(super) fn reason(&self) -> Result<Option<String>, Fault> {
        let reason = self.wanted.reason.clone().filter(|reason| !reason.is_empty());
        match &reason {
            Some(reason) if reason.chars().nth(REASON).is_some() || reason.contains('\0') => {
                Err(Fault::bad(format!("reason: has at most {REASON} characters, none of them NUL")))
            }
            _ => Ok(reason),
        }
    }

    /// What makes the command act once.
    pub(super) fn key(&self) -> Result<String, Fault> {
        Ok(key(&self.headers)?.unwrap_or_else(|| Uuid::from_u128(rand::random()).to_string()))
    }

    /// The version that the object is to have; `*` stands for any.
    pub(super) fn version(&self) -> Result<Option<i64>, Fault> {
        let Some(header) = self.headers.get(IF_MATCH) else { return Ok(None) };
        let text = header.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        // Another server's etag, or a made-up one, is none of this object's.
        tag.parse().map(Some).map_err(|_| Fault::Precondition("the object has another etag".to_owned()))
    }
}

/// The key by which a client tells one request from another.
pub(in crate::http::v2) fn key(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(header) = headers.get(HeaderName::from_static("idempotency-key")) else { return Ok(None) };
    match header.to_str() {
        Ok(key) if (1..=KEY).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Fault::bad(format!("Idempotency-Key: has 1 to {KEY} letters, digits or signs"))),
    }
}
