//! Layers.

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{Filter, PlainLayer};
use super::super::rows::read_status;
use super::super::time::Time;
use super::{Bounds, updated, wanted, words};

const ACT: &str = "list layers";

impl Store {
    /// Layers, newest first. Of the ids those of jobs and layers count.
    pub async fn plain_layers(&self, filter: &Filter) -> Result<Vec<PlainLayer>, Error> {
        let bounds = Bounds::of(filter).around(&filter.jobs).around(&filter.layers);
        let (updated_from, updated_before) = updated(filter);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT id AS "id!", job_id AS "job_id!", title AS "title!", priority AS "priority!", shown::text AS "status!",
                          version AS "version!", paused_at AS "paused: Time", created_at AS "created!: Time", updated_at AS "updated!: Time"
                   FROM (SELECT *, CASE WHEN l.status = 'PENDING' AND l.paused_at IS NOT NULL AND NOT EXISTS (
                                        SELECT FROM igor.layers b
                                        WHERE b.job_id = l.job_id AND b.created_at = l.created_at AND b.created_at BETWEEN $1 AND $2
                                          AND b.priority < l.priority AND b.status NOT IN ('COMPLETED', 'SKIPPED'))
                                   THEN 'RUNNING' ELSE l.status END AS shown
                         FROM igor.layers l) l
                   WHERE created_at BETWEEN $1 AND $2
                     AND ($3::uuid[] IS NULL OR job_id = ANY ($3))
                     AND ($4::uuid[] IS NULL OR id = ANY ($4))
                     AND ($5::text[] IS NULL OR EXISTS (
                         SELECT FROM igor.jobs j
                         WHERE j.id = l.job_id AND j.created_at = l.created_at AND j.created_at BETWEEN $1 AND $2 AND j.namespace = ANY ($5)))
                     AND ($6::text[] IS NULL OR shown = ANY ($6::text[]::igor.status[]))
                     AND ($7::timestamptz IS NULL OR updated_at >= $7)
                     AND ($8::timestamptz IS NULL OR updated_at < $8)
                   ORDER BY created_at DESC, id DESC LIMIT $9 OFFSET $10"#,
                Time(bounds.lo) as _,
                Time(bounds.hi) as _,
                wanted(&filter.jobs) as _,
                wanted(&filter.layers) as _,
                filter.namespaces.as_deref() as _,
                words(filter) as _,
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
                    Ok(PlainLayer {
                        status: read_status("layers", row.id, &row.status)?,
                        id: row.id,
                        job_id: row.job_id,
                        title: row.title,
                        priority: row.priority,
                        version: row.version.unsigned_abs(),
                        paused_ms: row.paused.map(|at| at.0),
                        created_ms: row.created.0,
                        updated_ms: row.updated.0,
                    })
                })
                .collect()
        })
        .await
    }
}
