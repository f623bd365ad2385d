//! `POST /tasks`, also `/layers`: tasks for layers that are there, or for a new one of a new job; all or none.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use uuid::Uuid;

use super::super::auth::{Caller, Need};
use super::super::{Api, Fault};
use super::birth::Birth;
use super::body::{self, NewJob, NewLayer, NewTask};
use super::{show, submit};
use crate::core::command::Object;
use crate::store::{Adding, Addition, Filter, Found, MAX_ADDED, NotAdded};

/// How long a layer that is being loaded, or a large command, is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at it.
const AGAIN: Duration = Duration::from_millis(100);

/// New tasks.
pub(super) async fn post(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Result<Json<Vec<show::Task>>, Fault> {
    let tasks: Vec<NewTask> = body::read(&bytes)?;
    drop(bytes);
    if tasks.is_empty() {
        return Err(Fault::bad("no tasks specified"));
    }
    tasks.iter().try_for_each(NewTask::check)?;
    let namespace = submit::namespace(&api, query.as_deref());
    let places = places(&api, &caller, &namespace, &tasks).await?;
    tokio::spawn(async move { write(&api, &namespace, places, tasks).await }).await.map_err(|_| Fault::Broken)?.map(Json)
}

/// The layers that are named, which the caller may change.
async fn places(api: &Api, caller: &Caller, namespace: &str, tasks: &[NewTask]) -> Result<BTreeMap<Uuid, Found>, Fault> {
    let named = tasks.iter().filter(|task| !task.layer_id.is_empty());
    let ids = named.map(|task| body::id(&task.layer_id).ok_or_else(|| Fault::bad("bad layer id"))).collect::<Result<Vec<_>, _>>()?;
    if ids.len() < tasks.len() {
        caller.may_also(Need::Create, namespace, None).await?;
    }
    let mut ids: Vec<Uuid> = ids;
    ids.sort_unstable();
    ids.dedup();
    let found: BTreeMap<Uuid, Found> = api.ledger.find_layers(&ids).await?.into_iter().map(|found| (found.id, found)).collect();
    for id in ids {
        let missing = || Fault::bad(format!("parent not found parent layer {id} not found for task"));
        let place = found.get(&id).ok_or_else(missing)?;
        match caller.may(&place.namespace, Some(&place.job)).await {
            Err(Fault::NotFound(_)) => return Err(missing()),
            other => other?,
        }
    }
    Ok(found)
}

/// Where the tasks of a request go, by their places in it.
#[derive(Default)]
struct Sorted {
    /// Into a new job.
    born: Vec<(usize, NewTask)>,
    /// Into layers that are there.
    added: BTreeMap<Uuid, (Addition, Vec<usize>)>,
    /// Since when those are paused.
    paused: BTreeMap<usize, i64>,
}

impl Sorted {
    fn of(tasks: Vec<NewTask>, places: &BTreeMap<Uuid, Found>) -> Result<Self, Fault> {
        let token: u64 = rand::random();
        let mut sorted = Self::default();
        for (place, mut task) in tasks.into_iter().enumerate() {
            let found = body::id(&std::mem::take(&mut task.layer_id)).and_then(|id| places.get(&id));
            let Some(Found { id, job_id, object: Object::Layer(layer), .. }) = found else {
                sorted.born.push((place, task));
                continue;
            };
            let empty = || (Addition { job_id: *job_id, layer: layer.clone(), tasks: Vec::new() }, Vec::new());
            let (addition, order) = sorted.added.entry(*id).or_insert_with(empty);
            addition.tasks.push(task.plan(format!("t.{token:016x}.{place}"))?);
            order.push(place);
            if task.paused_at != 0 {
                sorted.paused.insert(place, task.paused_at);
            }
        }
        Ok(sorted)
    }
}

async fn write(api: &Api, namespace: &str, places: BTreeMap<Uuid, Found>, tasks: Vec<NewTask>) -> Result<Vec<show::Task>, Fault> {
    let Sorted { born, added, paused } = Sorted::of(tasks, &places)?;
    let (order, born): (Vec<usize>, Vec<NewTask>) = born.into_iter().unzip();
    let mut shown = BTreeMap::new();
    let mut made = None;
    if !born.is_empty() {
        let layers = vec![NewLayer { tasks: born, ..NewLayer::default() }];
        let birth = Birth::of(NewJob { layers, ..NewJob::default() })?;
        let (job, tasks) = submit::bear(api, namespace, birth).await?;
        shown.extend(order.into_iter().zip(tasks.layers.into_iter().flat_map(|layer| layer.tasks)));
        made = Some(job);
    }
    if !added.is_empty() {
        match add(api, added, &paused).await {
            Ok(tasks) => shown.extend(tasks),
            Err(fault) => {
                if let Some(made) = made {
                    made.take_back(api, namespace).await;
                }
                return Err(fault);
            }
        }
    }
    Ok(shown.into_values().collect())
}

/// Adds tasks to layers, and shows them by their places in the request.
async fn add(
    api: &Api,
    added: BTreeMap<Uuid, (Addition, Vec<usize>)>,
    paused: &BTreeMap<usize, i64>,
) -> Result<Vec<(usize, show::Task)>, Fault> {
    let (mut additions, mut order) = (Vec::new(), Vec::new());
    for (addition, places) in added.into_values() {
        order.extend(places);
        let part = |tasks: &[_]| Addition { tasks: tasks.to_vec(), ..addition.clone() };
        additions.extend(addition.tasks.chunks(MAX_ADDED).map(part));
    }
    let ids = written(api, &additions).await?;
    let since = order.iter().zip(&ids).filter_map(|(place, id)| paused.get(place).map(|since| (*id, *since)));
    api.ledger.paused_since(&[], &since.collect::<Vec<_>>()).await?;
    let filter = Filter { tasks: ids.clone(), limit: u32::MAX, ..Filter::default() };
    let mut rows: BTreeMap<Uuid, _> = api.ledger.plain_tasks(&filter).await?.into_iter().map(|row| (row.id, row)).collect();
    let shown = order.into_iter().zip(ids).map(|(place, id)| Ok((place, rows.remove(&id).ok_or(Fault::Broken)?.into())));
    shown.collect()
}

/// Writes them, and gives their ids.
async fn written(api: &Api, additions: &[Addition]) -> Result<Vec<Uuid>, Fault> {
    let began = tokio::time::Instant::now();
    loop {
        match api.ledger.add_all(None, additions).await? {
            Adding::Added(added) => return Ok(added.tasks),
            Adding::Refused(why) => return Err(refused(&why)),
            Adding::Later if began.elapsed() > PATIENCE => return Err(Fault::Busy(1)),
            Adding::Later => tokio::time::sleep(AGAIN).await,
        }
    }
}

fn refused(why: &NotAdded) -> Fault {
    let original = match why {
        NotAdded::JobNotFound(_) | NotAdded::LayerNotFound(_) => "parent not found",
        NotAdded::LayerStarted(_) => "invalid state",
        NotAdded::TooLarge(_) => "max length exceeded",
        NotAdded::DuplicateTaskName(_) | NotAdded::InvalidSpec(_) => "invalid arg",
    };
    Fault::bad(format!("{original}: {why}"))
}
