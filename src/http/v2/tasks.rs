//! Tasks of a layer.

use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::{Api, Fault};
use super::answered::{self, Fields, Page};
use super::asked::{OfOne, OfTasks, Query, TasksAsked};
use super::found::{OfLayer, OfTask};
use super::shown::{Task, WholeTask};

/// The tasks of a layer, type by type in the order of the plan.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks", operation_id = "listTasks", tag = "tasks",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), OfTasks),
    responses((status = 200, body = Page<Task>)))]
pub(super) async fn list(State(api): State<Api>, of: OfLayer, Query(asked): Query<OfTasks>) -> Result<Response, Fault> {
    let fields = Fields::read::<Task>(asked.fields.as_deref())?;
    let TasksAsked { filter, order, after, limit } = asked.read()?;
    let found = api.ledger.tasks(of.layer.layer_id, &filter, order, after.as_ref(), limit).await?;
    answered::page(found.items.into_iter().map(Task::from).collect(), found.next, &fields)
}

/// A task, with its arguments.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}", operation_id = "getTask", tag = "tasks",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("task" = String, Path), OfOne),
    responses((status = 200, body = WholeTask, headers(("ETag" = String)))))]
pub(super) async fn get(State(api): State<Api>, of: OfTask, Query(asked): Query<OfOne>) -> Result<Response, Fault> {
    let fields = Fields::read::<Task>(asked.fields.as_deref())?;
    let etag = i64::from(of.task.version);
    let args = api.ledger.args_of_task(of.task.task_id).await?.unwrap_or_default();
    answered::one(&WholeTask { task: of.task.into(), args_base64: BASE64_STANDARD.encode(args) }, Some(etag), &fields)
}
