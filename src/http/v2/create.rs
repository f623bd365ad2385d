//! `POST …/jobs`: a job of an IgorJob's spec, in the cluster and in the ledger when the answer comes.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::super::auth::Caller;
use super::super::make::{Naming, cause, make, object};
use super::super::{Api, Fault};
use super::answered::{self, Fields};
use super::shown::Job;
use super::steer::request::key;
use crate::core::name;
use crate::core::plan::Plan;
use crate::crd::resolve::plan;
use crate::crd::{IgorJob, IgorJobSpec};

/// A job that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewJob {
    /// Its name, which no other job may have now; made up if unset.
    #[schema(max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    name: Option<String>,
    /// The spec of an IgorJob, without `tasksFrom`.
    #[schema(value_type = Object)]
    spec: Map<String, Value>,
}

/// Makes a job. Asked again with the same `Idempotency-Key`, the job that was made then is the answer.
#[utoipa::path(post, path = "/api/v2/namespaces/{namespace}/jobs", operation_id = "createJob", tag = "jobs",
    params(("namespace" = String, Path), ("Idempotency-Key" = Option<String>, Header, max_length = 200)), request_body = NewJob, responses((status = 201, body = Job, headers(("ETag" = String)))))]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(namespace): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Fault> {
    if !name::is_label(&namespace) {
        return Err(Fault::NotFound("there is no such namespace".to_owned()));
    }
    caller.may(&namespace, None).await?;
    let asked: NewJob = serde_json::from_slice(&body).map_err(|error| Fault::bad(format!("the body: {error}")))?;
    let key = key(&headers)?.map(|key| digest(&key));
    let (spec, plan) = asked.read()?;
    let mut object = match (asked.name, &key) {
        (Some(name), _) => object(Naming::Exactly(&name), &spec, key.as_deref()),
        // The same key has to come upon the same name.
        (None, Some(key)) => object(Naming::Exactly(&format!("job-{}", &key[..10])), &spec, Some(key)),
        (None, None) => object(Naming::Beginning("job"), &spec, None),
    };
    cause(&mut object, &headers);
    // Whoever asks may go away in the middle: it is done to its end all the same.
    tokio::spawn(async move { bear(&api, &namespace, &object, &plan).await }).await.map_err(|_| Fault::Broken)?
}

/// A key as an object carries it: whatever its letters are.
fn digest(key: &str) -> String {
    let digest = u128::from_be_bytes(*Sha256::digest(key).first_chunk().expect("SHA-256 has 32 bytes"));
    format!("{digest:032x}")
}

async fn bear(api: &Api, namespace: &str, object: &IgorJob, plan: &Plan) -> Result<Response, Fault> {
    let made = Box::pin(make(api, namespace, object, plan)).await?;
    let job = api.ledger.job(made.job_id).await?.ok_or(Fault::Broken)?;
    let etag = job.version;
    let shown = answered::one(&Job::from(job), Some(etag), &Fields::read::<Job>(None)?)?;
    Ok((StatusCode::CREATED, shown).into_response())
}

impl NewJob {
    /// The spec and its plan, or all that is wrong with them.
    fn read(&self) -> Result<(IgorJobSpec, Plan), Fault> {
        let mut faults = Vec::new();
        if self.name.as_ref().is_some_and(|name| !name::is_label(name)) {
            faults.push("name: has 1 to 63 small letters, digits and hyphens, and begins and ends with none of the latter".to_owned());
        }
        let spec = serde_json::from_value::<IgorJobSpec>(Value::Object(self.spec.clone()));
        let planned = match spec {
            Err(error) => {
                faults.push(format!("spec: {error}"));
                None
            }
            Ok(spec) if spec.layers.iter().any(|layer| !layer.tasks_from.is_empty()) => {
                faults.push("spec.layers: tasksFrom is for objects: here tasks stand in the spec, or are added by tasks:bulk".to_owned());
                None
            }
            Ok(spec) => match plan(&spec, &BTreeMap::new(), &Default::default()) {
                Ok(plan) => Some((spec, plan)),
                Err(more) => {
                    faults.extend(more.iter().map(ToString::to_string));
                    None
                }
            },
        };
        planned.filter(|_| faults.is_empty()).ok_or(Fault::Bad(faults))
    }
}
