//! Dispatch: PENDING to QUEUED, with an attempt number and an outbox row each, in one transaction.
//!
//! Who gets how much is the dispatcher's affair; limits, pauses and gates are checked here, under the locks of jobs and layers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Dispatch, Dispatched, Epoch, Filled, Want};
use super::rows::{Hold, LockedJob, count, guards, int, lock_jobs};
use super::time::{Days, Time};
use crate::core::status::{DISPATCH, Status};

const ACT: &str = "dispatch tasks";

impl Store {
    /// Dispatches up to the room of each want: first tasks that are due out of order, then those at the cursor.
    pub async fn dispatch(&self, epoch: Epoch, wants: &[Want]) -> Result<Dispatch, Error> {
        if wants.is_empty() {
            return Ok(Dispatch::default());
        }
        within(ACT, async {
            let mut transaction = self.begin_by_key(ACT, Some(epoch)).await?;
            let locked = lock_jobs(&mut transaction, wants.iter().map(|want| want.job_id), self.dispatches.hold(), ACT).await?;
            let jobs: BTreeMap<Uuid, LockedJob> = locked.into_iter().map(|job| (job.id, job)).collect();
            let layers = read_layers(&mut transaction, wants).await?;
            let rooms = grant(wants, &jobs, &layers);
            let tasks = move_tasks(&mut transaction, wants, &rooms, &jobs, &layers).await?;
            let filled = read_filled(&mut transaction, wants, &rooms, &tasks).await?;
            transaction.commit().await.act(ACT)?;
            Ok(Dispatch { tasks, filled })
        })
        .await
    }
}

/// Results are collected beside dispatch, and dispatches follow one another: who waits to have the job alone might never find it free.
/// So now and then one stands in line.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU32);

impl Turns {
    const IN_LINE: u32 = 8;

    fn hold(&self) -> Hold {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(Self::IN_LINE) { Hold::Results } else { Hold::Dispatch }
    }
}

/// What dispatch needs of a layer, read under the lock.
struct LayerRoom {
    name: String,
    open: bool,
    limit: Option<u32>,
    in_flight: u32,
    job_in_flight: u32,
    deadline: Option<Time>,
}

/// Locks the layers in the order of their ids, as collection does: the two act on a job at the same time. How much the job has in
/// flight may be less by now.
async fn read_layers(connection: &mut PgConnection, wants: &[Want]) -> Result<BTreeMap<Uuid, LayerRoom>, Error> {
    let ids: Vec<Uuid> = wants.iter().map(|want| want.layer_id).collect::<BTreeSet<_>>().into_iter().collect();
    let days = Days::of(&ids);
    let rows = sqlx::query!(
        r#"SELECT l.id, l.name, (l.status = 'RUNNING' AND l.paused_at IS NULL AND l.gate IS NULL AND l.n_loaded >= l.n_expected) AS "open!", l.max_in_flight,
                  (l.n_queued + l.n_running) AS "in_flight!", f.in_flight AS "job_in_flight!", v.deadline_at AS "deadline?: Time"
           FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
           CROSS JOIN LATERAL (
               SELECT l.* FROM igor.layers l
               WHERE l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $3 AND $4 FOR NO KEY UPDATE
           ) l
           CROSS JOIN LATERAL (
               SELECT coalesce(sum(s.n_queued + s.n_running), 0)::int4 AS in_flight FROM igor.layers s
               WHERE s.job_id = l.job_id AND s.created_at BETWEEN $3 AND $4
           ) f
           LEFT JOIN igor.live_jobs v ON v.job_id = l.job_id"#,
        &ids,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let rooms = rows.into_iter().map(|row| {
        let room = LayerRoom {
            name: row.name,
            open: row.open,
            limit: row.max_in_flight.map(count),
            in_flight: count(row.in_flight),
            job_in_flight: count(row.job_in_flight),
            deadline: row.deadline,
        };
        (row.id, room)
    });
    Ok(rooms.collect())
}

/// How much of each want may be had: the wants of a layer share its limit, those of a job the job's.
fn grant(wants: &[Want], jobs: &BTreeMap<Uuid, LockedJob>, layers: &BTreeMap<Uuid, LayerRoom>) -> Vec<u32> {
    let mut granted_layers: BTreeMap<Uuid, u32> = BTreeMap::new();
    let mut granted_jobs: BTreeMap<Uuid, u32> = BTreeMap::new();
    wants
        .iter()
        .map(|want| {
            let (Some(job), Some(layer)) = (jobs.get(&want.job_id), layers.get(&want.layer_id)) else { return 0 };
            if !layer.open || job.paused_by.is_some() || job.gate.is_some() || job.finished {
                return 0;
            }
            let of_layer = granted_layers.entry(want.layer_id).or_default();
            let of_job = granted_jobs.entry(want.job_id).or_default();
            let left = |limit: Option<u32>, used: u32| limit.map_or(u32::MAX, |limit| limit.saturating_sub(used));
            let room =
                want.room.min(left(layer.limit, layer.in_flight + *of_layer)).min(left(job.max_in_flight, layer.job_in_flight + *of_job));
            *of_layer += room;
            *of_job += room;
            room
        })
        .collect()
}

async fn move_tasks(
    connection: &mut PgConnection,
    wants: &[Want],
    rooms: &[u32],
    jobs: &BTreeMap<Uuid, LockedJob>,
    layers: &BTreeMap<Uuid, LayerRoom>,
) -> Result<Vec<Dispatched>, Error> {
    let granted: Vec<(&Want, u32)> = wants.iter().zip(rooms.iter().copied()).filter(|(_, room)| *room > 0).collect();
    if granted.is_empty() {
        return Ok(Vec::new());
    }
    let layer_ids: Vec<Uuid> = granted.iter().map(|(want, _)| want.layer_id).collect();
    let kinds: Vec<&str> = granted.iter().map(|(want, _)| want.kind.as_str()).collect();
    let room: Vec<i32> = granted.iter().map(|(_, room)| int(*room)).collect();
    let days = Days::of(&layer_ids);
    let rows =
        sqlx::query_file!("src/store/sql/dispatch.sql", &layer_ids, &kinds as _, &room, days.lo as _, days.hi as _, &guards(DISPATCH))
            .fetch_all(&mut *connection)
            .await
            .act(ACT)?;
    let shared = read_args(connection, rows.iter().filter_map(|row| row.args_id)).await?;
    let tasks = rows.into_iter().filter_map(|row| {
        let (job, layer) = (jobs.get(&row.job_id)?, layers.get(&row.layer_id)?);
        Some(Dispatched {
            seq: row.seq,
            task_id: row.id,
            attempt: count(row.attempt),
            layer_id: row.layer_id,
            job_id: row.job_id,
            namespace: job.namespace.clone(),
            job: job.name.clone(),
            layer: layer.name.clone(),
            name: row.name,
            ix: row.ix.map(count),
            queue: job.queue.clone(),
            kind: row.kind,
            lane: job.lane,
            args: args_of(row.args, row.args_id, &shared),
            timeout_ms: row.timeout_ms.map(i64::unsigned_abs),
            deadline_ms: layer.deadline.map(|deadline| deadline.0),
            retries_left: count(row.max_failures).saturating_sub(count(row.failures) + 1),
            solo: row.lost > 0,
        })
    });
    Ok(tasks.collect())
}

/// Arguments that are kept apart from their tasks, each read once.
pub(super) async fn read_args(connection: &mut PgConnection, ids: impl Iterator<Item = Uuid>) -> Result<BTreeMap<Uuid, Arc<[u8]>>, Error> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let days = Days::of(&ids);
    let rows = sqlx::query!(
        "SELECT a.args_id, a.bytes FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
         JOIN igor.task_args a ON a.args_id = r.id AND a.created_at = r.created_at AND a.created_at BETWEEN $3 AND $4",
        &ids,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act("read the arguments of tasks")?;
    Ok(rows.into_iter().map(|row| (row.args_id, Arc::from(row.bytes))).collect())
}

/// A task's arguments: its own, or those it shares; none are empty ones.
pub(super) fn args_of(own: Option<Vec<u8>>, id: Option<Uuid>, shared: &BTreeMap<Uuid, Arc<[u8]>>) -> Arc<[u8]> {
    match id {
        Some(id) => shared.get(&id).cloned().unwrap_or_else(|| Arc::from([])),
        None => Arc::from(own.unwrap_or_default()),
    }
}

async fn read_filled(connection: &mut PgConnection, wants: &[Want], rooms: &[u32], tasks: &[Dispatched]) -> Result<Vec<Filled>, Error> {
    let layers: Vec<Uuid> = wants.iter().map(|want| want.layer_id).collect();
    let kinds: Vec<&str> = wants.iter().map(|want| want.kind.as_str()).collect();
    let rows = sqlx::query!(
        r#"SELECT o.layer_id, o.type AS kind, o.next_ordinal, o.total,
                  (SELECT min(r.not_before) FROM igor.requeue r WHERE r.layer_id = o.layer_id AND r.type = o.type) AS "due: Time"
           FROM unnest($1::uuid[], $2::text[]) AS u(layer_id, type)
           JOIN igor.layer_types o ON o.layer_id = u.layer_id AND o.type = u.type"#,
        &layers,
        &kinds as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let mut sent: BTreeMap<(Uuid, &str), u32> = BTreeMap::new();
    for task in tasks {
        *sent.entry((task.layer_id, task.kind.as_str())).or_default() += 1;
    }
    let filled = wants.iter().zip(rooms).map(|(want, room)| {
        let row = rows.iter().find(|row| row.layer_id == want.layer_id && row.kind == want.kind);
        Filled {
            layer_id: want.layer_id,
            kind: want.kind.clone(),
            tasks: sent.get(&(want.layer_id, want.kind.as_str())).copied().unwrap_or(0),
            blocked: *room == 0 && want.room > 0,
            next_ordinal: row.map_or(0, |row| count(row.next_ordinal)),
            end: row.map_or(0, |row| count(row.total)),
            due_ms: row.and_then(|row| row.due).map(|due| due.0),
        }
    });
    Ok(filled.collect())
}

/// Dispatch always ends here; the guard says from where.
const _: () = assert!(matches!(DISPATCH[0].1, Status::Queued));
