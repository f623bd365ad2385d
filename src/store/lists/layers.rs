//! The layers of a job: a few hundred at most, so they are one part.

use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::LayerView;
use super::super::rows::{count, counters, read_status};
use super::super::time::Time;

const ACT: &str = "list layers";

impl Store {
    /// The layers of a job in the order of the plan.
    pub async fn layers(&self, job_id: Uuid) -> Result<Vec<LayerView>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT id, name, title, priority, status::text AS "status!", reason, run, version, paused_by, paused_at IS NOT NULL AS "paused!",
                          started_at AS "started: Time", finished_at AS "finished: Time", updated_at AS "updated: Time", max_in_flight,
                          n_expected, n_loaded, n_paused, n_pending, n_queued, n_running, n_completed, n_errored, n_skipped, n_retried
                   FROM igor.layers WHERE job_id = $1 AND created_at = $2 ORDER BY ordinal"#,
                job_id,
                Time::of(job_id) as _
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let views = rows.into_iter().map(|row| {
                Ok(LayerView {
                    status: read_status("layers", row.id, &row.status)?,
                    layer_id: row.id,
                    job_id,
                    name: row.name,
                    title: row.title,
                    priority: row.priority,
                    reason: row.reason,
                    run: count(row.run),
                    version: row.version,
                    paused_by: row.paused.then(|| row.paused_by.unwrap_or_default()),
                    started_ms: row.started.map(|at| at.0),
                    finished_ms: row.finished.map(|at| at.0),
                    updated_ms: row.updated.0,
                    max_in_flight: row.max_in_flight.map(count),
                    expected: count(row.n_expected),
                    loaded: count(row.n_loaded),
                    paused_tasks: count(row.n_paused),
                    tasks: counters!(row),
                })
            });
            views.collect()
        })
        .await
    }
}
