//! Who works and what waits: types, queues and workers, from the dispatcher's cursors and the queue's registry.
//!
//! Redis is only looked at. Without it, types show what the ledger knows, and workers are not known.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::{Caller, Namespaces};
use super::super::{Api, Fault};
use super::answered::{self, Fields, Page};
use super::asked::{Plain, Query};
use super::shown::moment;
use crate::core::name;
use crate::queue::{Client, TypeKey, WorkerInfo};
use crate::store::OpenWork;

/// A type of tasks.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kind {
    /// Null of a queue that namespaces share.
    namespace: Option<String>,
    queue: String,
    #[serde(rename = "type")]
    name: String,
    /// Open layers that have tasks of it.
    open_layers: u32,
    /// Places in these layers that dispatch has not come to; those of other types between them are counted too.
    ahead: u64,
    /// Tasks that wait out of order: for a retry, or given back.
    waiting: u64,
    /// Tasks in the queue that no worker holds.
    queued: u64,
    /// Tasks that workers hold.
    held: u64,
    /// Workers that are heard of.
    workers: u32,
}

/// A queue.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Queue {
    /// Null of a queue that namespaces share.
    namespace: Option<String>,
    #[serde(rename = "queue")]
    name: String,
    /// How many types it has.
    types: u32,
    open_layers: u32,
    queued: u64,
    held: u64,
}

/// A worker.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Worker {
    id: String,
    /// What it serves, as `QUEUE/TYPE`.
    types: Vec<String>,
    /// Whether it is heard of: it renewed its card within a lease.
    alive: bool,
    host: String,
    pod: String,
    version: String,
    language: String,
    /// How many handlers run at once.
    slots: u64,
    /// The most tasks that one call takes.
    batch: u64,
    /// Tasks that it holds.
    held: u64,
    /// Tasks that ended since its start.
    done: u64,
    /// Those of them that failed.
    errors: u64,
    #[schema(format = DateTime)]
    started_at: Option<String>,
}

/// The types of all namespaces that the caller may list.
#[utoipa::path(get, path = "/api/v2/types", operation_id = "listTypes", tag = "work", params(Plain),
    responses((status = 200, body = Page<Kind>)))]
pub(super) async fn types(State(api): State<Api>, caller: Caller, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let scope = Scope::everywhere(&caller).await?;
    page(kinds(&api, &scope).await?, &asked)
}

/// The types of a namespace.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/types", operation_id = "listTypesOfNamespace", tag = "work",
    params(("namespace" = String, Path), Plain), responses((status = 200, body = Page<Kind>)))]
pub(super) async fn types_of(
    State(api): State<Api>,
    caller: Caller,
    Path(namespace): Path<String>,
    Query(asked): Query<Plain>,
) -> Result<Response, Fault> {
    let scope = Scope::of(&caller, namespace).await?;
    page(kinds(&api, &scope).await?, &asked)
}

/// The queues of all namespaces that the caller may list.
#[utoipa::path(get, path = "/api/v2/queues", operation_id = "listQueues", tag = "work", params(Plain),
    responses((status = 200, body = Page<Queue>)))]
pub(super) async fn queues(State(api): State<Api>, caller: Caller, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let scope = Scope::everywhere(&caller).await?;
    page(by_queue(kinds(&api, &scope).await?), &asked)
}

/// The queues of a namespace.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/queues", operation_id = "listQueuesOfNamespace", tag = "work",
    params(("namespace" = String, Path), Plain), responses((status = 200, body = Page<Queue>)))]
pub(super) async fn queues_of(
    State(api): State<Api>,
    caller: Caller,
    Path(namespace): Path<String>,
    Query(asked): Query<Plain>,
) -> Result<Response, Fault> {
    let scope = Scope::of(&caller, namespace).await?;
    page(by_queue(kinds(&api, &scope).await?), &asked)
}

/// The workers of all namespaces that the caller may list.
#[utoipa::path(get, path = "/api/v2/workers", operation_id = "listWorkers", tag = "work", params(Plain),
    responses((status = 200, body = Page<Worker>)))]
pub(super) async fn workers(State(api): State<Api>, caller: Caller, Query(asked): Query<Plain>) -> Result<Response, Fault> {
    let scope = Scope::everywhere(&caller).await?;
    page(serving(&api, &scope).await?, &asked)
}

/// The workers of a namespace.
#[utoipa::path(get, path = "/api/v2/namespaces/{namespace}/workers", operation_id = "listWorkersOfNamespace", tag = "work",
    params(("namespace" = String, Path), Plain), responses((status = 200, body = Page<Worker>)))]
pub(super) async fn workers_of(
    State(api): State<Api>,
    caller: Caller,
    Path(namespace): Path<String>,
    Query(asked): Query<Plain>,
) -> Result<Response, Fault> {
    let scope = Scope::of(&caller, namespace).await?;
    page(serving(&api, &scope).await?, &asked)
}

/// Which namespaces are shown: all of them with the queues that they share, or some with their own.
struct Scope(Option<Vec<String>>);

impl Scope {
    async fn everywhere(caller: &Caller) -> Result<Self, Fault> {
        Ok(match caller.namespaces().await? {
            Namespaces::All => Self(None),
            Namespaces::Some(namespaces) => Self(Some(namespaces)),
        })
    }

    async fn of(caller: &Caller, namespace: String) -> Result<Self, Fault> {
        if !name::is_label(&namespace) {
            return Err(Fault::NotFound("there is no such namespace".to_owned()));
        }
        caller.may(&namespace, None).await?;
        Ok(Self(Some(vec![namespace])))
    }

    /// The namespace and the queue of a type in Redis, if it is shown.
    fn shows(&self, key: &TypeKey) -> Option<(Option<String>, String)> {
        let own = key.queue.split_once('.').map(|(namespace, queue)| (Some(namespace.to_owned()), queue.to_owned()));
        let (namespace, queue) = own.unwrap_or_else(|| (None, key.queue.clone()));
        let shown = match (&self.0, &namespace) {
            (None, _) => true,
            (Some(namespaces), Some(namespace)) => namespaces.contains(namespace),
            (Some(_), None) => false,
        };
        shown.then_some((namespace, queue))
    }
}

/// The types that are shown, by namespace, queue and type.
async fn kinds(api: &Api, scope: &Scope) -> Result<Vec<Kind>, Fault> {
    let mut kinds: BTreeMap<(Option<String>, String, String), Kind> = BTreeMap::new();
    for OpenWork { namespace, queue, kind, layers, ahead, waiting } in api.ledger.open_work(scope.0.as_deref()).await? {
        let key = (Some(namespace.clone()), queue.clone(), kind.clone());
        let shown = Kind { namespace: Some(namespace), queue, name: kind, open_layers: layers, ahead, waiting, ..Kind::default() };
        kinds.insert(key, shown);
    }
    if let Some(queue) = api.queue().await? {
        for (key, namespace, name) in keys(queue, scope).await? {
            let backlog = queue.backlog(&key).await.map_err(|error| away(&error))?;
            let workers = queue.workers(&key).await.map_err(|error| away(&error))?;
            let kind = kinds.entry((namespace.clone(), name.clone(), key.kind.clone())).or_insert_with(|| Kind {
                namespace,
                queue: name,
                name: key.kind.clone(),
                ..Kind::default()
            });
            kind.held = backlog.iter().map(|lane| lane.pending).sum();
            kind.queued = backlog.iter().map(|lane| lane.length.saturating_sub(lane.pending)).sum();
            kind.workers = u32::try_from(workers.iter().filter(|worker| worker.card.is_some()).count()).unwrap_or(u32::MAX);
        }
    }
    Ok(kinds.into_values().collect())
}

/// The types that Redis knows and that are shown.
async fn keys(queue: &Client, scope: &Scope) -> Result<Vec<(TypeKey, Option<String>, String)>, Fault> {
    let mut keys = queue.served().await.map_err(|error| away(&error))?;
    keys.extend(queue.types_with_entries().await.map_err(|error| away(&error))?);
    Ok(keys.into_iter().filter_map(|key| scope.shows(&key).map(|(namespace, name)| (key, namespace, name))).collect())
}

fn by_queue(kinds: Vec<Kind>) -> Vec<Queue> {
    let mut queues: BTreeMap<(Option<String>, String), Queue> = BTreeMap::new();
    for kind in kinds {
        let queue = queues.entry((kind.namespace.clone(), kind.queue.clone())).or_insert_with(|| Queue {
            namespace: kind.namespace,
            name: kind.queue,
            ..Queue::default()
        });
        queue.types += 1;
        queue.open_layers += kind.open_layers;
        queue.queued += kind.queued;
        queue.held += kind.held;
    }
    queues.into_values().collect()
}

/// The workers of the types that are shown, by id.
async fn serving(api: &Api, scope: &Scope) -> Result<Vec<Worker>, Fault> {
    let Some(queue) = api.queue().await? else { return Ok(Vec::new()) };
    let mut workers: BTreeMap<String, Worker> = BTreeMap::new();
    for (key, _, _) in keys(queue, scope).await? {
        for WorkerInfo { id, pending, card, .. } in queue.workers(&key).await.map_err(|error| away(&error))? {
            let worker = workers.entry(id.clone()).or_insert_with(|| {
                let alive = card.is_some();
                let card = card.unwrap_or_default();
                let started = (card.started_ms > 0).then(|| moment(card.started_ms));
                Worker {
                    id,
                    types: Vec::new(),
                    alive,
                    host: card.host,
                    pod: card.pod,
                    version: card.version,
                    language: card.lang,
                    slots: card.slots,
                    batch: card.batch,
                    held: 0,
                    done: card.done,
                    errors: card.errs,
                    started_at: started,
                }
            });
            worker.types.push(key.to_string());
            worker.held += pending;
        }
    }
    Ok(workers.into_values().collect())
}

/// A page of what was gathered whole.
fn page<T: Serialize + utoipa::PartialSchema>(all: Vec<T>, asked: &Plain) -> Result<Response, Fault> {
    let fields = Fields::read::<T>(asked.fields.as_deref())?;
    let (limit, after) = asked.by_number()?;
    let start = after.unwrap_or(0);
    let (first, most) = (usize::try_from(start).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
    let more = all.len() > first.saturating_add(most);
    let next = more.then(|| start.saturating_add(limit));
    answered::page(all.into_iter().skip(first).take(most).collect(), next, &fields)
}

fn away(error: &crate::queue::Error) -> Fault {
    tracing::warn!(error = error as &dyn std::error::Error, "Redis is away");
    Fault::StoreAway("Redis")
}
