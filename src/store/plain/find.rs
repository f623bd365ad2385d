//! What ids stand for.

use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::Found;
use super::super::time::Days;
use crate::core::command::Object;

const ACT: &str = "find what ids stand for";

impl Store {
    /// The jobs of these ids; what is not there is left out.
    pub async fn find_jobs(&self, ids: &[Uuid]) -> Result<Vec<Found>, Error> {
        let days = Days::of(ids);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT j.id, j.namespace, j.name FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
                   JOIN igor.jobs j ON j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $3 AND $4"#,
                ids,
                days.each as _,
                days.lo as _,
                days.hi as _
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let found = |(id, namespace, job)| Found { id, job_id: id, namespace, job, object: Object::Job };
            Ok(rows.into_iter().map(|row| found((row.id, row.namespace, row.name))).collect())
        })
        .await
    }

    /// The layers of these ids; what is not there is left out.
    pub async fn find_layers(&self, ids: &[Uuid]) -> Result<Vec<Found>, Error> {
        let days = Days::of(ids);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT l.id, l.job_id, l.name AS layer, j.namespace, j.name FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
                   JOIN igor.layers l ON l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $3 AND $4
                   JOIN igor.jobs j ON j.id = l.job_id AND j.created_at = l.created_at AND j.created_at BETWEEN $3 AND $4"#,
                ids,
                days.each as _,
                days.lo as _,
                days.hi as _
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let found = rows.into_iter().map(|row| Found {
                id: row.id,
                job_id: row.job_id,
                namespace: row.namespace,
                job: row.name,
                object: Object::Layer(row.layer),
            });
            Ok(found.collect())
        })
        .await
    }

    /// The tasks of these ids; what is not there is left out.
    pub async fn find_tasks(&self, ids: &[Uuid]) -> Result<Vec<Found>, Error> {
        let days = Days::of(ids);
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT t.id, t.job_id, t.name AS task, l.name AS layer, j.namespace, j.name
                   FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
                   JOIN igor.tasks t ON t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4
                   JOIN igor.layers l ON l.id = t.layer_id AND l.created_at = t.created_at AND l.created_at BETWEEN $3 AND $4
                   JOIN igor.jobs j ON j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN $3 AND $4"#,
                ids,
                days.each as _,
                days.lo as _,
                days.hi as _
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let found = rows.into_iter().map(|row| Found {
                id: row.id,
                job_id: row.job_id,
                namespace: row.namespace,
                job: row.name,
                object: Object::Task { layer: row.layer, task: row.task },
            });
            Ok(found.collect())
        })
        .await
    }
}
