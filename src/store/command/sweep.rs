//! The statement by which a command moves tasks: whole stretches of layers, from given statuses, whatever their attempt.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Command;
use super::super::rows::{LayerRow, LockedJob, count, guards, int};
use super::ACT;
use crate::core::command::Verb;
use crate::core::job::Layer;
use crate::core::status::{KILL, Move, RETRY, Status};

/// What a command does to the tasks it finds.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) verb: Verb,
    pub(super) selector: &'static str,
    /// The reason that tasks, layers and the job then carry.
    pub(super) reason: String,
    pub(super) moves: Vec<Move>,
}

impl Effect {
    /// Ends every unfinished task, and with them the job.
    pub(super) fn kill(verb: Verb, reason: &str) -> Self {
        Self { verb, selector: "true", reason: reason.to_owned(), moves: KILL.to_vec() }
    }

    /// Gives every errored task another chance.
    pub(super) fn retry_failed() -> Self {
        let moves = RETRY.iter().copied().filter(|(from, _)| *from == Status::Errored).collect();
        Self { verb: Verb::Retry, selector: "failed", reason: "Retried".to_owned(), moves }
    }

    /// The effect of a command that another process began, from its row.
    pub(super) fn of(verb: &str, reason: Option<&str>) -> Option<Self> {
        [Verb::Kill, Verb::Delete, Verb::Retry].into_iter().find(|known| known.as_str() == verb).map(|known| match known {
            Verb::Kill => Self::kill(known, reason.unwrap_or("Killed")),
            Verb::Delete => Self::kill(known, "Deleted"),
            Verb::Retry | Verb::Skip | Verb::Pause | Verb::Unpause => Self::retry_failed(),
        })
    }

    pub(super) fn kills(&self) -> bool {
        matches!(self.verb, Verb::Kill | Verb::Delete)
    }

    /// How many tasks of a layer it can touch.
    pub(super) fn affected(&self, layer: &Layer) -> u32 {
        let tasks = &layer.tasks;
        self.moves
            .iter()
            .map(|(from, _)| match from {
                Status::Pending => tasks.pending,
                Status::Queued => tasks.queued,
                Status::Running => tasks.running,
                Status::Completed => tasks.completed,
                Status::Errored => tasks.errored,
                Status::Skipped => tasks.skipped,
            })
            .sum()
    }
}

/// A stretch of a layer's ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) layer_id: Uuid,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Moves at once what is queued or running, so that a large kill stops the work with its first step.
pub(super) async fn in_flight(
    connection: &mut PgConnection,
    job: &LockedJob,
    layers: &[LayerRow],
    command: &Command,
    effect: &Effect,
) -> Result<u32, Error> {
    let busy = layers.iter().filter(|row| row.layer.tasks.queued + row.layer.tasks.running > 0);
    let whole: Vec<Stretch> = busy.map(|row| Stretch { layer_id: row.id, first: 0, last: row.layer.loaded }).collect();
    let stop = |(from, _): &Move| matches!(from, Status::Queued | Status::Running);
    let effect = Effect { moves: effect.moves.iter().copied().filter(stop).collect(), ..effect.clone() };
    stretches(connection, job, &whole, command, &effect).await
}

/// Moves the tasks of these stretches; gives how many moved.
pub(super) async fn stretches(
    connection: &mut PgConnection,
    job: &LockedJob,
    stretches: &[Stretch],
    command: &Command,
    effect: &Effect,
) -> Result<u32, Error> {
    if stretches.is_empty() {
        return Ok(0);
    }
    let layers: Vec<Uuid> = stretches.iter().map(|stretch| stretch.layer_id).collect();
    let first: Vec<i32> = stretches.iter().map(|stretch| int(stretch.first)).collect();
    let last: Vec<i32> = stretches.iter().map(|stretch| int(stretch.last)).collect();
    let (from, to) = guards(&effect.moves);
    let moved = sqlx::query_file_scalar!(
        "src/store/sql/sweep.sql",
        job.id,
        job.created() as _,
        &layers,
        &first,
        &last,
        &from,
        &to,
        effect.reason,
        command.actor,
        command.id
    )
    .fetch_one(connection)
    .await
    .act(ACT)?;
    Ok(count(moved))
}
