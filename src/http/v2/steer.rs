//! Verbs: `POST …/NAME:VERB`, on a job, a layer or a task, with a selection of its tasks.

pub(super) mod request;

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::request::Request;
use super::super::auth::Caller;
use super::super::{Api, Fault};
use crate::core::command::{Object, Verb};
use crate::core::id;
use crate::store::{Command, Done, Guarded, JobRow, Progress, Refusal};

/// How long a large command is waited for before it is left to whoever leads.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the verbs are called in addresses.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the words of the document")]
enum VerbWord {
    Pause,
    Unpause,
    Kill,
    Skip,
    Retry,
}

/// Headers of verbs.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "the words of the document")]
struct Guards {
    /// Only if the etag of the object is this one: else 412, and nothing is done.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// A command that is given again with the same key is done once.
    #[param(rename = "Idempotency-Key", max_length = 200)]
    idempotency_key: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Wanted {
    /// Of which tasks: `true` (all that the verb can touch), `failed`, or as in `render/3-9,17,join`. `true` if unset.
    #[schema(max_length = 20_000)]
    select: Option<String>,
    /// Why, in your words: it stands in the audit.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Only say what it would do.
    dry_run: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub(super) struct Steered {
    /// The command, as the audit has it; null of a dry run.
    id: Option<Uuid>,
    verb: String,
    /// Of what it was asked: `job`, `layer/NAME` or `task/LAYER/NAME`.
    object: String,
    /// Of which of its tasks.
    select: String,
    dry_run: bool,
    /// Whether it is done; a large command goes on by itself, and `commands` shows when it is.
    done: bool,
    /// It had been done before, with the same key.
    again: bool,
    /// Tasks that it is about.
    matched: u32,
    /// Whether `matched` is their number, and not only as far as they were counted.
    exact: bool,
    /// Tasks that it moved.
    changed: u32,
    /// Some of the tasks that a dry run found, as `LAYER/TASK`.
    sample: Vec<String>,
}

/// Pauses, unpauses, kills or retries a job; kills, skips, retries, pauses or unpauses tasks of it.
#[utoipa::path(post, path = "/api/v2/namespaces/{namespace}/jobs/{job}:{verb}", operation_id = "steerJob", tag = "verbs",
    params(("namespace" = String, Path), ("job" = String, Path), ("verb" = inline(VerbWord), Path), Guards), request_body = Option<Wanted>,
    responses((status = 200, body = Steered), (status = 202, body = Steered, description = "It is large, and goes on.")))]
pub(super) async fn job(State(api): State<Api>, caller: Caller, request: Request) -> Result<(StatusCode, Json<Steered>), Fault> {
    let (name, verb) = request.named("job")?;
    let job = request.job(&api, &caller, name).await?;
    carry_out(&api, &caller, &job, (Object::Job, verb), &request).await
}

/// The same of a layer and its tasks.
#[utoipa::path(post, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}:{verb}", operation_id = "steerLayer", tag = "verbs",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("verb" = inline(VerbWord), Path), Guards),
    request_body = Option<Wanted>,
    responses((status = 200, body = Steered), (status = 202, body = Steered, description = "It is large, and goes on.")))]
pub(super) async fn layer(State(api): State<Api>, caller: Caller, request: Request) -> Result<(StatusCode, Json<Steered>), Fault> {
    let (layer, verb) = request.named("layer")?;
    let job = request.job(&api, &caller, request.name("job")?).await?;
    has_layer(&api, &job, layer).await?;
    carry_out(&api, &caller, &job, (Object::Layer(layer.to_owned()), verb), &request).await
}

/// The same of a single task.
#[utoipa::path(post, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}:{verb}", operation_id = "steerTask",
    tag = "verbs",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("task" = String, Path),
        ("verb" = inline(VerbWord), Path), Guards),
    request_body = Option<Wanted>,
    responses((status = 200, body = Steered), (status = 202, body = Steered, description = "It is large, and goes on.")))]
pub(super) async fn task(State(api): State<Api>, caller: Caller, request: Request) -> Result<(StatusCode, Json<Steered>), Fault> {
    let (task, verb) = request.named("task")?;
    let job = request.job(&api, &caller, request.name("job")?).await?;
    let layer = request.name("layer")?;
    has_layer(&api, &job, layer).await?;
    let task_id = id::task(id::created_ms(job.job_id), &job.uid, layer, task);
    if api.ledger.tasks_by_id(job.job_id, &[task_id]).await?.is_empty() {
        return Err(Fault::NotFound(format!("layer {layer} has no such task")));
    }
    let object = Object::Task { layer: layer.to_owned(), task: task.to_owned() };
    carry_out(&api, &caller, &job, (object, verb), &request).await
}

async fn has_layer(api: &Api, job: &JobRow, layer: &str) -> Result<(), Fault> {
    let known = api.ledger.layers(job.job_id).await?.iter().any(|known| known.name == layer);
    if known { Ok(()) } else { Err(Fault::NotFound(format!("job {} has no such layer", job.name))) }
}

async fn carry_out(
    api: &Api,
    caller: &Caller,
    job: &JobRow,
    (object, verb): (Object, Verb),
    request: &Request,
) -> Result<(StatusCode, Json<Steered>), Fault> {
    let (verb, selector) = request.selection(verb, &object)?;
    let (token, version) = (request.key()?, request.version()?);
    let created = id::created_ms(job.job_id);
    let command = Command {
        id: id::command(created, &job.uid, &object.to_string(), verb.as_str(), &token),
        job_id: job.job_id,
        object,
        verb,
        selector,
        actor: caller.name().to_owned(),
        reason: request.reason()?,
    };
    if request.wanted.dry_run {
        return would(api, &command).await;
    }
    let mut progress = match version {
        None => api.ledger.command_step(None, &command).await?,
        Some(version) => match api.ledger.command_if(&command, version).await? {
            Guarded::Step(progress) => progress,
            Guarded::Moved(_) => return Err(Fault::Precondition("the object has another etag: look at it again".to_owned())),
        },
    };
    let began = Instant::now();
    while matches!(progress, Progress::More(_)) && began.elapsed() < PATIENCE {
        progress = api.ledger.command_step(None, &command).await?;
    }
    match progress {
        Progress::Done(Done { refused: Some(why), .. }) => Err(refused(why)),
        Progress::Done(done) => {
            let steered = Steered { again: done.again, matched: done.matched, changed: done.changed, ..Steered::of(&command) };
            Ok((StatusCode::OK, Json(Steered { done: true, ..steered })))
        }
        Progress::More(_) => Ok((StatusCode::ACCEPTED, Json(Steered { exact: false, ..Steered::of(&command) }))),
    }
}

impl Steered {
    /// A command of which nothing is known yet.
    fn of(command: &Command) -> Self {
        Self {
            id: Some(command.id),
            verb: command.verb.to_string(),
            object: command.object.to_string(),
            select: command.selector.to_string(),
            dry_run: false,
            done: false,
            again: false,
            matched: 0,
            exact: true,
            changed: 0,
            sample: Vec::new(),
        }
    }
}

async fn would(api: &Api, command: &Command) -> Result<(StatusCode, Json<Steered>), Fault> {
    let would = api.ledger.would(command).await?;
    if let Some(why) = would.refused {
        return Err(refused(why));
    }
    let layers = api.ledger.layers(command.job_id).await?;
    let layer = |id: Uuid| layers.iter().find(|layer| layer.layer_id == id).map_or("", |layer| layer.name.as_str());
    let tasks = api.ledger.tasks_by_id(command.job_id, &would.sample).await?;
    let sample = tasks.iter().map(|task| format!("{}/{}", layer(task.layer_id), task.name)).collect();
    let (matched, exact) = (would.matched, would.exact);
    Ok((StatusCode::OK, Json(Steered { id: None, dry_run: true, matched, exact, sample, ..Steered::of(command) })))
}

fn refused(why: Refusal) -> Fault {
    Fault::Conflict(match why {
        Refusal::Loading => format!("{why}: try again in a moment"),
        Refusal::Deleted | Refusal::Expired | Refusal::NeverLoaded => why.to_string(),
    })
}
