//! `PATCH /pause` and the other verbs: references with etags, how many were followed.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Serialize;
use uuid::Uuid;

use super::super::auth::Caller;
use super::super::{Api, Fault};
use super::body::{self, Ref};
use crate::core::command::{Object, Selector, Verb, read};
use crate::core::id;
use crate::store::{Command, Done, Found, Seen};

/// Tasks of one command.
const TASKS: usize = 1_000;

/// How many references were followed.
#[derive(Debug, Serialize)]
pub(super) struct Updated {
    updated: usize,
}

/// Nothing new of it is dispatched.
pub(super) async fn pause(State(api): State<Api>, caller: Caller, body: Bytes) -> Result<Json<Updated>, Fault> {
    steer(api, caller, body, Verb::Pause).await
}

/// It goes on.
pub(super) async fn unpause(State(api): State<Api>, caller: Caller, body: Bytes) -> Result<Json<Updated>, Fault> {
    steer(api, caller, body, Verb::Unpause).await
}

/// It counts as done.
pub(super) async fn skip(State(api): State<Api>, caller: Caller, body: Bytes) -> Result<Json<Updated>, Fault> {
    steer(api, caller, body, Verb::Skip).await
}

/// What of it is unfinished ends errored.
pub(super) async fn kill(State(api): State<Api>, caller: Caller, body: Bytes) -> Result<Json<Updated>, Fault> {
    steer(api, caller, body, Verb::Kill).await
}

/// It runs again.
pub(super) async fn retry(State(api): State<Api>, caller: Caller, body: Bytes) -> Result<Json<Updated>, Fault> {
    steer(api, caller, body, Verb::Retry).await
}

/// References, by what they name.
#[derive(Default)]
struct Refs {
    jobs: Vec<(Uuid, Uuid)>,
    layers: Vec<(Uuid, Uuid)>,
    tasks: Vec<(Uuid, Uuid)>,
}

impl Refs {
    /// Reads references; one that is malformed spoils all.
    fn of(refs: Vec<Ref>) -> Result<Self, Fault> {
        let mut sorted = Self::default();
        for Ref { kind, id, etag } in refs {
            let pair = |text: &str| body::id(text).ok_or_else(|| Fault::bad(format!("invalid arg {text:?} is no id")));
            let (id, etag) = (pair(&id)?, pair(&etag)?);
            match kind.as_str() {
                "Job" => sorted.jobs.push((id, etag)),
                "Layer" => sorted.layers.push((id, etag)),
                "Task" => sorted.tasks.push((id, etag)),
                _ => return Err(Fault::bad(format!("invalid arg {kind:?}: kind is Job, Layer or Task"))),
            }
        }
        Ok(sorted)
    }

    /// What of them is there, with the states in which it was seen.
    async fn find(&self, api: &Api) -> Result<Vec<(Found, Uuid)>, Fault> {
        let ids = |refs: &[(Uuid, Uuid)]| refs.iter().map(|(id, _)| *id).collect::<Vec<_>>();
        let mut there: BTreeMap<Uuid, Found> = BTreeMap::new();
        let mut known = |found: Vec<Found>| there.extend(found.into_iter().map(|found| (found.id, found)));
        if !self.jobs.is_empty() {
            known(api.ledger.find_jobs(&ids(&self.jobs)).await?);
        }
        if !self.layers.is_empty() {
            known(api.ledger.find_layers(&ids(&self.layers)).await?);
        }
        if !self.tasks.is_empty() {
            known(api.ledger.find_tasks(&ids(&self.tasks)).await?);
        }
        let all = self.jobs.iter().chain(&self.layers).chain(&self.tasks);
        Ok(all.filter_map(|(id, etag)| Some((there.get(id)?.clone(), *etag))).collect())
    }
}

async fn steer(api: Api, caller: Caller, body: Bytes, verb: Verb) -> Result<Json<Updated>, Fault> {
    caller.nothing_to_ask();
    let refs = Refs::of(body::read(&body)?)?;
    let found = allowed(&caller, refs.find(&api).await?).await?;
    let actor = caller.name().to_owned();
    // Whoever asks may go away in the middle: it is done to its end all the same.
    let followed = tokio::spawn(async move {
        let mut updated = 0;
        for (command, seen) in commands(verb, &actor, found) {
            updated += followed(&seen, &Box::pin(api.ledger.command_seen(&command, &seen)).await?);
        }
        Ok(Json(Updated { updated }))
    });
    followed.await.map_err(|_| Fault::Broken)?
}

/// What the caller may steer; what he may not even see is not there.
async fn allowed(caller: &Caller, found: Vec<(Found, Uuid)>) -> Result<Vec<(Found, Uuid)>, Fault> {
    let jobs: BTreeMap<Uuid, &Found> = found.iter().map(|(found, _)| (found.job_id, found)).collect();
    let mut seen = BTreeSet::new();
    for (job_id, job) in jobs {
        match caller.may(&job.namespace, Some(&job.job)).await {
            Err(Fault::NotFound(_)) => {}
            other => {
                other?;
                seen.insert(job_id);
            }
        }
    }
    Ok(found.into_iter().filter(|(found, _)| seen.contains(&found.job_id)).collect())
}

/// A command for each job and layer, and for the tasks of each layer together.
fn commands(verb: Verb, actor: &str, found: Vec<(Found, Uuid)>) -> Vec<(Command, Vec<Seen>)> {
    let mut of_tasks: BTreeMap<(Uuid, String), Vec<Seen>> = BTreeMap::new();
    let mut commands = Vec::new();
    for (Found { id, job_id, object, .. }, etag) in found {
        match &object {
            Object::Task { layer, .. } => {
                of_tasks.entry((job_id, layer.clone())).or_default().push(Seen { id, etag, object });
            }
            Object::Job | Object::Layer(_) => {
                if read(verb, &object, "true").is_ok() {
                    commands.push((command(verb, actor, job_id, object.clone()), vec![Seen { id, etag, object }]));
                }
            }
        }
    }
    for ((job_id, layer), seen) in of_tasks {
        let verb = match verb {
            Verb::Pause => Verb::PauseTasks,
            Verb::Unpause => Verb::UnpauseTasks,
            other => other,
        };
        let part = |seen: &[Seen]| (command(verb, actor, job_id, Object::Layer(layer.clone())), seen.to_vec());
        commands.extend(seen.chunks(TASKS).map(part));
    }
    commands
}

fn command(verb: Verb, actor: &str, job_id: Uuid, object: Object) -> Command {
    let token = Uuid::from_u128(rand::random()).to_string();
    Command {
        id: id::command(id::created_ms(job_id), &job_id.to_string(), &object.to_string(), verb.as_str(), &token),
        job_id,
        object,
        verb,
        selector: Selector::All,
        actor: actor.to_owned(),
        reason: None,
    }
}

/// How many of the references a command followed.
fn followed(seen: &[Seen], done: &Done) -> usize {
    if seen.iter().any(|seen| matches!(seen.object, Object::Task { .. })) {
        return done.changed as usize;
    }
    usize::from(done.changed > 0 || done.change.status.is_some() || !done.change.layers.is_empty())
}
