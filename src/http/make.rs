//! A new job: its object in the cluster, and at once in the ledger, by the same function as the operator's.

use std::time::SystemTime;

use axum::http::HeaderMap;
use kube::api::{Api as Kube, DeleteParams, ObjectMeta, PostParams, Preconditions};
use rand::distr::{Alphanumeric, SampleString};
use uuid::Uuid;

use super::{Api, Fault};
use crate::core::command::Object;
use crate::core::plan::Plan;
use crate::crd::{self, IgorJob, IgorJobSpec};
use crate::store::{Identity, Sighting, Source, Standing};
use crate::trace::{self, Context, Kind, Span};

/// A job that is accepted.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) job_id: Uuid,
    pub(super) uid: String,
    pub(super) created_ms: i64,
    name: String,
}

impl Made {
    /// Deletes its object again, which kills it.
    pub(super) async fn take_back(&self, api: &Api, namespace: &str) {
        take_back(&Kube::namespaced(api.kube.clone(), namespace), &self.name, &self.uid).await;
    }
}

/// What a new object is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Naming<'a> {
    /// So.
    Exactly(&'a str),
    /// So, with random letters behind it.
    Beginning(&'a str),
}

impl Naming<'_> {
    fn name(self) -> String {
        match self {
            Self::Exactly(name) => name.to_owned(),
            Self::Beginning(stem) => format!("{stem}-{}", Alphanumeric.sample_string(&mut rand::rng(), 6).to_lowercase()),
        }
    }
}

/// The annotation with the key under which a job was asked for.
const KEY: &str = "igor.dev/idempotency-key";

/// Makes the object and brings its plan into the ledger. When that fails the object is deleted, and whoever gets the error may ask again.
/// An object that was asked for under a key stays: asked for again under it, the same one is brought into the ledger.
pub(super) async fn make(api: &Api, namespace: &str, object: &IgorJob, plan: &Plan) -> Result<Made, Fault> {
    let asked = SystemTime::now();
    let jobs: Kube<IgorJob> = Kube::namespaced(api.kube.clone(), namespace);
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "create").increment(1);
    let create = async { jobs.create(&PostParams::default(), object).await };
    let (made, is_new) = match Box::pin(create).await {
        Err(kube::Error::Api(status)) if status.code == 409 => (Box::pin(made_before(&jobs, object, namespace)).await?, false),
        made => (made.map_err(|error| refused(error, namespace))?, true),
    };
    let identity = identity(&made, namespace);
    let taken_in = SystemTime::now();
    match api.ledger.accept(None, &identity, plan).await {
        Ok(accepted) if matches!(accepted.standing, Standing::Deleted | Standing::Expired) => {
            Err(Fault::Conflict("the job was deleted while it was being accepted".to_owned()))
        }
        Ok(accepted) => {
            // Whether this accepted it or the operator, who was told of the object meanwhile: it is in.
            if is_new {
                tell_trace(accepted.job_id, &identity, asked, taken_in);
            }
            Ok(Made { job_id: accepted.job_id, uid: identity.uid, created_ms: identity.created_ms, name: identity.name })
        }
        Err(error) => {
            if key_of(object).is_none() {
                take_back(&jobs, &identity.name, &identity.uid).await;
            }
            Err(error.into())
        }
    }
}

/// Sends the spans of a submit: the whole, and the acceptance within.
fn tell_trace(job: Uuid, identity: &Identity, asked: SystemTime, taken_in: SystemTime) {
    if trace::is_sampled(job) {
        let attributes = vec![("igor.namespace", identity.namespace.clone()), ("igor.job", identity.name.clone())];
        let submit = Span { kind: Kind::Server, attributes, ..Span::step("submit", Context::job(job), asked) };
        trace::send(Span::step("accept", submit.context, taken_in));
        trace::send(submit);
    }
}

/// Notes on an object in which trace its maker wanted it, if he says so.
pub(super) fn cause(object: &mut IgorJob, headers: &HeaderMap) {
    let said = headers.get("traceparent").and_then(|value| value.to_str().ok()).filter(|said| Context::parse(said).is_some());
    if let Some(said) = said {
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.insert(crd::ANNOTATION_TRACEPARENT.to_owned(), said.to_owned());
    }
}

/// An object of a spec, asked for under a key or without one.
pub(super) fn object(naming: Naming<'_>, spec: &IgorJobSpec, key: Option<&str>) -> IgorJob {
    let mut object = IgorJob::new(&naming.name(), spec.clone());
    object.metadata.labels = Some([(crd::LABEL_ORIGIN.to_owned(), crd::ORIGIN_API.to_owned())].into());
    object.metadata.annotations = key.map(|key| [(KEY.to_owned(), key.to_owned())].into());
    object
}

fn key_of(object: &IgorJob) -> Option<&String> {
    object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(KEY))
}

/// The object that has the name, if it was asked for under the same key.
async fn made_before(jobs: &Kube<IgorJob>, object: &IgorJob, namespace: &str) -> Result<IgorJob, Fault> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let there = jobs.get_opt(name).await.map_err(|error| refused(error, namespace))?;
    let same = there.filter(|there| key_of(object).is_some() && key_of(there) == key_of(object));
    same.ok_or_else(|| Fault::Conflict(format!("there is a job {name} in {namespace}: choose another name, or delete it")))
}

/// What the operator will say of the same object.
fn identity(object: &IgorJob, namespace: &str) -> Identity {
    let ObjectMeta { uid, name, generation, resource_version, creation_timestamp, .. } = object.metadata.clone();
    let version = resource_version.and_then(|version| version.parse().ok()).unwrap_or(0);
    let spec = |object: Object, paused| Sighting { object, source: Source::Spec, paused: Some(paused), version };
    let mut levels = vec![spec(Object::Job, object.spec.paused)];
    levels.push(Sighting { object: Object::Job, source: Source::Annotation, paused: None, version });
    levels.extend(object.spec.layers.iter().map(|layer| spec(Object::Layer(layer.name.clone()), layer.paused)));
    Identity {
        uid: uid.unwrap_or_default(),
        namespace: namespace.to_owned(),
        name: name.unwrap_or_default(),
        created_ms: creation_timestamp.map_or(0, |time| time.0.as_millisecond()),
        generation: generation.unwrap_or(0),
        origin: crd::ORIGIN_API.to_owned(),
        levels,
        restored: false,
    }
}

/// Deletes an object whose plan could not be accepted; if that fails too, the operator accepts it, or says in its status why not.
async fn take_back(jobs: &Kube<IgorJob>, name: &str, uid: &str) {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    let delete = DeleteParams::default().preconditions(preconditions);
    metrics::counter!("igor_api_writes_total", "kind" => "IgorJob", "verb" => "delete").increment(1);
    if let Err(error) = jobs.delete(name, &delete).await {
        tracing::warn!(name, error = &error as &dyn std::error::Error, "a job that was not accepted could not be deleted");
    }
}

fn refused(error: kube::Error, namespace: &str) -> Fault {
    match error {
        kube::Error::Api(status) if status.code == 404 => Fault::bad(format!("invalid arg: there is no namespace {namespace}")),
        kube::Error::Api(status) if matches!(status.code, 400 | 413 | 422) => Fault::bad(status.message.clone()),
        kube::Error::Api(status) if status.code == 403 => Fault::Forbidden(format!("the API server refuses: {}", status.message)),
        kube::Error::Api(status) if status.code == 409 => Fault::Conflict(status.message.clone()),
        error => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the API server does not answer");
            Fault::StoreAway("the API server")
        }
    }
}
