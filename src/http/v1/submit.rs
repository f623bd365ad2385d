//! `POST /jobs`: the object is made and accepted into the ledger, and the answer has all ids.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};

use super::super::auth::Caller;
use super::super::make::{Made, Naming, make, object};
use super::super::{Api, Fault};
use super::birth::Birth;
use super::{body, show};
use crate::core::id;
use crate::core::plan::{LayerPlan, TaskPlan};
use crate::core::status::Status;
use crate::store::{Filter, PlainLayer, PlainTask};

/// A new job.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Result<Json<show::WholeJob>, Fault> {
    let namespace = namespace(&api, query.as_deref());
    caller.may(&namespace, None).await?;
    let birth = Birth::of(body::read(&body)?)?;
    drop(body);
    // Whoever asks may go away in the middle: it is done to its end all the same.
    let born = tokio::spawn(async move { bear(&api, &namespace, birth).await });
    born.await.map_err(|_| Fault::Broken)?.map(|(_, job)| Json(job))
}

/// The namespace that a query asks for, or else the one that was set.
pub(super) fn namespace(api: &Api, query: Option<&str>) -> String {
    let mut asked = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let asked = asked.find_map(|(name, value)| (name == "namespace" && !value.is_empty()).then(|| value.into_owned()));
    asked.unwrap_or_else(|| api.config.namespace.clone())
}

/// Makes the job, and shows it as it was born.
pub(super) async fn bear(api: &Api, namespace: &str, birth: Birth) -> Result<(Made, show::WholeJob), Fault> {
    let object = object(Naming::Beginning(&birth.stem), &birth.spec, None);
    let made = Box::pin(make(api, namespace, &object, &birth.plan)).await?;
    let at = |layer: &str, task: &str| id::task(made.created_ms, &made.uid, layer, task);
    let layers: Vec<_> = birth.paused_layers.iter().map(|(layer, since)| (id::layer(made.created_ms, &made.uid, layer), *since)).collect();
    let tasks: Vec<_> = birth.paused_tasks.iter().map(|(layer, task, since)| (at(layer, task), *since)).collect();
    api.ledger.paused_since(&layers, &tasks).await?;
    let shown = show(api, &made, birth).await?;
    Ok((made, shown))
}

async fn show(api: &Api, made: &Made, birth: Birth) -> Result<show::WholeJob, Fault> {
    let filter = Filter { jobs: vec![made.job_id], limit: u32::MAX, ..Filter::default() };
    let job = api.ledger.plain_jobs(&filter).await?.pop().ok_or(Fault::Broken)?;
    let rows = api.ledger.plain_layers(&filter).await?;
    let mut since = birth.paused_tasks.iter().map(|(layer, task, since)| (layer.as_str(), task.as_str(), *since)).peekable();
    let mut layers = Vec::with_capacity(birth.plan.layers.len());
    for planned in &birth.plan.layers {
        let layer_id = id::layer(made.created_ms, &made.uid, &planned.name);
        let row = rows.iter().find(|row| row.id == layer_id).ok_or(Fault::Broken)?;
        let task = |task: &TaskPlan| {
            let paused = since.next_if(|(layer, name, _)| *layer == planned.name && *name == task.name).map(|(_, _, since)| since);
            born(made, row, planned, task, paused).into()
        };
        layers.push(show::WholeLayer { tasks: planned.tasks.iter().map(task).collect(), layer: row.clone().into() });
    }
    Ok(show::WholeJob { job: job.into(), layers })
}

/// A task as it is when its row is written.
fn born(made: &Made, row: &PlainLayer, layer: &LayerPlan, task: &TaskPlan, paused: Option<i64>) -> PlainTask {
    PlainTask {
        id: id::task(made.created_ms, &made.uid, &layer.name, &task.name),
        job_id: made.job_id,
        layer_id: row.id,
        title: task.title.clone().unwrap_or_else(|| task.name.clone()),
        kind: task.kind.clone(),
        status: Status::Pending,
        version: 1,
        paused_ms: paused.map(|second| second * 1000),
        created_ms: made.created_ms,
        updated_ms: row.updated_ms,
        args: task.args.clone(),
        attempt: 0,
        max_failures: task.max_failures,
        message: None,
    }
}
