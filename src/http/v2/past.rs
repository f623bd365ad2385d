//! What happened to a job and what is in it: attempts, changes, commands.

use axum::extract::State;
use axum::response::Response;
use uuid::Uuid;

use super::super::{Api, Fault};
use super::answered::{self, Fields, Page};
use super::asked::{Plain, Query};
use super::found::{OfJob, OfLayer, OfTask};
use super::shown::past::{Attempt, Command, Transition};
use crate::core::command::Object;

/// The attempts of a task.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}/attempts", operation_id = "listAttempts", tag = "history",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("task" = String, Path), Plain),
    responses((status = 200, body = Page<Attempt>)))]
pub(super) async fn attempts(State(api): State<Api>, of: OfTask, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let fields = Fields::read::<Attempt>(asked.fields.as_deref())?;
    let (limit, after) = asked.by_number()?;
    let found = api.ledger.attempts(of.task.task_id, after.unwrap_or(0), limit).await?;
    answered::page(found.items.into_iter().map(Attempt::from).collect(), found.next, &fields)
}

/// What moved in a job: itself and its layers, oldest first.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/transitions", operation_id = "listTransitions", tag = "history",
    params(("namespace" = String, Path), ("job" = String, Path), Plain), responses((status = 200, body = Page<Transition>)))]
pub(super) async fn of_job(State(api): State<Api>, OfJob { job }: OfJob, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let layers = api.ledger.layers(job.job_id).await?;
    let own = std::iter::once((job.job_id, Object::Job));
    let objects: Vec<_> = own.chain(layers.into_iter().map(|layer| (layer.layer_id, Object::Layer(layer.name)))).collect();
    transitions(&api, &objects, &asked).await
}

/// What moved of a layer, oldest first.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/transitions", operation_id = "listTransitionsOfLayer", tag = "history",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), Plain),
    responses((status = 200, body = Page<Transition>)))]
pub(super) async fn of_layer(State(api): State<Api>, of: OfLayer, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    transitions(&api, &[(of.layer.layer_id, Object::Layer(of.layer.name))], &asked).await
}

/// What moved of a task, oldest first.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks/{task}/transitions", operation_id = "listTransitionsOfTask", tag = "history",
    params(("namespace" = String, Path), ("job" = String, Path), ("layer" = String, Path), ("task" = String, Path), Plain),
    responses((status = 200, body = Page<Transition>)))]
pub(super) async fn of_task(State(api): State<Api>, of: OfTask, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    transitions(&api, &[(of.task.task_id, Object::Task { layer: of.of.layer.name, task: of.task.name })], &asked).await
}

async fn transitions(api: &Api, objects: &[(Uuid, Object)], asked: &Plain) -> Result<Response, Fault> {
    let fields = Fields::read::<Transition>(asked.fields.as_deref())?;
    let (limit, after) = asked.by_moment()?;
    let ids: Vec<Uuid> = objects.iter().map(|(id, _)| *id).collect();
    let found = api.ledger.transitions(&ids, after, limit).await?;
    let shown = found.items.into_iter().map(|row| {
        let object = objects.iter().find(|(id, _)| *id == row.id).map(|(_, object)| object.to_string());
        Transition::of(row, object.unwrap_or_default())
    });
    answered::page(shown.collect(), found.next, &fields)
}

/// What was asked of a job, a layer or a task of it, by whom and why, oldest first: its audit.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/jobs/{job}/commands", operation_id = "listCommands", tag = "history",
    params(("namespace" = String, Path), ("job" = String, Path), Plain), responses((status = 200, body = Page<Command>)))]
pub(super) async fn commands(State(api): State<Api>, OfJob { job }: OfJob, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let fields = Fields::read::<Command>(asked.fields.as_deref())?;
    let (limit, after) = asked.by_moment()?;
    let found = api.ledger.commands(job.job_id, after, limit).await?;
    answered::page(found.items.into_iter().map(Command::from).collect(), found.next, &fields)
}
