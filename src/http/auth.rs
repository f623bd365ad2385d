//! Who callers are and what they may do: both are the API server's word, kept for seconds.
//!
//! A route declares its [`Need`]; whoever calls it comes to the handler as a [`Caller`], which has to be asked before anything is
//! done or shown: [`Caller::may`] with the namespace and name of the stored object, or [`Caller::namespaces`] for a list.

pub(super) mod local;
mod review;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use self::review::Reviews;
use super::Fault;
use crate::config;

/// What a caller of a route must be allowed to do with objects of kind `IgorJob`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// See one.
    Get,
    /// See those of a namespace.
    List,
    /// Make one.
    Create,
    /// Steer one: every verb, and adding tasks.
    Patch,
}

impl Need {
    /// The verb of Kubernetes.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Patch => "patch",
        }
    }
}

/// The namespaces that a list may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Namespaces {
    /// Every one.
    All,
    /// These; none is an empty list.
    Some(Vec<String>),
}

/// Knows callers by their tokens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gate {
    /// `None` = everybody may do everything.
    reviews: Option<Arc<Reviews>>,
    /// Without reviews: only for this machine.
    loopback: bool,
    served: Arc<[String]>,
}

impl Gate {
    pub(super) fn new(client: kube::Client, config: &config::Api) -> Self {
        let reviews = match config.auth {
            config::Auth::Token => Some(Arc::new(Reviews::new(client, &config.audiences))),
            config::Auth::None => None,
        };
        Self { reviews, loopback: config.listen.ip().is_loopback(), served: config.namespaces.clone().into() }
    }

    /// Who asks, for a route of that need.
    pub(super) async fn caller(&self, headers: &HeaderMap, need: Need) -> Result<Caller, Fault> {
        let subject = match &self.reviews {
            Some(reviews) => Some(reviews.subject(&token::of(headers)?).await?),
            None if self.loopback && !local::is_ours(headers) => {
                let said = "without auth only this machine is answered: ask for localhost, and from no page of elsewhere";
                return Err(Fault::Forbidden(said.to_owned()));
            }
            None => None,
        };
        Ok(Caller { gate: self.clone(), subject, need, asked: Arc::default() })
    }
}

/// Who asks, on a route of a need.
#[derive(Clone)]
pub(crate) struct Caller {
    gate: Gate,
    subject: Option<Arc<review::Subject>>,
    need: Need,
    asked: Arc<AtomicBool>,
}

impl Caller {
    /// The name, as it stands in the audit.
    pub(crate) fn name(&self) -> &str {
        self.subject.as_ref().map_or("anybody", |subject| &subject.name)
    }

    /// Whether the caller may do what the route needs, with that object; without a name, with any of the namespace.
    ///
    /// An object that one may not even see is not there; one that one may see is forbidden.
    pub(crate) async fn may(&self, namespace: &str, name: Option<&str>) -> Result<(), Fault> {
        self.may_also(self.need, namespace, name).await
    }

    /// The same for another need than the route's.
    pub(crate) async fn may_also(&self, need: Need, namespace: &str, name: Option<&str>) -> Result<(), Fault> {
        self.asked.store(true, Ordering::Relaxed);
        if self.can(need, namespace, name).await? {
            return Ok(());
        }
        if name.is_some() && !self.can(Need::Get, namespace, name).await? {
            return Err(Fault::NotFound("there is no such object".to_owned()));
        }
        let verb = need.verb();
        let what = name.map_or_else(|| "igorjobs".to_owned(), |name| format!("igorjobs/{name}"));
        Err(Fault::Forbidden(format!("{} may not {verb} {what} in namespace {namespace}", self.name())))
    }

    /// That a handler found nothing for which there is a question.
    pub(crate) fn nothing_to_ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// The namespaces in which the caller may do what the route needs.
    pub(crate) async fn namespaces(&self) -> Result<Namespaces, Fault> {
        self.asked.store(true, Ordering::Relaxed);
        let served = &self.gate.served;
        let Some((reviews, subject)) = self.reviews() else {
            return Ok(if served.is_empty() { Namespaces::All } else { Namespaces::Some(served.to_vec()) });
        };
        if served.is_empty() && reviews.may(subject, self.need, "", None).await? {
            return Ok(Namespaces::All);
        }
        let all = if served.is_empty() { reviews.namespaces().await? } else { served.clone() };
        reviews.among(subject, self.need, &all).await.map(Namespaces::Some)
    }

    async fn can(&self, need: Need, namespace: &str, name: Option<&str>) -> Result<bool, Fault> {
        let served = &self.gate.served;
        if !served.is_empty() && !served.iter().any(|one| one == namespace) {
            return Ok(false);
        }
        let Some((reviews, subject)) = self.reviews() else { return Ok(true) };
        // Most rights are of a whole namespace: one question for all of its objects.
        if reviews.may(subject, need, namespace, None).await? {
            return Ok(true);
        }
        match name {
            Some(name) => reviews.may(subject, need, namespace, Some(name)).await,
            None => Ok(false),
        }
    }

    fn reviews(&self) -> Option<(&Reviews, &Arc<review::Subject>)> {
        self.gate.reviews.as_deref().zip(self.subject.as_ref())
    }

    /// Whether a handler asked what the caller may.
    pub(super) fn was_asked_about(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        // Not there = the route is not a guarded one.
        parts.extensions.get::<Self>().cloned().ok_or(Fault::Broken)
    }
}
