//! The last step of a command: what follows from it for layers and job.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::{By, advance_by};
use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::{Command, JobChange};
use super::super::rows::{LayerRow, LockedJob};
use super::selection::Selection;
use super::{ACT, kill, pause, progress, tasks};
use crate::core::advance::Cause;
use crate::core::command::Verb;

/// Opens the gate, and lets the job end or go on. Gives what was changed beyond the tasks that were moved, and what moved in the job.
/// `small`: the whole command is one step.
pub(super) async fn finish(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    command: &Command,
    selection: &Selection,
    small: bool,
) -> Result<(u32, JobChange), Error> {
    progress::open_gate(connection, job).await?;
    let all = || selection.layers.iter().copied().collect::<Vec<usize>>();
    let cause = match command.verb {
        _ if kill::ends_job(command) => return Ok((0, kill::end_job(connection, job, layers, command).await?)),
        Verb::Pause | Verb::Unpause => return pause::by_command(connection, job, layers, command).await,
        Verb::Skip => Cause::Skipped { whole: selection.whole.iter().copied().collect(), part: all() },
        Verb::Retry => Cause::Retried(all()),
        Verb::Kill | Verb::PauseTasks | Verb::UnpauseTasks | Verb::Deadline | Verb::Delete => Cause::Nothing,
    };
    let due = if command.verb == Verb::Retry { tasks::make_due(connection, layers, selection).await? } else { 0 };
    let change = advance_by(connection, job, &cause, By::command(command), ACT).await?;
    if command.verb == Verb::Retry && !small {
        let touched: Vec<Uuid> = selection.layers.iter().map(|index| layers[*index].id).collect();
        rewind(connection, &touched).await?;
    }
    Ok((due, change))
}

/// Lets dispatch look through layers from their beginning again.
async fn rewind(connection: &mut PgConnection, layers: &[Uuid]) -> Result<(), Error> {
    sqlx::query!("UPDATE igor.layer_types SET next_ordinal = 0 WHERE layer_id = ANY($1)", layers)
        .execute(connection)
        .await
        .map(drop)
        .act(ACT)
}
