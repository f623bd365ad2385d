//! Very many tasks into a layer: one a line, as the stream comes, in chunks that are each in the ledger or not.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::header::HeaderMap;
use futures::StreamExt;
use kube::api::Api as Objects;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::super::{Api, Fault};
use super::found::OfLayer;
use super::steer::request::key;
use crate::core::plan::TaskPlan;
use crate::crd::{IgorJob, IgorJobSpec, IgorTaskSpec, resolve};
use crate::store::{Adding, NotAdded};

/// Lines of one chunk: one transaction.
const CHUNK: usize = 1_000;
/// Longest line.
const LINE: usize = 64 * 1024;
/// How often a layer that takes nothing yet is asked again, and how long in between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// A task, as a line of the stream.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Line {
    /// Unique in the layer. Without one it is made from the key and the number of the line.
    name: Option<String>,
    title: Option<String>,
    /// Its type; that of the job's defaults if unset.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Its arguments as text; at most one of this, `argsBase64` and `payload`.
    args: Option<String>,
    args_base64: Option<String>,
    #[schema(value_type = Option<Object>)]
    payload: Option<Map<String, Value>>,
    retries: Option<i32>,
    timeout_seconds: Option<i32>,
    #[serde(default)]
    paused: bool,
}

/// What came of a stream.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bulk {
    /// Tasks of the stream.
    received: u64,
    /// Those of them that are new.
    added: u64,
    /// Those that were there already: of an earlier try with the same key, or of the same names.
    already: u64,
}

/// Adds tasks to a layer that has not begun, or is paused. Given again with the same `Idempotency-Key`, a stream that broke off goes on
/// where it was: what is there already is passed over.
#[utoipa::path(post, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks:bulk", operation_id = "addTasks", tag = "tasks",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, max_length = 200)),
    request_body(content = Line, content_type = "application/x-ndjson", description = "One task a line."),
    responses((status = 200, body = Bulk)))]
pub(super) async fn add(State(api): State<Api>, of: OfLayer, headers: HeaderMap, body: Body) -> Result<Json<Bulk>, Fault> {
    let key = key(&headers)?.unwrap_or_else(|| uuid::Uuid::from_u128(rand::random()).to_string());
    let spec = spec(&api, &of).await?;
    let hash = Sha256::digest(&key).iter().take(5).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    let prefix = format!("{hash:010x}");
    let mut lines = Lines { stream: body.into_data_stream(), rest: Vec::new(), ended: false, number: 0 };
    let mut bulk = Bulk::default();
    loop {
        let (tasks, faults, last) = chunk(&mut lines, &spec, &prefix).await.map_err(|fault| bulk.so_far(fault))?;
        if !faults.is_empty() {
            return Err(bulk.so_far(Fault::Bad(faults)));
        }
        let written = write(&api, &of, &tasks).await.map_err(|fault| bulk.so_far(fault))?;
        bulk.received += tasks.len() as u64;
        bulk.added += written;
        bulk.already += tasks.len() as u64 - written;
        if last {
            return Ok(Json(bulk));
        }
    }
}

impl Bulk {
    /// A fault, with what is in the ledger all the same.
    fn so_far(&self, fault: Fault) -> Fault {
        if self.received == 0 {
            return fault;
        }
        let note = format!("the first {} tasks are in", self.received);
        match fault {
            Fault::Bad(mut faults) => {
                faults.push(note);
                Fault::Bad(faults)
            }
            Fault::Conflict(what) => Fault::Conflict(format!("{what}; {note}")),
            other => other,
        }
    }
}

/// The job's spec, for what holds for tasks that do not say. A job whose object is gone takes no tasks.
async fn spec(api: &Api, of: &OfLayer) -> Result<IgorJobSpec, Fault> {
    let job = &of.of.job;
    let objects: Objects<IgorJob> = Objects::namespaced(api.kube.clone(), &job.namespace);
    let object = objects.get_opt(&job.name).await.map_err(|error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "the API server does not answer");
        Fault::StoreAway("the API server")
    })?;
    let ours = object.filter(|object| object.metadata.uid.as_deref() == Some(&job.uid));
    ours.map(|object| object.spec).ok_or_else(|| Fault::NotFound("the job's object is gone: it takes no tasks".to_owned()))
}

/// The tasks of the next lines, all that is wrong with them, and whether they were the last.
async fn chunk(lines: &mut Lines, spec: &IgorJobSpec, prefix: &str) -> Result<(Vec<TaskPlan>, Vec<String>, bool), Fault> {
    let (mut tasks, mut faults) = (Vec::new(), Vec::new());
    while tasks.len() + faults.len() < CHUNK {
        let Some(line) = lines.next().await? else { return Ok((tasks, faults, true)) };
        let number = lines.number;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read(&line, spec, &format!("{prefix}-{number}")) {
            Ok(task) => tasks.push(task),
            Err(what) => faults.extend(what.into_iter().map(|what| format!("line {number}: {what}"))),
        }
    }
    Ok((tasks, faults, false))
}

/// A line as a task, or what is wrong with it.
fn read(line: &[u8], spec: &IgorJobSpec, unnamed: &str) -> Result<TaskPlan, Vec<String>> {
    let line: Line = serde_json::from_slice(line).map_err(|error| vec![error.to_string()])?;
    let usual = spec.defaults.as_ref().and_then(|defaults| defaults.kind.clone());
    let Some(kind) = line.kind.or(usual) else { return Err(vec!["type: is missing, here and in the job's defaults".to_owned()]) };
    let task = IgorTaskSpec {
        name: Some(line.name.unwrap_or_else(|| unnamed.to_owned())),
        title: line.title,
        kind,
        args: line.args,
        args_base64: line.args_base64,
        payload: line.payload,
        retries: line.retries,
        timeout_seconds: line.timeout_seconds,
        paused: line.paused,
        ..IgorTaskSpec::default()
    };
    resolve::task(&task, unnamed, spec)
        .map_err(|faults| faults.iter().map(|fault| format!("{}: {}", field(&fault.path), fault.message)).collect())
}

/// The last part of a path in a spec.
fn field(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Writes a chunk; how many of its tasks are new.
async fn write(api: &Api, of: &OfLayer, tasks: &[TaskPlan]) -> Result<u64, Fault> {
    for _ in 0..TRIES {
        match api.ledger.add_tasks(None, of.of.job.job_id, &of.layer.name, tasks).await? {
            Adding::Added(added) => return Ok(added.written.into()),
            Adding::Refused(why) => return Err(refused(&why)),
            Adding::Later => tokio::time::sleep(PAUSE).await,
        }
    }
    Err(Fault::Conflict("the job is still being loaded, or a large command is at work on it: try again".to_owned()))
}

fn refused(why: &NotAdded) -> Fault {
    let what = why.to_string();
    match why {
        NotAdded::JobNotFound(_) | NotAdded::LayerNotFound(_) => Fault::NotFound(what),
        NotAdded::LayerStarted(_) | NotAdded::DuplicateTaskName(_) => Fault::Conflict(what),
        NotAdded::InvalidSpec(_) | NotAdded::TooLarge(_) => Fault::bad(what),
    }
}

/// The lines of a body, as it arrives.
struct Lines {
    stream: BodyDataStream,
    rest: Vec<u8>,
    ended: bool,
    /// Of the line given last, from 1.
    number: u64,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.rest.drain(..=searched + end).collect();
                self.number += 1;
                return Ok(Some(line));
            }
            searched = self.rest.len();
            if searched > LINE {
                return Err(Fault::bad(format!("line {}: has more than {LINE} bytes", self.number + 1)));
            }
            if self.ended {
                self.number += 1;
                return Ok((!self.rest.is_empty()).then(|| std::mem::take(&mut self.rest)));
            }
            match self.stream.next().await {
                Some(Ok(bytes)) => self.rest.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(Fault::bad("the body broke off")),
                None => self.ended = true,
            }
        }
    }
}
