//! Lists: bare arrays, newest first, of what the caller may see.

use axum::Json;
use axum::extract::{RawQuery, State};

use super::super::auth::Caller;
use super::super::{Api, Fault};
use super::{query, show};

/// Jobs.
pub(super) async fn jobs(State(api): State<Api>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Vec<show::Job>>, Fault> {
    let filter = query::read(query.as_deref(), caller.namespaces().await?)?;
    Ok(Json(api.ledger.plain_jobs(&filter).await?.into_iter().map(show::Job::from).collect()))
}

/// Layers.
pub(super) async fn layers(State(api): State<Api>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Vec<show::Layer>>, Fault> {
    let filter = query::read(query.as_deref(), caller.namespaces().await?)?;
    Ok(Json(api.ledger.plain_layers(&filter).await?.into_iter().map(show::Layer::from).collect()))
}

/// Tasks.
pub(super) async fn tasks(State(api): State<Api>, caller: Caller, RawQuery(query): RawQuery) -> Result<Json<Vec<show::Task>>, Fault> {
    let filter = query::read(query.as_deref(), caller.namespaces().await?)?;
    Ok(Json(api.ledger.plain_tasks(&filter).await?.into_iter().map(show::Task::from).collect()))
}
