//! What happened, as it is shown.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{StatusWord, moment};
use crate::core::status::Status;
use crate::store::{AttemptRow, Given, TransitionRow};

/// An attempt of a task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Attempt {
    /// Its number, from 1.
    #[serde(rename = "attempt")]
    number: u32,
    /// When it was handed to the queue.
    #[schema(format = DateTime)]
    queued_at: String,
    /// When a worker said that it runs.
    #[schema(format = DateTime)]
    running_at: Option<String>,
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// Where the task stood then; PENDING = it was given back, or has another attempt.
    #[schema(value_type = Option<StatusWord>)]
    ended_as: Option<Status>,
    /// Why.
    reason: Option<String>,
    /// Who ended it: `worker ID`, the operator, or a person.
    actor: Option<String>,
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: row.attempt,
            queued_at: moment(row.queued_ms),
            running_at: row.running_ms.map(moment),
            ended_at: row.ended_ms.map(moment),
            ended_as: row.ended_as,
            reason: row.reason,
            actor: row.actor,
        }
    }
}

/// A change of a job, a layer or a task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Transition {
    #[schema(format = DateTime)]
    at: String,
    /// What moved: `job`, `layer/NAME` or `task/LAYER/NAME`.
    object: String,
    #[schema(value_type = StatusWord)]
    from: Status,
    /// The same as `from` for a pause.
    #[schema(value_type = StatusWord)]
    to: Status,
    /// Its etag from then on.
    etag: String,
    /// How often the layer was opened.
    run: Option<u32>,
    /// The attempt of a task.
    attempt: Option<u32>,
    /// Who or what did it.
    actor: String,
    /// Why.
    reason: Option<String>,
    /// The command that it came from.
    command: Option<Uuid>,
}

impl Transition {
    /// Of an object, in the words of commands.
    pub(in super::super) fn of(row: TransitionRow, object: String) -> Self {
        Self {
            at: moment(row.at_us.div_euclid(1000)),
            object,
            from: row.from,
            to: row.to,
            etag: row.version.to_string(),
            run: row.run,
            attempt: row.attempt,
            actor: row.actor,
            reason: row.reason,
            command: row.command,
        }
    }
}

/// What somebody asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Command {
    id: Uuid,
    #[schema(format = DateTime)]
    at: String,
    /// When it was done; null = it is at work.
    #[schema(format = DateTime)]
    done_at: Option<String>,
    verb: String,
    /// Of what it was asked: `job`, `layer/NAME` or `task/LAYER/NAME`.
    object: String,
    /// Of which of its tasks.
    select: String,
    /// Who asked.
    actor: String,
    /// Why, in the person's words.
    reason: Option<String>,
    /// Tasks that it was about.
    matched: u32,
    /// Tasks that it moved.
    changed: u32,
}

impl From<Given> for Command {
    fn from(given: Given) -> Self {
        Self {
            id: given.id,
            at: moment(given.at_ms),
            done_at: given.done_ms.map(moment),
            verb: given.verb,
            object: given.object,
            select: given.selector,
            actor: given.actor,
            reason: given.reason,
            matched: given.matched,
            changed: given.changed,
        }
    }
}
