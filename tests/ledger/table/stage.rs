//! Brings jobs to their places by what the ledger offers: act by act, all jobs abreast.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use igor::core::command::{Object, Verb};
use igor::core::fold::Said;
use igor::core::id;
use igor::core::job::OnFailure;
use igor::core::plan::{Plan, TaskPlan};
use igor::store::{Command, Dispatched, Identity, Outcome, Want};
use uuid::Uuid;

use super::AT_ONCE;
use super::cell::{Cell, JobStands as J, LayerStands as L, TaskStands as T};
use super::script::{Act, script};
use crate::world::{World, asked, job_id, layer, object, outcome, plan, task};

/// A job of a cell.
pub(super) struct Staged {
    pub(super) cell: Cell,
    pub(super) job_id: Uuid,
    object: Identity,
    /// Every attempt that was handed out.
    pub(super) sent: Vec<Dispatched>,
}

/// Brings a job of its own into each cell's state.
pub(super) async fn stage(world: &World, cells: Vec<Cell>) -> Vec<Staged> {
    let places = cells.into_iter().enumerate().map(|(number, cell)| {
        let object = object(&format!("j{number}"));
        Staged { cell, job_id: job_id(&object), object, sent: Vec::new() }
    });
    let mut staged: Vec<Staged> = places.collect();
    let scripts: Vec<Vec<Act>> = staged.iter().map(|staged| script(&staged.cell)).collect();
    for turn in 0..scripts.iter().map(Vec::len).max().unwrap_or(0) {
        let acts: Vec<(usize, &Act)> = scripts.iter().enumerate().filter_map(|(place, acts)| Some((place, acts.get(turn)?))).collect();
        say(world, &staged, &acts).await;
        send(world, &mut staged, &acts).await;
        let rest = acts.iter().map(|(place, act)| single(world, &staged[*place], act, turn));
        futures::stream::iter(rest).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }
    staged
}

fn plan_of(cell: &Cell) -> Plan {
    let tries = |name: &str| TaskPlan { max_failures: 2, ..task(name) };
    let loading = cell.layer == L::Loading;
    let subject = TaskPlan { paused: cell.task_paused && loading, ..tries("t") };
    let mut plan = plan(vec![
        layer("first", 0, vec![tries("f")]),
        layer("stage", 1, vec![subject, tries("u")]),
        layer("last", 2, vec![tries("z")]),
        layer("end", 3, vec![]),
    ]);
    // Behind a layer that failed a job goes on, and ends, only when it tolerates that.
    if cell.task == T::Errored && cell.layer.is_finished() && !matches!(cell.job, J::Held | J::Paused) {
        plan.on_failure = OnFailure::Continue;
    }
    (plan.backoff.initial, plan.backoff.max) = (Duration::from_hours(1), Duration::from_hours(1));
    plan
}

/// Hands out one attempt in each job whose turn it is.
async fn send(world: &World, staged: &mut [Staged], acts: &[(usize, &Act)]) {
    let wants: Vec<(usize, Want)> = acts
        .iter()
        .filter_map(|(place, act)| match act {
            Act::Send(layer) => {
                let object = &staged[*place].object;
                let layer_id = id::layer(object.created_ms, &object.uid, layer);
                Some((*place, Want { layer_id, job_id: staged[*place].job_id, kind: "render".to_owned(), room: 1 }))
            }
            _ => None,
        })
        .collect();
    let places: BTreeMap<Uuid, usize> = wants.iter().map(|(place, want)| (want.job_id, *place)).collect();
    for wants in wants.chunks(100) {
        let wants: Vec<Want> = wants.iter().map(|(_, want)| want.clone()).collect();
        let tasks = world.store.dispatch(world.epoch, &wants).await.expect("dispatched").tasks;
        assert_eq!(tasks.len(), wants.len(), "each layer is open");
        for task in tasks {
            staged[places[&task.job_id]].sent.push(task);
        }
    }
}

/// Says of the last attempt of each job what is due to be said.
async fn say(world: &World, staged: &[Staged], acts: &[(usize, &Act)]) {
    let words = acts.iter().filter_map(|(place, act)| match act {
        Act::Say(said) => Some(told(&staged[*place], *said, false)),
        Act::SayLast(said) => Some(told(&staged[*place], *said, true)),
        _ => None,
    });
    for outcomes in words.collect::<Vec<Outcome>>().chunks(500) {
        let collected = world.store.collect(world.epoch, outcomes.to_vec()).await.expect("collected");
        assert_eq!(collected.applied.len(), outcomes.len(), "each of it counts");
    }
}

fn told(staged: &Staged, said: Said, last: bool) -> Outcome {
    let mut outcome = outcome(staged.sent.last().expect("an attempt"), said);
    outcome.report.last = last;
    outcome
}

/// What happens to each job by itself.
async fn single(world: &World, staged: &Staged, act: &Act, turn: usize) {
    match act {
        Act::Accept { whole: true } => drop(world.accept(&staged.object, &plan_of(&staged.cell)).await),
        Act::Accept { whole: false } => {
            let accepted = world.store.accept_chunk(world.epoch, &staged.object, &plan_of(&staged.cell), 2).await.expect("a part");
            assert_eq!(accepted, None, "there is more to load");
        }
        Act::Give(verb, object) => give(world, staged, *verb, object, turn).await,
        Act::Expire => assert!(world.store.mark_expired(None, staged.job_id).await.expect("marked"), "it has ended"),
        Act::Delete => {
            let gone = Command::deletion(staged.job_id, "operator");
            world.store.command(Some(world.epoch), &gone).await.expect("deleted");
        }
        Act::Send(_) | Act::Say(_) | Act::SayLast(_) => {}
    }
}

async fn give(world: &World, staged: &Staged, verb: Verb, object: &Object, turn: usize) {
    let given = asked(staged.job_id, object, verb.as_str(), "true", &format!("before-{turn}"));
    let done = world.store.command(Some(world.epoch), &given).await.expect("carried out");
    assert_eq!(done.refused, None, "{verb} of {object}");
}
