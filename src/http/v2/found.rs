//! From an address to what the ledger has there, with the question whether the caller may see it.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use uuid::Uuid;

use super::super::auth::Caller;
use super::super::{Api, Fault};
use crate::core::{id, name};
use crate::store::{JobRow, LayerView, TaskRow};

/// The job of an address: the newest of a name, or the one of an object.
pub(super) struct OfJob {
    pub(super) job: JobRow,
}

/// A layer of an address, and its job.
pub(super) struct OfLayer {
    pub(super) of: OfJob,
    pub(super) layer: LayerView,
}

/// A task of an address, its layer and its job.
pub(super) struct OfTask {
    pub(super) of: OfLayer,
    pub(super) task: TaskRow,
}

impl FromRequestParts<Api> for OfJob {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let caller = Caller::from_request_parts(parts, api).await?;
        let names = Names::of(parts, api).await?;
        let job = match (names.get("namespace"), names.get("job"), names.get("uid")) {
            (Some(namespace), Some(job), _) => by_name(api, &caller, namespace, job).await?,
            (_, _, Some(uid)) => by_uid(api, &caller, uid).await?,
            _ => return Err(Fault::Broken),
        };
        Ok(Self { job })
    }
}

impl FromRequestParts<Api> for OfLayer {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let names = Names::of(parts, api).await?;
        let of = OfJob::from_request_parts(parts, api).await?;
        let named = names.get("layer").unwrap_or_default();
        let layers = api.ledger.layers(of.job.job_id).await?;
        let layer = layers.into_iter().find(|layer| layer.name == named);
        let layer = layer.ok_or_else(|| Fault::NotFound(format!("job {} has no such layer", of.job.name)))?;
        Ok(Self { of, layer })
    }
}

impl FromRequestParts<Api> for OfTask {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        let names = Names::of(parts, api).await?;
        let of = OfLayer::from_request_parts(parts, api).await?;
        let task = of_name(api, &of, names.get("task").unwrap_or_default()).await?;
        Ok(Self { of, task })
    }
}

/// The task of a name in a layer.
pub(super) async fn of_name(api: &Api, of: &OfLayer, task: &str) -> Result<TaskRow, Fault> {
    let absent = || Fault::NotFound(format!("layer {} has no such task", of.layer.name));
    if !name::is_task_name(task) {
        return Err(absent());
    }
    let job = &of.of.job;
    let by_name = id::task(id::created_ms(job.job_id), &job.uid, &of.layer.name, task);
    api.ledger.task_of_layer(of.layer.layer_id, by_name, task).await?.ok_or_else(absent)
}

/// A name that no object has is not asked about: it is not there, for whoever asks.
pub(super) async fn by_name(api: &Api, caller: &Caller, namespace: &str, job: &str) -> Result<JobRow, Fault> {
    if !name::is_label(namespace) || !name::is_label(job) {
        return Err(absent());
    }
    caller.may(namespace, Some(job)).await?;
    let job_id = api.ledger.find_job(namespace, job, None).await?.ok_or_else(absent)?;
    api.ledger.job(job_id).await?.ok_or_else(absent)
}

/// By the object's uid, or Igor's id of the job. The namespace is the one that the ledger has.
async fn by_uid(api: &Api, caller: &Caller, uid: &str) -> Result<JobRow, Fault> {
    let uid = Uuid::parse_str(uid).map_err(|_| absent())?;
    let job_id = match api.ledger.job_of_uid(&uid.hyphenated().to_string()).await? {
        Some(job_id) => job_id,
        None => uid,
    };
    let job = api.ledger.job(job_id).await?.ok_or_else(absent)?;
    caller.may(&job.namespace, Some(&job.name)).await?;
    Ok(job)
}

/// What is said of a job that is not there, and of one that the caller may not know of: the same.
pub(super) fn absent() -> Fault {
    Fault::NotFound("there is no such object".to_owned())
}

/// The parts of an address that are names.
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    pub(super) async fn of(parts: &mut Parts, api: &Api) -> Result<Self, Fault> {
        // What cannot be read as text names nothing.
        let params = RawPathParams::from_request_parts(parts, api).await.map_err(|_| absent())?;
        Ok(Self(params.iter().map(|(part, name)| (part.to_owned(), name.to_owned())).collect()))
    }

    pub(super) fn get(&self, part: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == part).map(|(_, name)| name.as_str())
    }
}
