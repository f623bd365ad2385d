//! Jobs.

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{Filter, PlainJob};
use super::super::rows::read_status;
use super::super::time::Time;
use super::{Bounds, updated, wanted, words};

const ACT: &str = "list jobs";

impl Store {
    /// Jobs, newest first. Of the ids only those of jobs count.
    pub async fn plain_jobs(&self, filter: &Filter) -> Result<Vec<PlainJob>, Error> {
        let bounds = Bounds::of(filter).around(&filter.jobs);
        let (updated_from, updated_before) = updated(filter);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT id AS "id!", title AS "title!", shown::text AS "status!", version AS "version!", created_at AS "created!: Time",
                          updated_at AS "updated!: Time"
                   FROM (SELECT *, CASE WHEN j.status = 'PENDING' AND j.loaded_at IS NOT NULL THEN 'RUNNING' ELSE j.status END AS shown
                         FROM igor.jobs j) j
                   WHERE created_at BETWEEN $1 AND $2
                     AND ($3::uuid[] IS NULL OR id = ANY ($3))
                     AND ($4::text[] IS NULL OR namespace = ANY ($4))
                     AND ($5::text[] IS NULL OR shown = ANY ($5::text[]::igor.status[]))
                     AND ($6::timestamptz IS NULL OR updated_at >= $6)
                     AND ($7::timestamptz IS NULL OR updated_at < $7)
                   ORDER BY created_at DESC, id DESC LIMIT $8 OFFSET $9"#,
                Time(bounds.lo) as _,
                Time(bounds.hi) as _,
                wanted(&filter.jobs) as _,
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
                    Ok(PlainJob {
                        status: read_status("jobs", row.id, &row.status)?,
                        id: row.id,
                        title: row.title,
                        version: row.version.unsigned_abs(),
                        created_ms: row.created.0,
                        updated_ms: row.updated.0,
                    })
                })
                .collect()
        })
        .await
    }
}
