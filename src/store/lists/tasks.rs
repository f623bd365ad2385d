//! The tasks of a layer, in the order of type and plan, which is the order of their index.

use uuid::Uuid;

use super::super::connect::{Act, Reading, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{Order, Page, TaskFilter, TaskPlace, TaskRow};
use super::super::rows::{count, read_status};
use super::super::time::Time;
use super::{Looked, SCAN, anywhere, cut};

const ACT: &str = "list tasks";

/// The page's statement: the comparison with the place, and the direction.
macro_rules! page {
    ($store:expr, $layer:expr, $asked:expr, $behind:literal, $way:literal) => {
        sqlx::query_as!(
            Row,
            r#"SELECT p.id AS "id!", p.type AS "kind!", p.ordinal AS "ordinal!", p.fits AS "fits!", p.place = $10 AS "last!" FROM (
                   SELECT t.id, t.type, t.ordinal, row_number() OVER (ORDER BY t.type "#
                + $way
                + ", t.ordinal "
                + $way
                + r#") AS place,
                          ($3::text[] = '{}' OR t.status = ANY($3::text[]::igor.status[]))
                          AND ($4::text IS NULL OR t.name ILIKE $4 OR t.title ILIKE $4) AND ($5::text IS NULL OR t.reason = $5)
                          AND ($6::bool IS NULL OR (t.paused_at IS NOT NULL) = $6) AS fits
                   FROM igor.tasks t
                   WHERE t.layer_id = $1 AND t.created_at = $2 AND ($7::text IS NULL OR t.type = $7)
                     AND ($8::text IS NULL OR (t.type, t.ordinal) "#
                + $behind
                + r#" ($8, $9::int4))
                   ORDER BY t.type "#
                + $way
                + ", t.ordinal "
                + $way
                + r#" LIMIT $10
               ) p WHERE p.fits OR p.place = $10 ORDER BY p.type "#
                + $way
                + ", p.ordinal "
                + $way
                + " LIMIT $11",
            $layer,
            Time::of($layer) as _,
            &$asked.statuses as _,
            $asked.contains as _,
            $asked.reason as _,
            $asked.paused as _,
            $asked.kind as _,
            $asked.after.map(|after| after.kind.as_str()) as _,
            $asked.after.map(|after| after.ordinal) as _,
            SCAN,
            $asked.limit
        )
        .fetch_all($store)
        .await
    };
}

struct Row {
    id: Uuid,
    kind: String,
    ordinal: i32,
    fits: bool,
    last: bool,
}

/// What a page's statement is asked.
struct Asked<'a> {
    statuses: Vec<String>,
    contains: Option<String>,
    reason: Option<&'a str>,
    kind: Option<&'a str>,
    paused: Option<bool>,
    after: Option<&'a TaskPlace>,
    limit: i64,
}

impl Store {
    /// The tasks of a layer, at most `limit`, behind a place.
    pub async fn tasks(
        &self,
        layer_id: Uuid,
        filter: &TaskFilter,
        order: Order,
        after: Option<&TaskPlace>,
        limit: u32,
    ) -> Result<Page<TaskRow, TaskPlace>, Error> {
        let asked = Asked {
            statuses: filter.statuses.iter().map(ToString::to_string).collect(),
            contains: filter.contains.as_deref().map(anywhere),
            reason: filter.reason.as_deref(),
            kind: filter.kind.as_deref(),
            paused: filter.paused,
            after,
            limit: i64::from(limit) + 1,
        };
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = match order {
                Order::Usual => page!(&mut *reading, layer_id, asked, ">", "ASC"),
                Order::Reversed => page!(&mut *reading, layer_id, asked, "<", "DESC"),
            };
            let looked = rows.act(ACT)?.into_iter().map(|row| Looked {
                place: (row.id, TaskPlace { kind: row.kind, ordinal: row.ordinal }),
                fits: row.fits,
                last: row.last,
            });
            let (found, next) = cut(looked, usize::try_from(limit).unwrap_or(usize::MAX));
            let ids: Vec<Uuid> = found.into_iter().map(|(id, _)| id).collect();
            let items = read_tasks(&mut reading, layer_id, &ids).await?;
            reading.done();
            Ok(Page { items, next: next.map(|(_, place)| place) })
        })
        .await
    }

    /// These tasks of one job, in this order; what is not there is left out. `of`: an id of the job, of a layer or a task of it.
    pub async fn tasks_by_id(&self, of: Uuid, ids: &[Uuid]) -> Result<Vec<TaskRow>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let tasks = read_tasks(&mut reading, of, ids).await?;
            reading.done();
            Ok(tasks)
        })
        .await
    }

    /// A task of a layer by its name: by the id that the name gives, else (its id comes from elsewhere) by a look through the layer.
    pub async fn task_of_layer(&self, layer_id: Uuid, by_name: Uuid, name: &str) -> Result<Option<TaskRow>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let id = sqlx::query_scalar!(
                "SELECT coalesce(
                     (SELECT k.id FROM igor.tasks k WHERE k.id = $3 AND k.created_at = $1 AND k.layer_id = $2),
                     (SELECT k.id FROM igor.tasks k WHERE k.layer_id = $2 AND k.created_at = $1 AND k.name = $4 LIMIT 1))",
                Time::of(layer_id) as _,
                layer_id,
                by_name,
                name
            )
            .fetch_one(&mut *reading)
            .await
            .act(ACT)?;
            let task = read_tasks(&mut reading, layer_id, &id.into_iter().collect::<Vec<_>>()).await?.pop();
            reading.done();
            Ok(task)
        })
        .await
    }

    /// What a task's handler gets; `None` = there is no such task.
    pub async fn args_of_task(&self, task_id: Uuid) -> Result<Option<Vec<u8>>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let args = sqlx::query_scalar!(
                r#"SELECT coalesce(t.args, (SELECT a.bytes FROM igor.task_args a WHERE a.args_id = t.args_id AND a.created_at = $2), ''::bytea) AS "args!"
                   FROM igor.tasks t WHERE t.id = $1 AND t.created_at = $2"#,
                task_id,
                Time::of(task_id) as _
            )
            .fetch_optional(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            Ok(args)
        })
        .await
    }
}

/// These tasks of one job, in this order.
async fn read_tasks(reading: &mut Reading, of: Uuid, ids: &[Uuid]) -> Result<Vec<TaskRow>, Error> {
    let rows = sqlx::query!(
            r#"SELECT t.id, t.layer_id, t.job_id, t.name, t.title, t.ordinal, t.ix, t.type AS kind, t.status::text AS "status!", t.reason,
                      t.message, t.version, t.attempt, t.failures, t.lost, t.max_failures, t.timeout_ms, t.paused_at IS NOT NULL AS "paused!",
                      q.not_before AS "due?: Time", t.updated_at AS "updated: Time"
               FROM unnest($1::uuid[]) WITH ORDINALITY AS r(id, place)
               JOIN igor.tasks t ON t.id = r.id AND t.created_at = $2
               LEFT JOIN igor.requeue q ON q.task_id = t.id ORDER BY r.place"#,
            ids,
            Time::of(of) as _
        )
        .fetch_all(&mut **reading)
        .await
        .act(ACT)?;
    let tasks = rows.into_iter().map(|row| {
        Ok(TaskRow {
            status: read_status("tasks", row.id, &row.status)?,
            task_id: row.id,
            layer_id: row.layer_id,
            job_id: row.job_id,
            name: row.name,
            title: row.title,
            ordinal: count(row.ordinal),
            ix: row.ix.map(count),
            kind: row.kind,
            reason: row.reason,
            message: row.message,
            version: count(row.version),
            attempt: count(row.attempt),
            failures: count(row.failures),
            lost: count(row.lost),
            max_failures: count(row.max_failures),
            timeout_ms: row.timeout_ms.map(i64::unsigned_abs),
            paused: row.paused,
            due_ms: row.due.map(|at| at.0),
            updated_ms: row.updated.0,
        })
    });
    tasks.collect()
}
