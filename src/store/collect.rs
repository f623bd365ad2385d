//! Collect: the outcomes of attempts, each counted at most once, and what follows from them for layers and jobs.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::advance::advance_jobs;
use super::apply::{TaskMove, apply_moves};
use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Collected, Epoch, LayerCount, Outcome, Recalled};
use super::rows::{Hold, LockedJob, count, lock_jobs};
use super::time::Days;
use crate::core::fold::{Report, Said};
use crate::core::retry::{self, Backoff, Ended, REASON_LOST, REASON_POISON, REASON_UNREADABLE, REASON_UNSTORABLE, Standing};
use crate::core::status::{RECALL, RESULT, Status};
use crate::proof::linger;

const ACT: &str = "collect results";

/// A worker may ask for any wait; beyond this one no clock is worth asking.
const LONGEST_WAIT: Duration = Duration::from_hours(365 * 24);

/// How often a task failed and was lost, and how often it may.
#[derive(Clone, Copy, Debug)]
struct TaskStanding {
    failures: u32,
    lost: u32,
    max_failures: u32,
}

impl Store {
    /// Takes the outcomes of attempts, folded to one an attempt, at most about a thousand.
    ///
    /// A stale or repeated outcome, or one that was said in another type's stream, changes nothing. One that the database refuses
    /// is set aside alone: the batch is halved until it is found, and its task ends as `Unstorable`.
    pub async fn collect(&self, epoch: Epoch, outcomes: Vec<Outcome>) -> Result<Collected, Error> {
        let mut collected = Collected::default();
        let mut batches = vec![outcomes];
        while let Some(mut batch) = batches.pop() {
            match within(ACT, self.collect_batch(epoch, &batch)).await {
                Ok(done) => collected.add(done),
                Err(error) if error.is_bad_row() && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                }
                Err(error) if error.is_bad_row() => {
                    let bare: Vec<Outcome> = batch.iter().filter_map(bare).collect();
                    match within(ACT, self.collect_batch(epoch, &bare)).await {
                        Ok(done) => collected.add(done),
                        Err(again) if again.is_bad_row() => {}
                        Err(again) => return Err(again),
                    }
                    let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                    collected.refused.extend(batch.into_iter().map(|outcome| (outcome, why.clone())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(collected)
    }

    async fn collect_batch(&self, epoch: Epoch, outcomes: &[Outcome]) -> Result<Collected, Error> {
        if outcomes.is_empty() {
            return Ok(Collected::default());
        }
        let mut transaction = self.begin_by_key(ACT, Some(epoch)).await?;
        let owners = owners(&mut transaction, outcomes).await?;
        let mut jobs = lock_jobs(&mut transaction, owners.values().copied(), Hold::Results, ACT).await?;
        let known: BTreeMap<Uuid, &LockedJob> = jobs.iter().map(|job| (job.id, job)).collect();
        let standings = read_standings(&mut transaction, outcomes).await?;
        let mut rows: Vec<TaskMove> = outcomes
            .iter()
            .filter_map(|outcome| decide(outcome, known.get(owners.get(&outcome.report.task)?)?, standings.get(&outcome.report.task)))
            .collect();
        name_lost_workers(&mut transaction, &mut rows).await?;
        linger("collect-decided").await;
        let (applied, counts) = apply_moves(&mut transaction, &rows, RESULT, ACT).await?;
        let touched: Vec<Uuid> = counts.iter().filter(|count| count.tasks.unfinished() == 0).map(|count| count.job_id).collect();
        jobs.retain(|job| touched.contains(&job.id));
        let changes = if jobs.is_empty() { Vec::new() } else { advance_jobs(&mut transaction, &mut jobs, ACT).await? };
        transaction.commit().await.act(ACT)?;
        let stale = outcomes.len() - applied.len();
        Ok(Collected { applied, stale, counts, jobs: changes, refused: Vec::new() })
    }

    /// Takes back tasks that were recalled from the queue: QUEUED to PENDING, due at once.
    pub async fn recall_done(&self, epoch: Epoch, recalled: &[Recalled]) -> Result<Vec<LayerCount>, Error> {
        let act = "take back recalled tasks";
        within(act, async {
            let mut transaction = self.begin(act, Some(epoch)).await?;
            lock_jobs(&mut transaction, recalled.iter().map(|recalled| recalled.job_id), Hold::Results, act).await?;
            let rows: Vec<TaskMove> = recalled.iter().map(take_back).collect();
            let (_, counts) = apply_moves(&mut transaction, &rows, RECALL, act).await?;
            transaction.commit().await.act(act)?;
            Ok(counts)
        })
        .await
    }
}

fn take_back(recalled: &Recalled) -> TaskMove {
    TaskMove {
        task_id: recalled.task_id,
        attempt: recalled.attempt,
        kind: recalled.kind.clone(),
        to: Status::Pending,
        failures: None,
        lost: None,
        retried: false,
        wait_ms: 0,
        reason: Some("Recalled".to_owned()),
        message: None,
        actor: "operator".to_owned(),
    }
}

/// The job of each task: as the caller says, or looked up.
async fn owners(connection: &mut PgConnection, outcomes: &[Outcome]) -> Result<BTreeMap<Uuid, Uuid>, Error> {
    let mut owners: BTreeMap<Uuid, Uuid> =
        outcomes.iter().filter_map(|outcome| outcome.job_id.map(|job| (outcome.report.task, job))).collect();
    let unknown: Vec<Uuid> = outcomes.iter().map(|outcome| outcome.report.task).filter(|task| !owners.contains_key(task)).collect();
    if !unknown.is_empty() {
        let days = Days::of(&unknown);
        let rows = sqlx::query!(
            "SELECT t.id, t.job_id FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at) CROSS JOIN LATERAL (
                 SELECT t.id, t.job_id FROM igor.tasks t
                 WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4 OFFSET 0
             ) t",
            &unknown,
            days.each as _,
            days.lo as _,
            days.hi as _
        )
        .fetch_all(connection)
        .await
        .act(ACT)?;
        owners.extend(rows.into_iter().map(|row| (row.id, row.job_id)));
    }
    Ok(owners)
}

/// What the core needs to know of tasks whose attempt did not end well.
///
/// `OFFSET 0` keeps the planner to one look by key for each: else it may expect few tasks of that moment, and compare all of the job's
/// with all that failed.
async fn read_standings(connection: &mut PgConnection, outcomes: &[Outcome]) -> Result<BTreeMap<Uuid, TaskStanding>, Error> {
    let ids: Vec<Uuid> = outcomes.iter().filter(|outcome| needs_standing(outcome.report.said)).map(|outcome| outcome.report.task).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let days = Days::of(&ids);
    let rows = sqlx::query!(
        "SELECT t.id, t.failures, t.lost, t.max_failures FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at) CROSS JOIN LATERAL (
             SELECT t.id, t.failures, t.lost, t.max_failures FROM igor.tasks t
             WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4 OFFSET 0
         ) t",
        &ids,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let standings = rows.into_iter().map(|row| {
        let standing = TaskStanding { failures: count(row.failures), lost: count(row.lost), max_failures: count(row.max_failures) };
        (row.id, standing)
    });
    Ok(standings.collect())
}

fn needs_standing(said: Said) -> bool {
    match said {
        Said::Errored | Said::Released | Said::Lost => true,
        Said::Running | Said::Completed | Said::Skipped | Said::Cancelled => false,
    }
}

/// An outcome that is refused, without anything that its worker wrote: the task must not hang. Nothing for what still runs.
fn bare(outcome: &Outcome) -> Option<Outcome> {
    if outcome.report.said == Said::Running {
        return None;
    }
    let report = Report {
        said: Said::Errored,
        message: Some("the ledger cannot store what the worker said".to_owned()),
        why: Some(REASON_UNSTORABLE.to_owned()),
        retry_ms: None,
        last: true,
        worker: None,
        ..outcome.report.clone()
    };
    Some(Outcome { report, ..outcome.clone() })
}

/// Whoever has to find out what kills workers wants to know which.
async fn name_lost_workers(connection: &mut PgConnection, rows: &mut [TaskMove]) -> Result<(), Error> {
    let is_poison = |row: &TaskMove| row.reason.as_deref() == Some(REASON_POISON);
    let tasks: Vec<Uuid> = rows.iter().filter(|row| is_poison(row)).map(|row| row.task_id).collect();
    if tasks.is_empty() {
        return Ok(());
    }
    let days = Days::of(&tasks);
    let lost = sqlx::query!(
        "SELECT task_id, actor FROM igor.transitions
         WHERE task_id = ANY($1) AND created_at BETWEEN $2 AND $3 AND reason = $4 ORDER BY task_id, version",
        &tasks,
        days.lo as _,
        days.hi as _,
        REASON_LOST
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    for row in rows.iter_mut().filter(|row| is_poison(row)) {
        let before = lost.iter().filter(|lost| lost.task_id == row.task_id).map(|lost| lost.actor.as_str());
        let workers: Vec<&str> = before.chain([row.actor.as_str()]).map(|actor| actor.trim_start_matches("worker ")).collect();
        row.message = Some(format!("its workers died: {}", workers.join(", ")));
    }
    Ok(())
}

/// What is to be written for an outcome; nothing when it was said in another queue's stream, or says nothing.
fn decide(outcome: &Outcome, job: &LockedJob, standing: Option<&TaskStanding>) -> Option<TaskMove> {
    if !serves(&outcome.queue, job) {
        return None;
    }
    let report = &outcome.report;
    let blank = TaskStanding { failures: 0, lost: 0, max_failures: 1 };
    let known = standing.copied();
    if needs_standing(report.said) && known.is_none() {
        return None;
    }
    let task = known.unwrap_or(blank);
    let backoff = Backoff { initial: Duration::from_millis(job.backoff_initial_ms), max: Duration::from_millis(job.backoff_max_ms) };
    let ended = Ended {
        said: report.said,
        unreadable: report.why.as_deref() == Some(REASON_UNREADABLE),
        at_least: Duration::from_millis(report.retry_ms.unwrap_or(0)),
        last: report.last,
    };
    let whole = Standing { failures: task.failures, lost: task.lost, max_failures: task.max_failures, backoff };
    let verdict = retry::decide(whole, ended, outcome.jitter)?;
    Some(TaskMove {
        task_id: report.task,
        attempt: report.attempt,
        kind: outcome.kind.clone(),
        to: verdict.to,
        failures: known.map(|_| verdict.failures),
        lost: known.map(|_| verdict.lost),
        retried: verdict.to == Status::Pending && verdict.failures > task.failures,
        wait_ms: i64::try_from(verdict.wait.min(LONGEST_WAIT).as_millis()).unwrap_or(0),
        reason: storable(report.why.as_deref().or(verdict.reason)),
        message: storable(report.message.as_deref()),
        actor: report.worker.as_deref().map_or_else(|| "operator".to_owned(), |worker| format!("worker {worker}").replace('\0', "")),
    })
}

/// Postgres keeps no NUL in a text.
fn storable(text: Option<&str>) -> Option<String> {
    text.map(|text| text.replace('\0', ""))
}

/// Whether a queue in Redis is this job's: the one that the spec names, if it is shared, or the namespace's own. A namespace and a
/// queue's name hold no dot, so nothing else reads like it.
fn serves(queue: &str, job: &LockedJob) -> bool {
    queue == job.queue || queue.strip_prefix(&job.namespace).and_then(|rest| rest.strip_prefix('.')) == Some(&job.queue)
}

impl Collected {
    fn add(&mut self, other: Self) {
        self.applied.extend(other.applied);
        self.stale += other.stale;
        for count in other.counts {
            match self.counts.iter_mut().find(|known| known.layer_id == count.layer_id) {
                Some(known) => *known = count,
                None => self.counts.push(count),
            }
        }
        self.jobs.extend(other.jobs);
        self.refused.extend(other.refused);
    }
}
