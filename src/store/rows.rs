//! Rows of jobs and layers as they are read under the job's lock, and the words of the schema as the core has them.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::Act;
use super::error::Error;
use super::facts::JobChange;
use super::time::{Days, Time};
use crate::core::job::{Job, Layer, OnFailure};
use crate::core::status::{Move, Status};
use crate::proof::{Safeguard, is_left_out};

/// A job whose row this transaction has locked: the mutex of everything that belongs to it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column that is set or null")]
pub(super) struct LockedJob {
    pub(super) id: Uuid,
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) version: i64,
    pub(super) paused_by: Option<String>,
    pub(super) gate: Option<String>,
    pub(super) deleted: bool,
    pub(super) expired: bool,
    pub(super) finished: bool,
    pub(super) loaded: bool,
    pub(super) queue: String,
    pub(super) lane: u8,
    pub(super) max_in_flight: Option<u32>,
    pub(super) on_failure: OnFailure,
    pub(super) backoff_initial_ms: u64,
    pub(super) backoff_max_ms: u64,
    pub(super) generation: i64,
    pub(super) level: serde_json::Value,
}

impl LockedJob {
    pub(super) fn created(&self) -> Time {
        Time::of(self.id)
    }

    /// A change of this job in which nothing has changed yet.
    pub(super) fn unchanged(&self) -> JobChange {
        JobChange {
            job_id: self.id,
            uid: self.uid.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ..JobChange::default()
        }
    }

    /// The job in the shape in which the core decides.
    pub(super) fn as_core<'a>(&self, layers: impl Iterator<Item = &'a LayerRow>) -> Job {
        let gateless = is_left_out(Safeguard::LoadingGate);
        let as_loaded = |layer: &Layer| Layer { expected: if gateless { layer.loaded } else { layer.expected }, ..layer.clone() };
        Job {
            status: self.status,
            accepted: self.loaded || gateless,
            finished: self.finished,
            paused_by: self.paused_by.clone(),
            gated: self.gate.is_some(),
            on_failure: self.on_failure,
            layers: layers.map(|row| as_loaded(&row.layer)).collect(),
        }
    }
}

impl TryFrom<JobRow> for LockedJob {
    type Error = Error;

    fn try_from(row: JobRow) -> Result<Self, Error> {
        Ok(Self {
            status: read_status("jobs", row.id, &row.status)?,
            id: row.id,
            uid: row.uid,
            namespace: row.namespace,
            name: row.name,
            version: row.version,
            paused_by: row.paused.then(|| row.paused_by.unwrap_or_default()),
            gate: row.gate,
            deleted: row.deleted,
            expired: row.expired,
            finished: row.finished,
            loaded: row.loaded,
            queue: row.queue,
            lane: lane(row.lane),
            max_in_flight: row.max_in_flight.map(count),
            on_failure: if row.on_failure == "Continue" { OnFailure::Continue } else { OnFailure::Hold },
            backoff_initial_ms: row.backoff_initial.unsigned_abs(),
            backoff_max_ms: row.backoff_max.unsigned_abs(),
            generation: row.generation,
            level: row.level,
        })
    }
}

/// The counters of a row that has a layer's.
macro_rules! counters {
    ($row:expr) => {
        $crate::core::job::Counters {
            pending: $crate::store::rows::count($row.n_pending),
            queued: $crate::store::rows::count($row.n_queued),
            running: $crate::store::rows::count($row.n_running),
            completed: $crate::store::rows::count($row.n_completed),
            errored: $crate::store::rows::count($row.n_errored),
            skipped: $crate::store::rows::count($row.n_skipped),
            retried: $crate::store::rows::count($row.n_retried),
        }
    };
}
pub(super) use counters;

/// A layer's row.
#[derive(Clone, Debug)]
pub(super) struct LayerRow {
    pub(super) id: Uuid,
    pub(super) job_id: Uuid,
    pub(super) version: i64,
    pub(super) max_in_flight: Option<u32>,
    /// Its inline tasks, arrays folded.
    pub(super) spec_len: u32,
    pub(super) spec_hash: Vec<u8>,
    pub(super) sources_hash: Option<Vec<u8>>,
    pub(super) content_hash: Option<Vec<u8>>,
    pub(super) level: serde_json::Value,
    /// An edit that appends to it and is not all in.
    pub(super) growing: Option<Growing>,
    pub(super) layer: Layer,
}

/// Where tasks that an edit appends begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growing {
    /// The first one's ordinal.
    pub(super) ordinal: u32,
    /// The inline tasks before it, arrays folded.
    pub(super) spec_len: u32,
}

/// Who may act on a job beside the transaction that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Nobody: for what people ask, and for what changes the plan.
    Alone,
    /// Dispatch: for results, of which one transaction at a time decides what follows.
    Results,
    /// Results, and other dispatches: those of one layer take turns on its row.
    Dispatch,
}

#[expect(clippy::struct_excessive_bools, reason = "as a job's, which it is read for")]
pub(super) struct JobRow {
    pub(super) id: Uuid,
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) version: i64,
    pub(super) paused_by: Option<String>,
    pub(super) paused: bool,
    pub(super) gate: Option<String>,
    pub(super) deleted: bool,
    pub(super) expired: bool,
    pub(super) finished: bool,
    pub(super) loaded: bool,
    pub(super) queue: String,
    pub(super) lane: i16,
    pub(super) max_in_flight: Option<i32>,
    pub(super) on_failure: String,
    pub(super) backoff_initial: i64,
    pub(super) backoff_max: i64,
    pub(super) generation: i64,
    pub(super) level: serde_json::Value,
}

/// Rows of jobs by a statement that is given around its list of columns.
macro_rules! job_rows {
    ($head:literal, [$($tail:literal)+], $($values:tt)+) => {
        sqlx::query_as!(
            $crate::store::rows::JobRow,
            $head + r#" j.id, uid, namespace, name, status::text AS "status!", version, paused_by, paused_at IS NOT NULL AS "paused!", gate,
                  deleted_at IS NOT NULL AS "deleted!", expired_at IS NOT NULL AS "expired!", finished_at IS NOT NULL AS "finished!",
                  loaded_at IS NOT NULL AS "loaded!", queue, lane, max_in_flight, on_failure, backoff_initial, backoff_max, generation, level "#
                $(+ $tail)+,
            $($values)+
        )
    };
}
pub(super) use job_rows;

macro_rules! read_and_lock {
    ($connection:ident, $ids:ident, $strength:literal) => {{
        let days = Days::of(&$ids);
        job_rows!(
            "SELECT",
            ["FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at) CROSS JOIN LATERAL (
                  SELECT j.* FROM igor.jobs j WHERE j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $3 AND $4 "
             $strength ") j"],
            &$ids,
            days.each as _,
            days.lo as _,
            days.hi as _
        )
        .fetch_all(&mut *$connection)
        .await
    }};
}

/// Locks the rows of these jobs in the order of their ids, and reads them. A statement of its own: the next one's snapshot is taken after
/// the wait for the locks. One look by key for each, whatever the planner believes.
pub(super) async fn lock_jobs(
    connection: &mut PgConnection,
    ids: impl IntoIterator<Item = Uuid>,
    hold: Hold,
    act: &'static str,
) -> Result<Vec<LockedJob>, Error> {
    let ids: Vec<Uuid> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    unlock(connection, "SAVEPOINT unlocked").await.act(act)?;
    let rows = match hold {
        Hold::Alone => read_and_lock!(connection, ids, "FOR UPDATE"),
        Hold::Results => read_and_lock!(connection, ids, "FOR NO KEY UPDATE"),
        Hold::Dispatch => read_and_lock!(connection, ids, "FOR KEY SHARE"),
    };
    let rows = rows.act(act)?;
    unlock(connection, "ROLLBACK TO unlocked").await.act(act)?;
    rows.into_iter().map(LockedJob::try_from).collect()
}

/// Without the mutex, what takes the locks is rolled back as soon as the rows are read.
async fn unlock(connection: &mut PgConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    if is_left_out(Safeguard::JobMutex) {
        sqlx::query(statement).execute(connection).await?;
    }
    Ok(())
}

/// Locks one job that must be there, alone.
pub(super) async fn lock_job(connection: &mut PgConnection, id: Uuid, act: &'static str) -> Result<LockedJob, Error> {
    lock_jobs(connection, [id], Hold::Alone, act).await?.pop().ok_or(Error::UnknownJob(id))
}

/// Rows of layers by a statement that is given around its list of columns.
macro_rules! layer_rows {
    ($head:literal, $tail:literal, $($values:tt)+) => {
        sqlx::query_as!(
            $crate::store::rows::LayerColumns,
            $head + r#" id, job_id, name, priority, status::text AS "status!", run, version, paused_by, paused_at IS NOT NULL AS "paused!", gate,
                  level, max_in_flight, n_expected, n_loaded, spec_len, spec_hash, sources_hash, content_hash, grow_ordinal, grow_len,
                  n_pending, n_queued, n_running, n_completed, n_errored, n_skipped, n_retried "# + $tail,
            $($values)+
        )
    };
}
pub(super) use layer_rows;

/// What [`layer_rows`] reads.
pub(super) struct LayerColumns {
    pub(super) id: Uuid,
    pub(super) job_id: Uuid,
    pub(super) name: String,
    pub(super) priority: i32,
    pub(super) status: String,
    pub(super) run: i32,
    pub(super) version: i64,
    pub(super) paused_by: Option<String>,
    pub(super) paused: bool,
    pub(super) gate: Option<String>,
    pub(super) level: serde_json::Value,
    pub(super) max_in_flight: Option<i32>,
    pub(super) n_expected: i32,
    pub(super) n_loaded: i32,
    pub(super) spec_len: i32,
    pub(super) spec_hash: Vec<u8>,
    pub(super) sources_hash: Option<Vec<u8>>,
    pub(super) content_hash: Option<Vec<u8>>,
    pub(super) grow_ordinal: Option<i32>,
    pub(super) grow_len: Option<i32>,
    pub(super) n_pending: i32,
    pub(super) n_queued: i32,
    pub(super) n_running: i32,
    pub(super) n_completed: i32,
    pub(super) n_errored: i32,
    pub(super) n_skipped: i32,
    pub(super) n_retried: i32,
}

impl TryFrom<LayerColumns> for LayerRow {
    type Error = Error;

    fn try_from(row: LayerColumns) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            job_id: row.job_id,
            version: row.version,
            max_in_flight: row.max_in_flight.map(count),
            spec_len: count(row.spec_len),
            spec_hash: row.spec_hash,
            sources_hash: row.sources_hash,
            content_hash: row.content_hash,
            level: row.level,
            growing: row.grow_ordinal.zip(row.grow_len).map(|(ordinal, len)| Growing { ordinal: count(ordinal), spec_len: count(len) }),
            layer: Layer {
                status: read_status("layers", row.id, &row.status)?,
                name: row.name,
                priority: row.priority,
                run: count(row.run),
                paused_by: row.paused.then(|| row.paused_by.unwrap_or_default()),
                gated: row.gate.is_some(),
                expected: count(row.n_expected),
                loaded: count(row.n_loaded),
                tasks: counters!(row),
            },
        })
    }
}

/// The layers of these jobs, by job and in the order of the plan.
pub(super) async fn layers_of(connection: &mut PgConnection, jobs: &[Uuid], act: &'static str) -> Result<Vec<LayerRow>, Error> {
    let days = Days::of(jobs);
    let rows = layer_rows!(
        "SELECT",
        "FROM igor.layers WHERE job_id = ANY($1) AND created_at = ANY($2) AND created_at BETWEEN $3 AND $4 ORDER BY job_id, ordinal",
        jobs,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(act)?;
    rows.into_iter().map(LayerRow::try_from).collect()
}

/// A number that a CHECK keeps at 0 or above.
pub(super) fn count(number: i32) -> u32 {
    number.unsigned_abs()
}

/// A number for an int4 column; plans are bounded far below its end.
pub(super) fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A lane that a CHECK keeps at 0, 1 or 2.
pub(super) fn lane(number: i16) -> u8 {
    u8::try_from(number).unwrap_or(2)
}

/// A status as the schema spells it.
pub(super) fn read_status(table: &'static str, id: Uuid, word: &str) -> Result<Status, Error> {
    Status::parse(word).ok_or_else(|| Error::Unreadable { table, column: "status", id, value: word.to_owned() })
}

/// A table of moves as SQL compares with it: `FROM>TO` each.
pub(super) fn guards(moves: &[Move]) -> Vec<String> {
    moves.iter().map(|(from, to)| format!("{from}>{to}")).collect()
}
