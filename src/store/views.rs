//! A job as it stands, for its status; and its failures, for people.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within_reading};
use super::error::Error;
use super::facts::{Failure, LayerFacts, Snapshot};
use super::rows::{count, layers_of, read_status};
use super::time::Time;
use crate::core::job::{Job, OnFailure};
use crate::core::status::Status;
use crate::core::wait::Standstill;

const ACT: &str = "read a job";

impl Store {
    /// The job as it stands, all of one moment.
    pub async fn snapshot(&self, job_id: Uuid) -> Result<Snapshot, Error> {
        within_reading(ACT, async {
            let mut transaction = self.reader.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.act(ACT)?;
            let mut snapshot = read_job(&mut transaction, job_id).await?;
            read_layers(&mut transaction, &mut snapshot).await?;
            transaction.rollback().await.act(ACT)?;
            Ok(snapshot)
        })
        .await
    }

    /// Errored tasks of a layer in the order of the plan, at most `limit`.
    pub async fn failures(&self, layer_id: Uuid, limit: u32) -> Result<Vec<Failure>, Error> {
        within_reading(ACT, async {
            let mut connection = self.reader.acquire().await.act(ACT)?;
            read_failures(&mut connection, layer_id, limit).await
        })
        .await
    }
}

async fn read_failures(connection: &mut PgConnection, layer_id: Uuid, limit: u32) -> Result<Vec<Failure>, Error> {
    let rows = sqlx::query!(
        r#"SELECT id, name, ix, attempt, reason, message FROM igor.tasks
           WHERE layer_id = $1 AND created_at = $2 AND status = 'ERRORED' ORDER BY ordinal LIMIT $3"#,
        layer_id,
        Time::of(layer_id) as _,
        i64::from(limit)
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let failures = rows.into_iter().map(|row| Failure {
        task_id: row.id,
        name: row.name,
        ix: row.ix.map(count),
        attempt: count(row.attempt),
        reason: row.reason,
        message: row.message,
    });
    Ok(failures.collect())
}

/// The job's own row, its layers still to come.
async fn read_job(connection: &mut PgConnection, job_id: Uuid) -> Result<Snapshot, Error> {
    let row = sqlx::query!(
        r#"SELECT j.uid, j.namespace, j.name, j.queue, j.generation, j.status::text AS "status!", j.reason, j.paused_by, j.gate, j.on_failure,
                  j.max_in_flight, j.paused_at IS NOT NULL AS "paused!", j.loaded_at IS NOT NULL AS "loaded!", j.deleted_at IS NOT NULL AS "deleted!",
                  j.expired_at IS NOT NULL AS "expired!", j.started_at AS "started: Time", j.finished_at AS "finished: Time",
                  v.deadline_at AS "deadline?: Time"
           FROM igor.jobs j LEFT JOIN igor.live_jobs v ON v.job_id = j.id WHERE j.id = $1 AND j.created_at = $2"#,
        job_id,
        Time::of(job_id) as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?
    .ok_or(Error::UnknownJob(job_id))?;
    let job = Job {
        status: read_status("jobs", job_id, &row.status)?,
        accepted: row.loaded,
        finished: row.finished.is_some(),
        paused_by: row.paused.then(|| row.paused_by.unwrap_or_default()),
        gated: row.gate.is_some(),
        on_failure: if row.on_failure == "Continue" { OnFailure::Continue } else { OnFailure::Hold },
        layers: Vec::new(),
    };
    Ok(Snapshot {
        job_id,
        uid: row.uid,
        namespace: row.namespace,
        name: row.name,
        queue: row.queue,
        generation: row.generation,
        job,
        layers: Vec::new(),
        reason: row.reason,
        started_ms: row.started.map(|at| at.0),
        finished_ms: row.finished.map(|at| at.0),
        deadline_ms: row.deadline.map(|at| at.0),
        deleted: row.deleted,
        expired: row.expired,
        max_in_flight: row.max_in_flight.map(count),
        standstills: BTreeMap::new(),
    })
}

async fn read_layers(connection: &mut PgConnection, snapshot: &mut Snapshot) -> Result<(), Error> {
    let layers = layers_of(connection, &[snapshot.job_id], ACT).await?;
    let in_flight: u32 = layers.iter().map(|row| row.layer.tasks.queued + row.layer.tasks.running).sum();
    let job_limit = snapshot.max_in_flight.filter(|limit| in_flight >= *limit);
    let mut facts = read_facts(connection, snapshot.job_id).await?;
    for row in layers {
        let tasks = &row.layer.tasks;
        let (facts, backoff) = facts.remove(&row.id).unwrap_or_else(|| (LayerFacts::of(row.id), None));
        let own_limit = row.max_in_flight.filter(|limit| tasks.queued + tasks.running >= *limit);
        let waiting = row.layer.status == Status::Running && tasks.pending > 0;
        let limit = own_limit.map(|limit| (true, limit)).or(job_limit.map(|limit| (false, limit))).filter(|_| waiting);
        let held = row.layer.status == Status::Errored && tasks.errored > 0;
        let first = if held { read_failures(connection, row.id, 1).await?.pop() } else { None };
        let standstill = Standstill { backoff, limit, message: first.and_then(|first| first.message), ..Standstill::default() };
        if standstill != Standstill::default() {
            snapshot.standstills.insert(row.layer.name.clone(), standstill);
        }
        snapshot.layers.push(facts);
        snapshot.job.layers.push(row.layer);
    }
    Ok(())
}

/// What the core does not need, by layer; with it the tasks that wait for their next attempt, and when the first is due.
async fn read_facts(connection: &mut PgConnection, job_id: Uuid) -> Result<BTreeMap<Uuid, (LayerFacts, Option<(u32, i64)>)>, Error> {
    let rows = sqlx::query!(
        r#"SELECT l.id, l.title, l.grow_ordinal IS NOT NULL AS "growing!", l.reason, l.started_at AS "started: Time", l.finished_at AS "finished: Time",
                  ARRAY(SELECT o.type FROM igor.layer_types o WHERE o.layer_id = l.id ORDER BY o.type) AS "kinds!",
                  q.waiting AS "waiting!", q.due AS "due: Time"
           FROM igor.layers l
           CROSS JOIN LATERAL (
               SELECT count(*)::int4 AS waiting, min(r.not_before) AS due FROM igor.requeue r
               WHERE r.layer_id = l.id AND r.not_before > statement_timestamp()
           ) q
           WHERE l.job_id = $1 AND l.created_at = $2"#,
        job_id,
        Time::of(job_id) as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let facts = rows.into_iter().map(|row| {
        let facts = LayerFacts {
            layer_id: row.id,
            title: row.title,
            growing: row.growing,
            reason: row.reason,
            started_ms: row.started.map(|at| at.0),
            finished_ms: row.finished.map(|at| at.0),
            kinds: row.kinds,
        };
        (row.id, (facts, row.due.map(|due| (count(row.waiting), due.0))))
    });
    Ok(facts.collect())
}

impl LayerFacts {
    /// A layer of which nothing but its id is known.
    fn of(layer_id: Uuid) -> Self {
        Self { layer_id, title: String::new(), growing: false, reason: None, started_ms: None, finished_ms: None, kinds: Vec::new() }
    }
}
