//! What happened to a job, for people who look back.

use uuid::Uuid;

use crate::core::command::Object;
use crate::core::status::Status;

/// A command as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Its id.
    pub id: Uuid,
    /// When it was taken, unix milliseconds.
    pub at_ms: i64,
    /// When it was done; `None` = it is at work.
    pub done_ms: Option<i64>,
    /// What was asked: a [`crate::core::command::Verb`], in the ledger's word.
    pub verb: String,
    /// What it was asked of, in the ledger's words.
    pub object: String,
    /// Of which of its tasks.
    pub selector: String,
    /// Who asked.
    pub actor: String,
    /// Why, in his words.
    pub reason: Option<String>,
    /// Tasks that it was about.
    pub matched: u32,
    /// Tasks that it moved.
    pub changed: u32,
}

/// A change of a job, a layer or a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// What moved.
    pub object: Object,
    /// From where.
    pub from: Status,
    /// To where; the same for a pause.
    pub to: Status,
    /// Its version from then on.
    pub version: u64,
    /// How often the layer was opened.
    pub run: Option<u32>,
    /// The attempt of a task.
    pub attempt: Option<u32>,
    /// Who or what did it.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// The command that it came from.
    pub command: Option<Uuid>,
}

/// One line of a job's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody asked for something.
    Given(Given),
    /// Something moved.
    Moved(Moved),
}

impl Event {
    /// When, unix milliseconds.
    pub const fn at_ms(&self) -> i64 {
        match self {
            Self::Given(given) => given.at_ms,
            Self::Moved(moved) => moved.at_ms,
        }
    }
}

/// A part of the history of a layer's tasks, task by task in the order of type and plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskPage {
    /// What happened to them.
    pub moved: Vec<Moved>,
    /// Where the next part begins; `None` = this was the last.
    pub next: Option<TaskPlace>,
}

/// A task's place in its layer: its type and its ordinal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPlace {
    /// The type.
    pub kind: String,
    /// The ordinal, from 0; -1 = before the first.
    pub ordinal: i32,
}

/// A task as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// The task.
    pub task_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Where it stands.
    pub status: Status,
    /// Why.
    pub reason: Option<String>,
    /// What its handler said last.
    pub message: Option<String>,
    /// Its last attempt; 0 = none yet.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// The failure that ends it.
    pub max_failures: u32,
    /// Whether it is paused by itself.
    pub paused: bool,
    /// When its next attempt is due, if it waits for that.
    pub due_ms: Option<i64>,
    /// When it last moved.
    pub moved_ms: i64,
}
