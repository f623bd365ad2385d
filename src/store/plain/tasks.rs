//! Tasks: their rows, newest first and stretch by stretch, from the place on where a page begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::dispatch::read_args;
use super::super::error::Error;
use super::super::facts::{Filter, PlainTask};
use super::super::rows::{count, read_status};
use super::super::time::Time;
use super::{Stretch, updated, wanted, words};
use crate::core::status::Status;

const ACT: &str = "list tasks";

/// The statement over a stretch: what it reads, from what, how each task is found from there, and by which id it is in order.
macro_rules! newest {
    ($columns:literal, $connection:expr, $stretch:expr, $asked:expr, $from:literal, $order:literal, $most:expr) => {
        sqlx::query!(
            "SELECT "
                + $columns
                + " FROM "
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
            i64::try_from($most).unwrap_or(i64::MAX)
        )
        .fetch_all($connection)
        .await
        .act(ACT)
    };
}

/// The same by the index that fits: a filter for bad ends goes by the audit's, which knows them apart.
macro_rules! tasks {
    ($columns:literal, $connection:expr, $stretch:expr, $asked:expr, $most:expr, $row:ident => $read:expr) => {
        if $asked.is_about_bad_ends() {
            // LIMIT 1 keeps the planner from reading all tasks to join them.
            let rows = newest!(
                $columns,
                $connection,
                $stretch,
                $asked,
                r#"(SELECT DISTINCT task_id, created_at FROM igor.transitions
                    WHERE "to" IN ('ERRORED', 'SKIPPED') AND task_id BETWEEN $1 AND $2 AND created_at BETWEEN $3 AND $4
                    ORDER BY task_id DESC, created_at DESC) b
                   CROSS JOIN LATERAL (SELECT t.* FROM igor.tasks t
                                       WHERE t.id = b.task_id AND t.created_at = b.created_at AND t.created_at BETWEEN $3 AND $4 AND"#,
                "LIMIT 1) t ORDER BY b.task_id DESC",
                $most
            )?;
            rows.into_iter().map(|$row| $read).collect()
        } else {
            let rows = newest!(
                $columns,
                $connection,
                $stretch,
                $asked,
                "igor.tasks t WHERE t.id BETWEEN $1 AND $2 AND t.created_at BETWEEN $3 AND $4 AND",
                "ORDER BY t.id DESC",
                $most
            )?;
            rows.into_iter().map(|$row| $read).collect()
        }
    };
}

/// What the statements are asked.
struct Asked<'a> {
    filter: &'a Filter,
    statuses: Option<Vec<String>>,
    updated: (Option<Time>, Option<Time>),
}

/// A task, and where its arguments stand if apart from it.
type Read = (PlainTask, Option<Uuid>);

impl Asked<'_> {
    /// Whether only tasks are asked for that ended badly: those the audit has an index of.
    fn is_about_bad_ends(&self) -> bool {
        let statuses = self.filter.statuses.as_deref();
        statuses.is_some_and(|statuses| statuses.iter().all(|status| matches!(status, Status::Errored | Status::Skipped)))
    }

    /// Leaves out the first tasks of all stretches: what is left of those, and none of it if there are not so many.
    async fn behind(&self, connection: &mut PgConnection, stretches: Vec<Stretch>) -> Result<Vec<Stretch>, Error> {
        let mut left = self.filter.offset as usize;
        let mut rest = stretches.into_iter();
        while left > 0 {
            let Some(stretch) = rest.next() else { break };
            // By the index alone, where the filter allows that.
            let ids: Vec<Uuid> = tasks!(r#"t.id AS "id!""#, &mut *connection, stretch, self, left + 1, row => row.id);
            if let Some(first) = ids.get(left) {
                return Ok(std::iter::once(Stretch { last: *first, ..stretch }).chain(rest).collect());
            }
            left -= ids.len();
        }
        Ok(rest.collect())
    }

    /// The newest of a stretch.
    async fn read(&self, connection: &mut PgConnection, stretch: Stretch, most: usize) -> Result<Vec<Read>, Error> {
        tasks!(
            r#"t.id AS "id!", t.job_id AS "job_id!", t.layer_id AS "layer_id!", coalesce(t.title, t.name) AS "title!", t.type AS "kind!",
               t.status::text AS "status!", t.version AS "version!", t.paused_at AS "paused: Time", t.created_at AS "created!: Time",
               t.updated_at AS "updated!: Time", t.args AS "args?", t.args_id AS "args_id?", t.attempt AS "attempt!",
               t.max_failures AS "max_failures!", t.message AS "message?""#,
            connection,
            stretch,
            self,
            most,
            row => {
                let task = PlainTask {
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
                };
                Ok((task, row.args_id))
            }
        )
    }
}

impl Store {
    /// Tasks, newest first.
    pub async fn plain_tasks(&self, filter: &Filter) -> Result<Vec<PlainTask>, Error> {
        let limit = filter.limit as usize;
        let asked = Asked { filter, statuses: words(filter), updated: updated(filter) };
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let mut read: Vec<Read> = Vec::new();
            for stretch in asked.behind(&mut reading, Stretch::of_tasks(filter, Time::now())).await? {
                if read.len() >= limit {
                    break;
                }
                read.extend(asked.read(&mut reading, stretch, limit - read.len()).await?);
            }
            let apart = read_args(&mut reading, read.iter().filter_map(|(_, args_id)| *args_id)).await?;
            reading.done();
            Ok(read.into_iter().map(|read| with_args(read, &apart)).collect())
        })
        .await
    }
}

fn with_args((task, args_id): Read, apart: &BTreeMap<Uuid, Arc<[u8]>>) -> PlainTask {
    let args = args_id.and_then(|id| apart.get(&id)).map(|bytes| bytes.to_vec());
    PlainTask { args: task.args.or(args), ..task }
}
