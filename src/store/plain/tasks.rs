//! Tasks.

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{Filter, PlainTask};
use super::super::rows::{count, read_status};
use super::super::time::Time;
use super::{Stretches, updated, wanted, words};

const ACT: &str = "list tasks";

impl Store {
    /// Tasks, newest first.
    pub async fn plain_tasks(&self, filter: &Filter) -> Result<Vec<PlainTask>, Error> {
        let Stretches { first, last, lo, hi } = Stretches::of(filter);
        let (updated_from, updated_before) = updated(filter);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT t.id AS "id!", t.job_id AS "job_id!", t.layer_id AS "layer_id!", coalesce(t.title, t.name) AS "title!", t.type AS "kind!",
                          t.status::text AS "status!", t.version AS "version!", t.paused_at AS "paused: Time", t.created_at AS "created!: Time",
                          t.updated_at AS "updated!: Time", coalesce(t.args, a.bytes) AS args, t.attempt AS "attempt!",
                          t.max_failures AS "max_failures!", t.message
                   FROM (SELECT t.*
                         FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS r(first, last, lo, hi)
                         CROSS JOIN LATERAL (
                             SELECT * FROM igor.tasks t
                             WHERE t.id BETWEEN r.first AND r.last AND t.created_at BETWEEN r.lo AND r.hi
                               AND ($5::uuid[] IS NULL OR t.job_id = ANY ($5))
                               AND ($6::uuid[] IS NULL OR t.layer_id = ANY ($6))
                               AND ($7::text[] IS NULL OR EXISTS (
                                   SELECT FROM igor.jobs j
                                   WHERE j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN r.lo AND r.hi
                                     AND j.namespace = ANY ($7)))
                               AND ($8::text[] IS NULL OR t.status = ANY ($8::text[]::igor.status[])
                                    OR $9 AND t.status = 'ERRORED' AND t.reason = 'Killed')
                               AND ($10::timestamptz IS NULL OR t.updated_at >= $10)
                               AND ($11::timestamptz IS NULL OR t.updated_at < $11)
                             ORDER BY t.id DESC LIMIT $12::int8 + $13::int8) t
                         ORDER BY t.id DESC LIMIT $12 OFFSET $13) t
                   LEFT JOIN igor.task_args a ON a.args_id = t.args_id AND a.created_at = t.created_at
                   ORDER BY t.id DESC"#,
                &first,
                &last,
                lo as _,
                hi as _,
                wanted(&filter.jobs) as _,
                wanted(&filter.layers) as _,
                filter.namespaces.as_deref() as _,
                words(filter) as _,
                filter.killed,
                updated_from as _,
                updated_before as _,
                i64::from(filter.limit),
                i64::from(filter.offset)
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            rows.into_iter()
                .map(|row| {
                    Ok(PlainTask {
                        status: read_status("tasks", row.id, &row.status)?,
                        id: row.id,
                        job_id: row.job_id,
                        layer_id: row.layer_id,
                        title: row.title,
                        kind: row.kind,
                        version: u64::from(count(row.version)),
                        paused_ms: row.paused.map(|at| at.0),
                        created_ms: row.created.0,
                        updated_ms: row.updated.0,
                        args: row.args,
                        attempt: count(row.attempt),
                        max_failures: count(row.max_failures),
                        message: row.message,
                    })
                })
                .collect()
        })
        .await
    }
}
