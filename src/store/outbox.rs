//! The outbox: committed changes that Redis does not know yet, read strictly in order and deleted once they are done there.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, lasting, within};
use super::dispatch::{args_of, read_args};
use super::error::Error;
use super::facts::{Attempt, Change, Dispatched, Epoch, OutboxRow, Scope};
use super::rows::{count, lane, read_status};
use super::time::{Days, Time};
use crate::core::status::Status;
use crate::proof::{Safeguard, is_left_out};

const READ: &str = "read the outbox";

impl Store {
    /// The next rows behind `after`, in order, with all that is needed to do them: rows of at most `limit` tasks, but at least one row.
    pub async fn outbox_read(&self, after: i64, limit: u32) -> Result<Vec<OutboxRow>, Error> {
        within(READ, async {
            let mut connection = self.writer.acquire().await.act(READ)?;
            let rows = sqlx::query_as!(
                Raw,
                r#"SELECT seq AS "seq!", kind AS "kind!", task_id, layer_id, job_id, attempt, task_ids, attempts FROM (
                       SELECT seq, kind::text AS kind, task_id, layer_id, job_id, attempt, task_ids, attempts,
                              row_number() OVER (ORDER BY seq) AS row, sum(coalesce(cardinality(task_ids), 1)) OVER (ORDER BY seq) AS tasks
                       FROM igor.outbox WHERE seq > $1 ORDER BY seq LIMIT $2
                   ) o WHERE tasks <= $2 OR row = 1 ORDER BY seq"#,
                after,
                i64::from(limit)
            )
            .fetch_all(&mut *connection)
            .await
            .act(READ)?;
            let tasks = read_tasks(&mut connection, rows.iter().flat_map(Raw::tasks).map(|(task, _)| task).collect()).await?;
            Ok(rows.into_iter().map(|row| OutboxRow { seq: row.seq, change: row.change(&tasks) }).collect())
        })
        .await
    }

    /// The first row that is not done.
    pub async fn outbox_first(&self) -> Result<Option<i64>, Error> {
        within(READ, async { sqlx::query_scalar!("SELECT min(seq) FROM igor.outbox").fetch_one(&self.writer).await.act(READ) }).await
    }

    /// Forgets rows that are done in Redis, unless a later leader does them again.
    pub async fn outbox_delete(&self, epoch: Epoch, seqs: &[i64]) -> Result<(), Error> {
        let act = "empty the outbox";
        within(act, async {
            let delete =
                sqlx::query!("DELETE FROM igor.outbox WHERE seq = ANY($1) AND (SELECT number FROM igor.epoch) = $2", seqs, epoch.0)
                    .execute(&self.writer);
            lasting(act, delete).await.map(drop).act(act)
        })
        .await
    }
}

struct Raw {
    seq: i64,
    kind: String,
    task_id: Option<Uuid>,
    layer_id: Option<Uuid>,
    job_id: Option<Uuid>,
    attempt: Option<i32>,
    task_ids: Option<Vec<Uuid>>,
    attempts: Option<Vec<i32>>,
}

impl Raw {
    /// The attempts that it is about; an enqueue that an earlier version left names a single one.
    fn tasks(&self) -> Vec<(Uuid, u32)> {
        let several = self.task_ids.iter().flatten().zip(self.attempts.iter().flatten()).map(|(task, attempt)| (*task, *attempt));
        let one = self.task_id.map(|task| (task, self.attempt.unwrap_or(0)));
        several.chain(one).map(|(task, attempt)| (task, count(attempt))).collect()
    }

    /// An enqueue counts only of tasks that are queued with that attempt; a revoke always, it is harmless.
    fn change(&self, tasks: &BTreeMap<Uuid, (Status, Dispatched)>) -> Change {
        let scope = self.task_id.map(Scope::Task).or(self.layer_id.map(Scope::Layer)).or(self.job_id.map(Scope::Job));
        let attempt = self.attempt.map_or(0, count);
        let task = self.task_id.and_then(|id| tasks.get(&id));
        match (self.kind.as_str(), task, scope) {
            ("E", ..) => Change::Enqueue(self.enqueued(tasks)),
            ("K", Some((_, task)), _) => Change::Revoke(Attempt {
                task_id: task.task_id,
                attempt,
                layer_id: task.layer_id,
                job_id: task.job_id,
                namespace: task.namespace.clone(),
                queue: task.queue.clone(),
                kind: task.kind.clone(),
            }),
            ("R", _, Some(scope)) => Change::Recall(scope),
            _ => Change::Stale,
        }
    }

    fn enqueued(&self, tasks: &BTreeMap<Uuid, (Status, Dispatched)>) -> Vec<Dispatched> {
        let waits = |(task, attempt): (Uuid, u32)| {
            let (_, task) = tasks
                .get(&task)
                .filter(|(status, task)| is_left_out(Safeguard::RelayJoin) || *status == Status::Queued && task.attempt == attempt)?;
            Some(Dispatched { seq: self.seq, ..task.clone() })
        };
        self.tasks().into_iter().filter_map(waits).collect()
    }
}

/// All that a push needs of these tasks, and where they stand. `OFFSET 0` keeps the planner to one look by key for each.
pub(super) async fn read_tasks(connection: &mut PgConnection, ids: Vec<Uuid>) -> Result<BTreeMap<Uuid, (Status, Dispatched)>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let days = Days::of(&ids);
    let rows = sqlx::query!(
        r#"SELECT t.id, t.status::text AS "status!", t.attempt, t.layer_id, t.job_id, t.name, t.ix, t.type AS kind, t.args, t.args_id,
                  t.timeout_ms, t.failures, t.max_failures, t.lost, l.name AS layer, j.name AS job, j.namespace, j.queue, j.lane,
                  v.deadline_at AS "deadline?: Time"
           FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
           CROSS JOIN LATERAL (
               SELECT t.* FROM igor.tasks t WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4 OFFSET 0
           ) t
           CROSS JOIN LATERAL (
               SELECT l.name FROM igor.layers l WHERE l.id = t.layer_id AND l.created_at = t.created_at AND l.created_at BETWEEN $3 AND $4 OFFSET 0
           ) l
           CROSS JOIN LATERAL (
               SELECT j.* FROM igor.jobs j WHERE j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN $3 AND $4 OFFSET 0
           ) j
           LEFT JOIN igor.live_jobs v ON v.job_id = t.job_id"#,
        &ids,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(&mut *connection)
    .await
    .act(READ)?;
    let shared = read_args(connection, rows.iter().filter_map(|row| row.args_id)).await?;
    let tasks = rows.into_iter().map(|row| {
        let status = read_status("tasks", row.id, &row.status)?;
        let task = Dispatched {
            seq: 0,
            task_id: row.id,
            attempt: count(row.attempt),
            layer_id: row.layer_id,
            job_id: row.job_id,
            namespace: row.namespace,
            job: row.job,
            layer: row.layer,
            name: row.name,
            ix: row.ix.map(count),
            queue: row.queue,
            kind: row.kind,
            lane: lane(row.lane),
            args: args_of(row.args, row.args_id, &shared),
            timeout_ms: row.timeout_ms.map(i64::unsigned_abs),
            deadline_ms: row.deadline.map(|deadline| deadline.0),
            retries_left: count(row.max_failures).saturating_sub(count(row.failures) + 1),
            solo: row.lost > 0,
        };
        Ok((task.task_id, (status, task)))
    });
    tasks.collect()
}
