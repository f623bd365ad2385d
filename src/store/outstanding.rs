//! What the ledger calls queued or running: what a new leader holds against the streams of Redis.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Attempt, Dispatched, Outstanding};
use super::outbox::read_tasks;
use super::rows::count;
use super::time::{Days, Time};
use crate::core::status::Status;

const ACT: &str = "list what is queued and running";

/// Tasks read at once, with their arguments.
const CHUNK: usize = 1000;

impl Store {
    /// Every attempt of an unfinished job that is queued or running. The windows bound how many there are.
    pub async fn outstanding(&self) -> Result<Vec<Outstanding>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            let mut found = Vec::new();
            for (layer_id, created_at, _) in busy_layers(&mut connection).await? {
                found.extend(of_layer(&mut connection, layer_id, created_at).await?);
            }
            Ok(found)
        })
        .await
    }

    /// Those of these tasks whose attempt is queued or running.
    pub async fn outstanding_among(&self, tasks: &[Uuid]) -> Result<Vec<Outstanding>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            let days = Days::of(tasks);
            let rows = sqlx::query_as!(
                Row,
                r#"SELECT t.id, t.layer_id, t.job_id, t.attempt, t.type AS kind, t.status = 'RUNNING' AS "running!", j.namespace, j.queue,
                          (t.paused_at IS NOT NULL OR l.paused_at IS NOT NULL OR j.paused_at IS NOT NULL) AS "paused!"
                   FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
                   CROSS JOIN LATERAL (
                       SELECT t.* FROM igor.tasks t WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4 OFFSET 0
                   ) t
                   CROSS JOIN LATERAL (
                       SELECT l.paused_at FROM igor.layers l
                       WHERE l.id = t.layer_id AND l.created_at = t.created_at AND l.created_at BETWEEN $3 AND $4 OFFSET 0
                   ) l
                   CROSS JOIN LATERAL (
                       SELECT j.* FROM igor.jobs j WHERE j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN $3 AND $4 OFFSET 0
                   ) j
                   WHERE t.status IN ('QUEUED', 'RUNNING')"#,
                tasks,
                days.each as _,
                days.lo as _,
                days.hi as _
            )
            .fetch_all(&mut *connection)
            .await
            .act(ACT)?;
            Ok(rows.into_iter().map(Row::outstanding).collect())
        })
        .await
    }

    /// The same as pairs of task and attempt.
    pub async fn attempts_among(&self, tasks: &[Uuid]) -> Result<BTreeSet<(Uuid, u32)>, Error> {
        Ok(self.outstanding_among(tasks).await?.iter().map(Outstanding::pair).collect())
    }

    /// The layers that have queued or running tasks, with how many; what they are is read with [`outstanding_of`](Self::outstanding_of).
    pub async fn busy_layers(&self) -> Result<Vec<(Uuid, u32)>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            Ok(busy_layers(&mut connection).await?.into_iter().map(|(layer_id, _, tasks)| (layer_id, tasks)).collect())
        })
        .await
    }

    /// Every attempt of a layer that is queued or running.
    pub async fn outstanding_of(&self, layer_id: Uuid) -> Result<Vec<Outstanding>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            of_layer(&mut connection, layer_id, Time::of(layer_id)).await
        })
        .await
    }

    /// All that a push needs of those of these tasks that are queued or running.
    pub async fn pushable(&self, tasks: &[Uuid]) -> Result<Vec<Dispatched>, Error> {
        within(ACT, async {
            let mut connection = self.writer.acquire().await.act(ACT)?;
            let mut found = Vec::with_capacity(tasks.len());
            for chunk in tasks.chunks(CHUNK) {
                let read = read_tasks(&mut connection, chunk.to_vec()).await?;
                let is_out = |status: &Status| matches!(status, Status::Queued | Status::Running);
                found.extend(read.into_values().filter(|(status, _)| is_out(status)).map(|(_, task)| task));
            }
            Ok(found)
        })
        .await
    }
}

async fn busy_layers(connection: &mut PgConnection) -> Result<Vec<(Uuid, Time, u32)>, Error> {
    let rows = sqlx::query!(
        r#"WITH bounds AS (SELECT min(created_at) AS lo, max(created_at) AS hi FROM igor.live_jobs)
           SELECT l.id, l.created_at AS "created_at: Time", l.n_queued + l.n_running AS "tasks!"
           FROM igor.live_jobs v
           JOIN igor.layers l ON l.job_id = v.job_id AND l.created_at = v.created_at
                             AND l.created_at BETWEEN (SELECT lo FROM bounds) AND (SELECT hi FROM bounds)
           WHERE l.n_queued + l.n_running > 0"#
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    Ok(rows.into_iter().map(|row| (row.id, row.created_at, count(row.tasks))).collect())
}

async fn of_layer(connection: &mut PgConnection, layer_id: Uuid, created_at: Time) -> Result<Vec<Outstanding>, Error> {
    let days = Days::of(&[layer_id]);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT t.id, t.layer_id, t.job_id, t.attempt, t.type AS kind, t.status = 'RUNNING' AS "running!", j.namespace, j.queue,
                  (t.paused_at IS NOT NULL OR l.paused_at IS NOT NULL OR j.paused_at IS NOT NULL) AS "paused!"
           FROM igor.tasks t
           JOIN igor.layers l ON l.id = t.layer_id AND l.created_at = t.created_at AND l.created_at BETWEEN $3 AND $4
           JOIN igor.jobs j ON j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN $3 AND $4
           WHERE t.layer_id = $1 AND t.created_at = $2 AND t.created_at BETWEEN $3 AND $4 AND t.status IN ('QUEUED', 'RUNNING')"#,
        layer_id,
        created_at as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    Ok(rows.into_iter().map(Row::outstanding).collect())
}

struct Row {
    id: Uuid,
    layer_id: Uuid,
    job_id: Uuid,
    attempt: i32,
    kind: String,
    running: bool,
    namespace: String,
    queue: String,
    paused: bool,
}

impl Row {
    fn outstanding(self) -> Outstanding {
        let attempt = Attempt {
            task_id: self.id,
            attempt: count(self.attempt),
            layer_id: self.layer_id,
            job_id: self.job_id,
            namespace: self.namespace,
            queue: self.queue,
            kind: self.kind,
        };
        Outstanding { attempt, running: self.running, paused: self.paused }
    }
}
