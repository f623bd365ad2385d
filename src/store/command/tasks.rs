//! The statements by which a command finds and moves tasks, a step at a time.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Command;
use super::super::rows::{LayerRow, LockedJob, count, int};
use super::super::time::Time;
use super::ACT;
use super::selection::{Filter, Scan, Selection};
use crate::core::command::{Meant, Selector, Verb};
use crate::core::status::Status;

/// Tasks that one step looks at.
const STEP: u32 = 5_000;
/// Tasks that may be queued or running at once, and a reserve: the first step of a large command stops them all.
const IN_FLIGHT: usize = 400_000;

/// A stretch of a layer's ordinals, and which of its tasks are meant.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    layer_id: Uuid,
    first: u32,
    last: u32,
    filter: Filter,
    meant: Meant,
    /// So many of a type at most, the last ones first.
    most: Option<u32>,
}

impl Stretch {
    /// All that is looked through of a layer.
    pub(super) fn whole(scan: &Scan, row: &LayerRow) -> Self {
        Self::part(scan, row, 0, row.layer.loaded)
    }

    fn part(scan: &Scan, row: &LayerRow, first: u32, last: u32) -> Self {
        Self { layer_id: row.id, first, last, filter: scan.filter.clone(), meant: scan.meant, most: None }
    }
}

/// What one step goes through, and the cursor behind it; no cursor = it is the last.
pub(super) struct Step {
    pub(super) stretches: Vec<Stretch>,
    pub(super) next: Option<u32>,
}

/// A command at work on a job.
pub(super) struct Work<'a> {
    pub(super) job: &'a LockedJob,
    pub(super) layers: &'a [LayerRow],
    pub(super) command: &'a Command,
    pub(super) selection: &'a Selection,
    /// What is to run again is due out of the cursor's order.
    pub(super) requeue: bool,
}

impl Work<'_> {
    /// The stretches of the step that begins at a cursor.
    pub(super) fn step(&self, from: u32) -> Step {
        let mut stretches = Vec::new();
        let (mut start, mut left) = (0, STEP);
        for (index, row) in self.layers.iter().enumerate() {
            let loaded = row.layer.loaded;
            let end = start + loaded;
            let scans: Vec<&Scan> = self.selection.scans.iter().filter(|scan| scan.layer == index).collect();
            if from < end && !scans.is_empty() && self.may_touch(row) {
                let first = from.max(start) - start;
                let last = loaded.min(first + left);
                stretches.extend(scans.into_iter().map(|scan| Stretch::part(scan, row, first, last)));
                left -= last - first;
                if last < loaded {
                    return Step { stretches, next: Some(start + last) };
                }
            }
            start = end;
        }
        Step { stretches, next: None }
    }

    /// Whether the layer has tasks that the verb moves.
    fn may_touch(&self, row: &LayerRow) -> bool {
        let tasks = &row.layer.tasks;
        self.statuses(Meant::Named).iter().any(|status| {
            0 < match status {
                Status::Pending => tasks.pending,
                Status::Queued => tasks.queued,
                Status::Running => tasks.running,
                Status::Completed => tasks.completed,
                Status::Errored => tasks.errored,
                Status::Skipped => tasks.skipped,
            }
        })
    }

    /// Where tasks stand that the verb touches.
    pub(super) fn statuses(&self, meant: Meant) -> Vec<Status> {
        let failed = self.command.selector == Selector::Failed;
        match self.command.verb {
            Verb::Pause | Verb::Unpause => Vec::new(),
            Verb::PauseTasks | Verb::UnpauseTasks if failed => vec![Status::Errored],
            Verb::PauseTasks => vec![Status::Pending, Status::Queued, Status::Running, Status::Errored],
            Verb::UnpauseTasks => Status::ALL.to_vec(),
            verb => verb.moves(meant, failed).into_iter().map(|(from, _)| from).collect(),
        }
    }

    /// Stops at once what is queued or running, so that a large command stops the work with its first step.
    pub(super) async fn in_flight(&self, connection: &mut PgConnection) -> Result<u32, Error> {
        let flying = |scan: &Scan| self.layers[scan.layer].layer.tasks.queued + self.layers[scan.layer].layer.tasks.running;
        let busy: Vec<&Scan> = self.selection.scans.iter().filter(|scan| flying(scan) > 0).collect();
        let statuses: Vec<Status> =
            self.statuses(Meant::Named).into_iter().filter(|status| matches!(status, Status::Queued | Status::Running)).collect();
        // Most are right behind the cursor; only if some are not there the whole layers are looked through.
        let all = busy.iter().all(|scan| scan.filter == Filter::default()).then(|| busy.iter().map(|scan| flying(scan)).sum::<u32>());
        let near = self.behind_cursors(connection, &busy).await?;
        let mut found = select(connection, &near, &statuses, IN_FLIGHT).await?;
        if all.is_none_or(|all| found.len() < usize::try_from(all).unwrap_or(usize::MAX)) {
            let whole: Vec<Stretch> = busy.iter().map(|scan| Stretch::whole(scan, &self.layers[scan.layer])).collect();
            found = select(connection, &whole, &statuses, IN_FLIGHT).await?;
        }
        self.touch(connection, &found).await
    }

    /// Of each layer what dispatch has passed, from its cursor back to as many as are in flight.
    async fn behind_cursors(&self, connection: &mut PgConnection, scans: &[&Scan]) -> Result<Vec<Stretch>, Error> {
        let ids: Vec<Uuid> = scans.iter().map(|scan| self.layers[scan.layer].id).collect();
        let rows = sqlx::query!(
            r#"SELECT layer_id, max(next_ordinal) AS "cursor!" FROM igor.layer_types WHERE layer_id = ANY($1) GROUP BY layer_id"#,
            &ids
        )
        .fetch_all(connection)
        .await
        .act(ACT)?;
        let cursor = |layer: Uuid| rows.iter().find(|row| row.layer_id == layer).map_or(0, |row| count(row.cursor));
        let stretch = |scan: &&Scan| {
            let row = &self.layers[scan.layer];
            let most = Some(row.layer.tasks.queued + row.layer.tasks.running);
            Stretch { most, ..Stretch::part(scan, row, 0, cursor(row.id)) }
        };
        Ok(scans.iter().map(stretch).collect())
    }

    /// Deals with the tasks that are named one by one.
    pub(super) async fn named(&self, connection: &mut PgConnection) -> Result<u32, Error> {
        self.touch(connection, &self.selection.tasks).await
    }

    /// Deals with the tasks of some stretches.
    pub(super) async fn stretches(&self, connection: &mut PgConnection, stretches: &[Stretch]) -> Result<u32, Error> {
        let found = select(connection, stretches, &self.statuses(Meant::Named), usize::MAX).await?;
        self.touch(connection, &found).await
    }

    async fn touch(&self, connection: &mut PgConnection, tasks: &BTreeMap<Uuid, Meant>) -> Result<u32, Error> {
        if tasks.is_empty() {
            return Ok(0);
        }
        match self.command.verb {
            Verb::PauseTasks | Verb::Pause => pause(connection, self.job, self.command, tasks, true).await,
            Verb::UnpauseTasks | Verb::Unpause => pause(connection, self.job, self.command, tasks, false).await,
            Verb::Kill | Verb::Skip | Verb::Retry | Verb::Deadline | Verb::Delete => self.r#move(connection, tasks).await,
        }
    }

    async fn r#move(&self, connection: &mut PgConnection, tasks: &BTreeMap<Uuid, Meant>) -> Result<u32, Error> {
        let failed = self.command.selector == Selector::Failed;
        let Some((_, to)) = self.command.verb.moves(Meant::Named, failed).first().copied() else { return Ok(0) };
        let mut all = 0;
        for meant in Meant::ALL {
            let ids: Vec<Uuid> = tasks.iter().filter(|(_, known)| **known == meant).map(|(id, _)| *id).collect();
            let from: Vec<String> = self.statuses(meant).iter().map(ToString::to_string).collect();
            if ids.is_empty() {
                continue;
            }
            let moved = sqlx::query_file_scalar!(
                "src/store/sql/move.sql",
                self.job.id,
                self.job.created() as _,
                &ids,
                &from,
                to.as_str(),
                self.command.verb.reason(),
                self.command.actor,
                self.command.id,
                self.requeue
            )
            .fetch_one(&mut *connection)
            .await
            .act(ACT)?;
            all += count(moved);
        }
        Ok(all)
    }
}

const fn level(meant: Meant) -> i16 {
    match meant {
        Meant::Among => 0,
        Meant::Matched => 1,
        Meant::Named => 2,
    }
}

/// Pauses tasks, or lets them go; gives how many.
pub(super) async fn pause(
    connection: &mut PgConnection,
    job: &LockedJob,
    command: &Command,
    tasks: &BTreeMap<Uuid, Meant>,
    pause: bool,
) -> Result<u32, Error> {
    let ids: Vec<Uuid> = tasks.keys().copied().collect();
    let reason = if pause { Verb::PauseTasks.reason() } else { Verb::UnpauseTasks.reason() };
    let moved = sqlx::query_file_scalar!(
        "src/store/sql/pause_tasks.sql",
        job.id,
        job.created() as _,
        &ids,
        pause,
        reason,
        command.actor,
        command.id
    )
    .fetch_one(connection)
    .await
    .act(ACT)?;
    Ok(count(moved))
}

/// The parameters of stretches, a column each.
struct Columns {
    layers: Vec<Uuid>,
    first: Vec<i32>,
    last: Vec<i32>,
    lo: Vec<Option<i32>>,
    hi: Vec<Option<i32>>,
    like: Vec<Option<String>>,
    meant: Vec<i16>,
    most: Vec<Option<i32>>,
}

fn columns(stretches: &[Stretch]) -> Columns {
    Columns {
        layers: stretches.iter().map(|stretch| stretch.layer_id).collect(),
        first: stretches.iter().map(|stretch| int(stretch.first)).collect(),
        last: stretches.iter().map(|stretch| int(stretch.last)).collect(),
        lo: stretches.iter().map(|stretch| stretch.filter.numbers.map(|(lo, _)| int(lo))).collect(),
        hi: stretches.iter().map(|stretch| stretch.filter.numbers.map(|(_, hi)| int(hi))).collect(),
        like: stretches.iter().map(|stretch| stretch.filter.like.clone()).collect(),
        meant: stretches.iter().map(|stretch| level(stretch.meant)).collect(),
        most: stretches.iter().map(|stretch| stretch.most.map(int)).collect(),
    }
}

/// The tasks of stretches that stand in these statuses, and how closely they are meant.
pub(super) async fn select(
    connection: &mut PgConnection,
    stretches: &[Stretch],
    statuses: &[Status],
    limit: usize,
) -> Result<BTreeMap<Uuid, Meant>, Error> {
    let Some(first) = stretches.first().filter(|_| !statuses.is_empty()) else { return Ok(BTreeMap::new()) };
    let of = columns(stretches);
    let statuses: Vec<String> = statuses.iter().map(ToString::to_string).collect();
    let rows = sqlx::query_file!(
        "src/store/sql/select.sql",
        Time::of(first.layer_id) as _,
        &of.layers,
        &of.first,
        &of.last,
        &of.lo as _,
        &of.hi as _,
        &of.like as _,
        &of.meant,
        &of.most as _,
        &statuses,
        i64::try_from(limit).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let mut tasks = BTreeMap::new();
    for row in rows {
        let meant = Meant::ALL.into_iter().find(|meant| level(*meant) == row.meant).unwrap_or(Meant::Among);
        let known = tasks.entry(row.id).or_insert(meant);
        *known = meant.max(*known);
    }
    Ok(tasks)
}

/// Makes due now what waits for its next attempt; gives how many.
pub(super) async fn make_due(connection: &mut PgConnection, layers: &[LayerRow], selection: &Selection) -> Result<u32, Error> {
    let touched: Vec<Uuid> = selection.layers.iter().map(|index| layers[*index].id).collect();
    let Some(first) = touched.first() else { return Ok(0) };
    let stretches: Vec<Stretch> = selection.scans.iter().map(|scan| Stretch::whole(scan, &layers[scan.layer])).collect();
    let of = columns(&stretches);
    let ids: Vec<Uuid> = selection.tasks.keys().copied().collect();
    let due = sqlx::query_file_scalar!(
        "src/store/sql/due.sql",
        Time::of(*first) as _,
        &touched,
        &ids,
        &of.layers,
        &of.first,
        &of.last,
        &of.lo as _,
        &of.hi as _,
        &of.like as _
    )
    .fetch_one(connection)
    .await
    .act(ACT)?;
    Ok(count(due))
}
