//! Jobs.

use axum::extract::{Path, State};
use axum::response::Response;

use super::super::auth::{Caller, Namespaces};
use super::super::{Api, Fault};
use super::answered::{self, Fields, Page};
use super::asked::{JobsAsked, OfJobs, OfOne, Query};
use super::found::OfJob;
use super::shown::Job;
use crate::core::name;

/// Jobs of all namespaces that the caller may list.
#[utoipa::path(get, path = "/api/v2/jobs", operation_id = "listJobs", tag = "jobs", params(OfJobs), responses((status = 200, body = Page<Job>)))]
pub(super) async fn list(State(api): State<Api>, caller: Caller, Query(asked): Query<OfJobs>) -> Result<Response, Fault> {
    let namespaces = match caller.namespaces().await? {
        Namespaces::All => None,
        Namespaces::Some(namespaces) => Some(namespaces),
    };
    page(&api, &asked, namespaces).await
}

/// Jobs of a namespace.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs", operation_id = "listJobsOfNamespace", tag = "jobs", params(("namespace" = String, Path), OfJobs),
    responses((status = 200, body = Page<Job>)))]
pub(super) async fn list_of_namespace(
    State(api): State<Api>,
    caller: Caller,
    Path(namespace): Path<String>,
    Query(asked): Query<OfJobs>,
) -> Result<Response, Fault> {
    if !name::is_label(&namespace) {
        return Err(Fault::NotFound("there is no such namespace".to_owned()));
    }
    caller.may(&namespace, None).await?;
    page(&api, &asked, Some(vec![namespace])).await
}

async fn page(api: &Api, asked: &OfJobs, namespaces: Option<Vec<String>>) -> Result<Response, Fault> {
    let fields = Fields::read::<Job>(asked.fields.as_deref())?;
    let JobsAsked { filter, order, after, limit } = asked.read(namespaces)?;
    let found = api.ledger.jobs(&filter, order, after, limit).await?;
    answered::page(found.items.into_iter().map(Job::from).collect(), found.next, &fields)
}

/// A job: the newest of that name.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}", operation_id = "getJob", tag = "jobs",
    params(("namespace" = String, Path), ("job" = String, Path), OfOne),
    responses((status = 200, body = Job, headers(("ETag" = String)))))]
pub(super) async fn get(OfJob { job }: OfJob, Query(asked): Query<OfOne>) -> Result<Response, Fault> {
    let fields = Fields::read::<Job>(asked.fields.as_deref())?;
    let etag = job.version;
    answered::one(&Job::from(job), Some(etag), &fields)
}
