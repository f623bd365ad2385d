//! The objects that carry annotations of a job: itself, the handles of its layers, the objects of its tasks. Each is patched alike.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch as JsonPatch, PatchOperation, RemoveOperation, TestOperation};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::api::{Api, ObjectMeta, Patch, PatchParams};
use serde_json::json;

use super::is_ours;
use crate::core::command::{Object, OneShot};
use crate::crd::{self, IgorJob, IgorLayer, IgorTask};
use crate::operator::Error;
use crate::operator::reconcile::layers;
use crate::operator::reconcile::observe::Observed;
use crate::operator::term::Term;

/// An object by which something is steered.
#[derive(Clone, Debug)]
pub(in crate::operator::reconcile) struct Carrier {
    /// What it stands for.
    pub(in crate::operator::reconcile) object: Object,
    /// What its own spec says of being paused; `None` = it says nothing of that.
    pub(super) paused: Option<bool>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) version: u64,
    /// As Events name it.
    pub(super) reference: ObjectReference,
    /// What its status acknowledges, as far as the cache has it.
    pub(super) acknowledged: BTreeMap<String, String>,
    name: String,
    uid: String,
}

/// Every object of the job that there is.
pub(super) fn of_job(term: &Term, observed: &Observed) -> Vec<Carrier> {
    let job = &observed.object;
    let acknowledged = job.status.as_ref().map(|status| status.last_handled.clone()).unwrap_or_default();
    let mut carriers = vec![Carrier::new(Object::Job, &job.metadata, job.object_ref(&()), (Some(job.spec.paused), acknowledged))];
    for layer in &job.spec.layers {
        let Some(handle) = term.handle(&observed.namespace, &layers::name(observed, &layer.name)) else { continue };
        if is_ours(observed, handle.as_ref()) {
            let acknowledged = term.context.memory(&observed.uid, |memory| memory.acknowledged_on(&layer.name));
            let about = reference_of_layer(&handle.metadata);
            carriers.push(Carrier::new(Object::Layer(layer.name.clone()), &handle.metadata, about, (None, acknowledged)));
        }
    }
    for task in term.children.of(&observed.namespace, &observed.name) {
        if is_ours(observed, task.as_ref()) {
            let object = Object::Task { layer: task.spec.layer_name.clone(), task: crd::name_of_task(&task) };
            let acknowledged = task.status.as_ref().map(|status| status.last_handled.clone()).unwrap_or_default();
            carriers.push(Carrier::new(object, &task.metadata, task.object_ref(&()), (Some(task.spec.paused), acknowledged)));
        }
    }
    carriers
}

fn reference_of_layer(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(IgorLayer::api_version(&()).into_owned()),
        kind: Some(IgorLayer::kind(&()).into_owned()),
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

impl Carrier {
    fn new(
        object: Object,
        metadata: &ObjectMeta,
        reference: ObjectReference,
        (paused, acknowledged): (Option<bool>, BTreeMap<String, String>),
    ) -> Self {
        Self {
            object,
            paused,
            annotations: metadata.annotations.clone().unwrap_or_default(),
            version: metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0),
            reference,
            acknowledged,
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        }
    }

    /// Its uid: what is remembered of it is under this.
    pub(super) fn uid(&self) -> &str {
        &self.uid
    }

    /// What a person said about its commands.
    pub(super) fn reason(&self) -> Option<&str> {
        self.annotations.get(crd::ANNOTATION_REASON).map(String::as_str)
    }

    /// Gives one-shots their ids, all at once. A change of the object meanwhile makes it fail, and the next reconcile does it.
    pub(super) async fn stamp(&self, term: &Term, observed: &Observed, shots: &[(String, OneShot)]) -> Result<(), Error> {
        let stamped = |(annotation, shot): &(String, OneShot)| {
            let stamp = uuid::Uuid::from_u128(rand::random()).simple().to_string();
            (annotation.clone(), shot.stamped(&stamp).into())
        };
        let annotations: serde_json::Map<String, serde_json::Value> = shots.iter().map(stamped).collect();
        let patch = json!({"metadata": {"resourceVersion": self.version.to_string(), "annotations": annotations}});
        self.patch(term, observed, &Patch::Merge(&patch)).await.map(drop)
    }

    /// Takes an annotation away, unless it has changed meanwhile: then it is a newer one. Gives the version without it.
    pub(super) async fn remove(&self, term: &Term, observed: &Observed, annotation: &str, value: &str) -> Result<Option<u64>, Error> {
        let path = PointerBuf::from_tokens(["metadata", "annotations", annotation]);
        let patch = JsonPatch(vec![
            PatchOperation::Test(TestOperation { path: path.clone(), value: value.into() }),
            PatchOperation::Remove(RemoveOperation { path }),
        ]);
        match self.patch(term, observed, &Patch::<()>::Json(patch)).await {
            Err(Error::Kube { source: kube::Error::Api(status), .. }) if matches!(status.code, 404 | 409 | 422) => Ok(None),
            done => done.map(Some),
        }
    }

    async fn patch<Body>(&self, term: &Term, observed: &Observed, patch: &Patch<Body>) -> Result<u64, Error>
    where
        Body: serde::Serialize + std::fmt::Debug,
    {
        match self.object {
            Object::Job => patch_as::<IgorJob, Body>(term, observed, &self.name, patch).await,
            Object::Layer(_) => patch_as::<IgorLayer, Body>(term, observed, &self.name, patch).await,
            Object::Task { .. } => patch_as::<IgorTask, Body>(term, observed, &self.name, patch).await,
        }
    }
}

/// Patches an object; gives its version then.
async fn patch_as<Kind, Body>(term: &Term, observed: &Observed, name: &str, patch: &Patch<Body>) -> Result<u64, Error>
where
    Kind: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    Body: serde::Serialize + std::fmt::Debug,
{
    let api: Api<Kind> = Api::namespaced(term.context.client.clone(), &observed.namespace);
    metrics::counter!("igor_api_writes_total", "kind" => Kind::kind(&()).into_owned(), "verb" => "patch").increment(1);
    let patched = api.patch_metadata(name, &PatchParams::default(), patch).await;
    let version = |object: kube::core::PartialObjectMeta<Kind>| object.metadata.resource_version.and_then(|version| version.parse().ok());
    patched.map(|object| version(object).unwrap_or(0)).map_err(|source| Error::Kube { act: "patch an object's annotations", source })
}
