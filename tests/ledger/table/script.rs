//! What has to happen to a job until it stands where a cell asks for, in the order in which it happens.
//!
//! Its layers are `first` (task `f`), `stage` (tasks `t` and `u`), `last` (task `z`) and the empty `end`, one behind the other.

use igor::core::command::{Object, Verb};
use igor::core::fold::Said;

use super::cell::{Cell, JobStands as J, LayerStands as L, TaskStands as T};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// All of it is loaded, or only `first` and the task `t`.
    Accept {
        whole: bool,
    },
    /// One attempt of a layer is handed out.
    Send(&'static str),
    /// Something is said of the attempt that was handed out last; or, of a failure, that it is the last one.
    Say(Said),
    SayLast(Said),
    /// A command, of all of an object.
    Give(Verb, Object),
    /// Its time to live is over.
    Expire,
    /// Its object is gone.
    Delete,
}

use Act::{Accept, Give, Say, SayLast, Send};

/// What brings a job into a cell's state.
pub(super) fn script(cell: &Cell) -> Vec<Act> {
    let mut acts = vec![Accept { whole: cell.layer != L::Loading }];
    if cell.layer != L::Loading {
        acts.extend(before_the_stage(cell));
        acts.extend(task(cell));
        acts.extend(behind_the_task(cell));
    }
    acts.extend(end(cell));
    acts
}

/// What stands before the layer is out of the way, unless the layer has not begun.
fn before_the_stage(cell: &Cell) -> Vec<Act> {
    let mut acts = Vec::new();
    if matches!(cell.layer, L::PausedBehind | L::PausedAtTurn) {
        acts.push(Give(Verb::Pause, layer()));
    }
    if cell.layer == L::NotOpen && cell.job == J::Paused {
        acts.extend([Send("first"), Give(Verb::Pause, Object::Job), Say(Said::Completed)]);
    } else if cell.layer.has_begun() || cell.layer == L::PausedAtTurn {
        acts.extend([Send("first"), Say(Said::Completed)]);
    } else if cell.job == J::Held {
        acts.extend([Send("first"), SayLast(Said::Errored)]);
    }
    acts
}

fn task(cell: &Cell) -> Vec<Act> {
    let pause = cell.task_paused.then(|| Give(Verb::Pause, subject()));
    if !cell.layer.has_begun() {
        let end = match cell.task {
            T::Errored => Some(Give(Verb::Kill, subject())),
            T::Skipped => Some(Give(Verb::Skip, subject())),
            _ => None,
        };
        return pause.into_iter().chain(end).collect();
    }
    let begin = match cell.task {
        T::Pending => vec![],
        T::Errored => vec![Send("stage"), Say(Said::Lost), Send("stage")],
        T::Running => vec![Send("stage"), Say(Said::Running)],
        T::Backoff | T::Queued | T::Completed | T::Skipped => vec![Send("stage")],
    };
    let end = match cell.task {
        T::Pending | T::Queued | T::Running => None,
        T::Backoff => Some(Say(Said::Errored)),
        T::Completed => Some(Say(Said::Completed)),
        T::Errored => Some(SayLast(Said::Errored)),
        T::Skipped => Some(Say(Said::Skipped)),
    };
    begin.into_iter().chain(pause).chain(end).collect()
}

/// Ends the layer, if it is to be done, and brings what follows to where the job is to stand.
fn behind_the_task(cell: &Cell) -> Vec<Act> {
    let mut acts = Vec::new();
    if cell.layer == L::PausedOpen {
        acts.push(Give(Verb::Pause, layer()));
    }
    let ended_at_work = cell.layer == L::Finished && matches!(cell.job, J::Killed | J::Deleted);
    if !cell.layer.is_finished() || ended_at_work {
        return acts;
    }
    acts.extend([Send("stage"), Say(Said::Completed)]);
    if cell.job == J::Held && cell.task != T::Errored {
        acts.extend([Send("last"), SayLast(Said::Errored)]);
    }
    if matches!(cell.job, J::Ended | J::Expired) {
        acts.extend([Send("last"), Say(Said::Completed)]);
    }
    if cell.layer == L::PausedFinished {
        acts.push(Give(Verb::Pause, layer()));
    }
    acts
}

fn end(cell: &Cell) -> Vec<Act> {
    let kill = || Give(Verb::Kill, Object::Job);
    match cell.job {
        J::Paused if cell.layer != L::NotOpen => vec![Give(Verb::Pause, Object::Job)],
        J::Killed => vec![kill()],
        J::Expired if cell.layer.is_finished() => vec![Act::Expire],
        J::Expired => vec![kill(), Act::Expire],
        J::Deleted => vec![Act::Delete],
        J::Running | J::Held | J::Paused | J::Ended => vec![],
    }
}

fn layer() -> Object {
    Object::Layer("stage".to_owned())
}

fn subject() -> Object {
    Object::Task { layer: "stage".to_owned(), task: "t".to_owned() }
}
