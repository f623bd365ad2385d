//! Running attempts that are past their timeout: the backstop for handlers and workers that do not stop by themselves.

use std::time::Duration;

use super::connect::{Act, Store, within};
use super::error::Error;
use super::facts::{Attempt, Overdue};
use super::rows::count;

const ACT: &str = "look for overdue tasks";

impl Store {
    /// Attempts of open layers that have been running longer than their timeout and `slack`, at most `limit`.
    ///
    /// Looks only behind the dispatch cursors of layers in which something runs.
    pub async fn overdue(&self, slack: Duration, limit: u32) -> Result<Vec<Overdue>, Error> {
        within(ACT, async {
            let rows = sqlx::query!(
                r#"WITH bounds AS (SELECT min(created_at) AS lo, max(created_at) AS hi FROM igor.layer_types)
                   SELECT t.id, t.attempt, t.layer_id, t.job_id, j.namespace, j.queue, t.type AS kind,
                          extract(epoch FROM statement_timestamp() - t.updated_at)::float8 AS "seconds!"
                   FROM igor.layer_types o
                   JOIN igor.layers l ON l.id = o.layer_id AND l.created_at = o.created_at AND l.n_running > 0
                                     AND l.created_at BETWEEN (SELECT lo FROM bounds) AND (SELECT hi FROM bounds)
                   JOIN igor.jobs j ON j.id = o.job_id AND j.created_at = o.created_at
                                   AND j.created_at BETWEEN (SELECT lo FROM bounds) AND (SELECT hi FROM bounds)
                   JOIN igor.tasks t ON t.layer_id = o.layer_id AND t.type = o.type AND t.ordinal < o.next_ordinal AND t.created_at = o.created_at
                                    AND t.created_at BETWEEN (SELECT lo FROM bounds) AND (SELECT hi FROM bounds)
                   WHERE t.status = 'RUNNING' AND t.timeout_ms IS NOT NULL
                     AND t.updated_at < statement_timestamp() - (t.timeout_ms + $1) * interval '1 millisecond'
                   LIMIT $2"#,
                i64::try_from(slack.as_millis()).unwrap_or(i64::MAX),
                i64::from(limit)
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            let overdue = rows.into_iter().map(|row| Overdue {
                attempt: Attempt {
                    task_id: row.id,
                    attempt: count(row.attempt),
                    layer_id: row.layer_id,
                    job_id: row.job_id,
                    namespace: row.namespace,
                    queue: row.queue,
                    kind: row.kind,
                },
                for_time: Duration::try_from_secs_f64(row.seconds).unwrap_or_default(),
            });
            Ok(overdue.collect())
        })
        .await
    }
}
