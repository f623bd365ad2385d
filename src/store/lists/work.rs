//! What types have open work, from the dispatcher's cursors: a small table.

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::OpenWork;
use super::super::rows::count;

const ACT: &str = "read what is open";

/// Most types of one answer.
const MOST: i64 = 10_000;

impl Store {
    /// The types with open layers, by namespace, queue and type; of these namespaces, or (`None`) of all.
    pub async fn open_work(&self, namespaces: Option<&[String]>) -> Result<Vec<OpenWork>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT v.namespace, o.queue, o.type AS kind, count(*)::int4 AS "layers!",
                          sum(greatest(o.total - o.next_ordinal, 0))::int8 AS "ahead!",
                          sum((SELECT count(*) FROM igor.requeue q WHERE q.layer_id = o.layer_id AND q.type = o.type))::int8 AS "waiting!"
                   FROM igor.layer_types o JOIN igor.live_jobs v ON v.job_id = o.job_id
                   WHERE $1::text[] IS NULL OR v.namespace = ANY($1)
                   GROUP BY v.namespace, o.queue, o.type ORDER BY v.namespace, o.queue, o.type LIMIT $2"#,
                namespaces as _,
                MOST
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let work = rows.into_iter().map(|row| OpenWork {
                namespace: row.namespace,
                queue: row.queue,
                kind: row.kind,
                layers: count(row.layers),
                ahead: row.ahead.unsigned_abs(),
                waiting: row.waiting.unsigned_abs(),
            });
            Ok(work.collect())
        })
        .await
    }
}
