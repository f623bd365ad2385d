//! A job as it stands, for its status; and its failures, for people.

mod failures;
mod objects;

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within_reading};
use super::error::Error;
use super::facts::{LayerFacts, Snapshot};
use super::rows::{count, layers_of, read_status};
use super::time::Time;
use crate::core::command::Object;
use crate::core::end::{DEADLINE_EXCEEDED, End, KILLED};
use crate::core::job::{Job, OnFailure};
use crate::core::wait::{AtWork, Known, Limit, Standstill};

const ACT: &str = "read a job";

impl Store {
    /// The job as it stands, all of one moment.
    pub async fn snapshot(&self, job_id: Uuid) -> Result<Snapshot, Error> {
        within_reading(ACT, async {
            let mut transaction = self.reader.begin_with(self.plans.look()).await.act(ACT)?;
            let mut snapshot = read_job(&mut transaction, job_id).await?;
            read_layers(&mut transaction, &mut snapshot).await?;
            read_command(&mut transaction, &mut snapshot).await?;
            read_pauses(&mut transaction, &mut snapshot).await?;
            transaction.rollback().await.act(ACT)?;
            Ok(snapshot)
        })
        .await
    }
}

/// The job's own row, its layers still to come.
async fn read_job(connection: &mut PgConnection, job_id: Uuid) -> Result<Snapshot, Error> {
    let row = sqlx::query!(
        r#"SELECT j.uid, j.namespace, j.name, j.queue, j.generation, j.status::text AS "status!", j.reason, j.paused_by, j.gate, j.on_failure,
                  j.max_in_flight, j.paused_at IS NOT NULL AS "paused!", j.loaded_at IS NOT NULL AS "loaded!", j.deleted_at IS NOT NULL AS "deleted!",
                  j.expired_at IS NOT NULL AS "expired!", j.started_at AS "started: Time", j.finished_at AS "finished: Time",
                  v.deadline_at AS "deadline?: Time", j.paused_s
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
        paused_ms: row.paused_s.saturating_mul(1000),
        max_in_flight: row.max_in_flight.map(count),
        end: None,
        known: Known::default(),
    })
}

async fn read_layers(connection: &mut PgConnection, snapshot: &mut Snapshot) -> Result<(), Error> {
    let layers = layers_of(connection, &[snapshot.job_id], ACT).await?;
    let reached = |most: Option<u32>, in_flight: u32| most.filter(|most| in_flight >= *most).map(|most| Limit { most, in_flight });
    let in_flight = layers.iter().map(|row| row.layer.tasks.queued + row.layer.tasks.running).sum();
    snapshot.known.limit = reached(snapshot.max_in_flight, in_flight);
    let mut facts = read_facts(connection, snapshot.job_id).await?;
    for row in layers {
        let tasks = &row.layer.tasks;
        let (facts, backoff, paused) = facts.remove(&row.id).unwrap_or_else(|| (LayerFacts::of(row.id), None, 0));
        let limit = reached(row.max_in_flight, tasks.queued + tasks.running);
        let standstill = Standstill { backoff, limit, paused: paused.min(tasks.pending), ..Standstill::default() };
        if standstill != Standstill::default() {
            snapshot.known.layers.insert(row.layer.name.clone(), standstill);
        }
        snapshot.layers.push(facts);
        snapshot.job.layers.push(row.layer);
    }
    Ok(())
}

/// The command that is at work on the job, or the one that ended it.
async fn read_command(connection: &mut PgConnection, snapshot: &mut Snapshot) -> Result<(), Error> {
    let ended_by_one = snapshot.job.finished && matches!(snapshot.reason.as_deref(), Some(KILLED | DEADLINE_EXCEEDED));
    if !snapshot.job.gated && !ended_by_one {
        return Ok(());
    }
    let row = sqlx::query!(
        r#"SELECT c.verb, c.actor, c.reason, c.at AS "at!: Time", c.next_ordinal, c.changed
           FROM igor.commands c JOIN igor.jobs j ON j.id = c.job_id AND j.created_at = c.created_at
           WHERE c.job_id = $1 AND c.created_at = $2 AND j.created_at = $2
             AND (c.id::text = j.gate
                  OR j.gate IS NULL AND c.verb IN ('kill', 'deadline') AND c.object = 'job' AND c.selector = 'true' AND c.at <= j.finished_at)
           ORDER BY c.at DESC LIMIT 1"#,
        snapshot.job_id,
        Time::of(snapshot.job_id) as _
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    let Some(row) = row else { return Ok(()) };
    if ended_by_one {
        snapshot.end = Some(End { by: row.actor, at_ms: row.at.0, words: row.reason, stopped: count(row.changed) });
    } else {
        let all = snapshot.job.layers.iter().map(|layer| layer.loaded).sum();
        snapshot.known.command = Some(AtWork { verb: row.verb, done: count(row.next_ordinal).min(all), all });
    }
    Ok(())
}

/// What was said when the job or its layers were paused.
async fn read_pauses(connection: &mut PgConnection, snapshot: &mut Snapshot) -> Result<(), Error> {
    if snapshot.job.finished || snapshot.job.paused_by.is_none() && snapshot.job.layers.iter().all(|layer| layer.paused_by.is_none()) {
        return Ok(());
    }
    let rows = sqlx::query!(
        r#"SELECT DISTINCT ON (object) object, reason FROM igor.commands
           WHERE job_id = $1 AND created_at = $2 AND verb = 'pause' AND object NOT LIKE 'task/%' ORDER BY object, at DESC"#,
        snapshot.job_id,
        Time::of(snapshot.job_id) as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    for row in rows {
        match Object::parse(&row.object) {
            Some(Object::Job) => snapshot.known.pause_words = row.reason,
            Some(Object::Layer(layer)) if row.reason.is_some() => snapshot.known.layers.entry(layer).or_default().pause_words = row.reason,
            _ => {}
        }
    }
    Ok(())
}

/// What else is known of a layer: the tasks that wait for their next attempt with when the first is due, and the paused ones.
type Beside = (LayerFacts, Option<(u32, i64)>, u32);

/// What the core does not need, by layer.
async fn read_facts(connection: &mut PgConnection, job_id: Uuid) -> Result<BTreeMap<Uuid, Beside>, Error> {
    let rows = sqlx::query!(
        r#"SELECT l.id, l.title, l.grow_ordinal IS NOT NULL AS "growing!", l.reason, l.started_at AS "started: Time", l.finished_at AS "finished: Time",
                  ARRAY(SELECT o.type FROM igor.layer_types o WHERE o.layer_id = l.id ORDER BY o.type) AS "kinds!",
                  q.waiting AS "waiting!", q.due AS "due: Time", l.n_paused, l.max_in_flight
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
            max_in_flight: row.max_in_flight.map(count),
        };
        (row.id, (facts, row.due.map(|due| (count(row.waiting), due.0)), count(row.n_paused)))
    });
    Ok(facts.collect())
}

impl LayerFacts {
    /// A layer of which nothing but its id is known.
    fn of(layer_id: Uuid) -> Self {
        Self {
            layer_id,
            title: String::new(),
            growing: false,
            reason: None,
            started_ms: None,
            finished_ms: None,
            kinds: Vec::new(),
            max_in_flight: None,
        }
    }
}
