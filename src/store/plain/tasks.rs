//! Tasks: first which ones, newest first and stretch by stretch, then their rows.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{Filter, PlainTask};
use super::super::rows::{count, read_status};
use super::super::time::{Days, Time};
use super::{Stretch, updated, wanted, words};
use crate::core::status::Status;

const ACT: &str = "list tasks";

/// The statement over a stretch: from what, how each task is found from there, and by which id it is in order.
macro_rules! ids {
    ($connection:expr, $stretch:expr, $asked:expr, $from:literal, $order:literal) => {
        sqlx::query_scalar!(
            r#"SELECT t.id AS "id!" FROM "#
                + $from
                + r#" ($5::uuid[] IS NULL OR t.id = ANY ($5))
                     AND ($6::uuid[] IS NULL OR t.job_id = ANY ($6))
                     AND ($7::uuid[] IS NULL OR t.layer_id = ANY ($7))
                     AND ($8::text[] IS NULL OR t.status = ANY ($8::text[]::igor.status[])
                          OR $9 AND t.status = 'ERRORED' AND t.reason = 'Killed')
                     AND ($10::timestamptz IS NULL OR t.updated_at >= $10)
                     AND ($11::timestamptz IS NULL OR t.updated_at < $11)
                     AND ($12::text[] IS NULL OR (
                         SELECT j.namespace FROM igor.jobs j
                         WHERE j.id = t.job_id AND j.created_at = t.created_at AND j.created_at BETWEEN $3 AND $4) = ANY ($12)) "#
                + $order
                + " LIMIT $13",
            $stretch.first,
            $stretch.last,
            $stretch.lo as _,
            $stretch.hi as _,
            wanted(&$asked.filter.tasks) as _,
            wanted(&$asked.filter.jobs) as _,
            wanted(&$asked.filter.layers) as _,
            $asked.statuses as _,
            $asked.filter.killed,
            $asked.updated.0 as _,
            $asked.updated.1 as _,
            $asked.filter.namespaces.as_deref() as _,
            $asked.most
        )
        .fetch_all($connection)
        .await
        .act(ACT)
    };
}

/// What the statements are asked.
struct Asked<'a> {
    filter: &'a Filter,
    statuses: Option<Vec<String>>,
    updated: (Option<Time>, Option<Time>),
    most: i64,
}

impl Asked<'_> {
    /// Whether only tasks are asked for that ended badly: those the audit has an index of.
    fn is_about_bad_ends(&self) -> bool {
        let statuses = self.filter.statuses.as_deref();
        statuses.is_some_and(|statuses| statuses.iter().all(|status| matches!(status, Status::Errored | Status::Skipped)))
    }

    /// The newest of a stretch.
    async fn ids(&self, connection: &mut PgConnection, stretch: Stretch) -> Result<Vec<Uuid>, Error> {
        if self.is_about_bad_ends() {
            // LIMIT 1 keeps the planner from reading all tasks to join them.
            ids!(
                connection,
                stretch,
                self,
                r#"(SELECT DISTINCT task_id, created_at FROM igor.transitions
                    WHERE "to" IN ('ERRORED', 'SKIPPED') AND task_id BETWEEN $1 AND $2 AND created_at BETWEEN $3 AND $4
                    ORDER BY task_id DESC, created_at DESC) b
                   CROSS JOIN LATERAL (SELECT t.id FROM igor.tasks t
                                       WHERE t.id = b.task_id AND t.created_at = b.created_at AND t.created_at BETWEEN $3 AND $4 AND"#,
                "LIMIT 1) t ORDER BY b.task_id DESC"
            )
        } else {
            ids!(
                connection,
                stretch,
                self,
                "igor.tasks t WHERE t.id BETWEEN $1 AND $2 AND t.created_at BETWEEN $3 AND $4 AND",
                "ORDER BY t.id DESC"
            )
        }
    }
}

impl Store {
    /// Tasks, newest first.
    pub async fn plain_tasks(&self, filter: &Filter) -> Result<Vec<PlainTask>, Error> {
        let (offset, limit) = (filter.offset as usize, filter.limit as usize);
        let mut asked = Asked { filter, statuses: words(filter), updated: updated(filter), most: 0 };
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let mut ids = Vec::new();
            for stretch in Stretch::of_tasks(filter) {
                asked.most = i64::try_from(offset + limit - ids.len()).unwrap_or(i64::MAX);
                if asked.most == 0 {
                    break;
                }
                ids.extend(asked.ids(&mut reading, stretch).await?);
            }
            let page = ids.get(offset..).unwrap_or_default();
            let tasks = if page.is_empty() { Vec::new() } else { read(&mut reading, page).await? };
            reading.done();
            Ok(tasks)
        })
        .await
    }
}

/// The rows of these tasks, in this order.
async fn read(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<PlainTask>, Error> {
    let days = Days::of(ids);
    let rows = sqlx::query!(
        r#"SELECT t.id, t.job_id, t.layer_id, coalesce(t.title, t.name) AS "title!", t.type AS kind, t.status::text AS "status!", t.version,
                  t.paused_at AS "paused: Time", t.created_at AS "created!: Time", t.updated_at AS "updated!: Time",
                  coalesce(t.args, (SELECT a.bytes FROM igor.task_args a
                                    WHERE a.args_id = t.args_id AND a.created_at = t.created_at AND a.created_at BETWEEN $3 AND $4)) AS args,
                  t.attempt, t.max_failures, t.message
           FROM unnest($1::uuid[], $2::timestamptz[]) WITH ORDINALITY AS r(id, created_at, place)
           CROSS JOIN LATERAL (SELECT * FROM igor.tasks t
                               WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $3 AND $4 LIMIT 1) t
           ORDER BY r.place"#,
        ids,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let tasks = rows.into_iter().map(|row| {
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
    });
    tasks.collect()
}
