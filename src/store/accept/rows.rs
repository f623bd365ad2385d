//! The tasks' rows, from where a layer's cursor stands: single tasks and short arrays as they are listed, others made by the database.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::rows::{LayerRow, LockedJob, int};
use super::ACT;
use crate::core::id;
use crate::core::plan::{LayerPlan, Plan, TaskPlan};

/// Arguments up to this length stand in the task's row, longer ones apart from it.
const INLINE_ARGS: usize = 200;

/// An array with fewer elements is written like single tasks: a statement of its own takes longer than to make its rows here.
const SHORT_ARRAY: u32 = 100;

/// Loads at most `budget` rows of the layers that are loading, and moves their cursors; says whether all is in.
pub(in crate::store) async fn load(
    connection: &mut PgConnection,
    job: &LockedJob,
    plan: &Plan,
    layers: &[LayerRow],
    budget: u32,
) -> Result<bool, Error> {
    let (mut batch, mut cursors) = (Batch::default(), Cursors::default());
    let mut left = budget;
    let mut all = true;
    for row in layers.iter().filter(|row| row.layer.is_loading()) {
        let planned = plan.layers.iter().find(|planned| planned.name == row.layer.name);
        let missing = row.layer.expected - row.layer.loaded;
        let now = missing.min(left);
        if let Some(planned) = planned.filter(|_| now > 0) {
            let part = Part::of(row, planned);
            let paused = batch.add(Target { job, layer_id: row.id, layer: &planned.name }, &part, part.rows().saturating_sub(missing), now);
            cursors.add(row.id, now, paused);
            left -= now;
        }
        if planned.is_none() || now < missing {
            all = false;
            break;
        }
    }
    batch.write(connection, job).await?;
    cursors.write(connection, job).await?;
    Ok(all)
}

/// Writes all tasks of layers whose cursors stand at their ends already.
pub(super) async fn load_all(connection: &mut PgConnection, job: &LockedJob, plan: &Plan, layers: &[LayerRow]) -> Result<(), Error> {
    let mut batch = Batch::default();
    for (row, planned) in layers.iter().zip(&plan.layers) {
        let part = Part { tasks: &planned.tasks, ordinal: 0 };
        batch.add(Target { job, layer_id: row.id, layer: &planned.name }, &part, 0, part.rows());
    }
    batch.write(connection, job).await
}

/// How far layers have come with a chunk, a column each.
#[derive(Default)]
struct Cursors {
    ids: Vec<Uuid>,
    loaded: Vec<i32>,
    paused: Vec<i32>,
}

impl Cursors {
    fn add(&mut self, id: Uuid, loaded: u32, paused: u32) {
        self.ids.push(id);
        self.loaded.push(int(loaded));
        self.paused.push(int(paused));
    }

    async fn write(&self, connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE igor.layers l SET n_loaded = l.n_loaded + r.loaded, n_pending = l.n_pending + r.loaded, n_paused = l.n_paused + r.paused,
                                      updated_at = statement_timestamp()
             FROM unnest($2::uuid[], $3::int4[], $4::int4[]) AS r(id, loaded, paused)
             WHERE l.id = r.id AND l.created_at = $1
               AND r.id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            job.created() as _,
            &self.ids,
            &self.loaded,
            &self.paused
        )
        .execute(connection)
        .await
        .act(ACT)?;
        Ok(())
    }
}

/// What is being loaded into a layer: all of its tasks, or those that an edit appends.
struct Part<'a> {
    tasks: &'a [TaskPlan],
    /// The ordinal of the first.
    ordinal: u32,
}

impl<'a> Part<'a> {
    fn of(row: &LayerRow, planned: &'a LayerPlan) -> Self {
        match row.growing {
            None => Self { tasks: &planned.tasks, ordinal: 0 },
            Some(growing) => {
                let appended = growing.spec_len as usize..row.spec_len as usize;
                Self { tasks: planned.tasks.get(appended).unwrap_or_default(), ordinal: growing.ordinal }
            }
        }
    }

    fn rows(&self) -> u32 {
        self.tasks.iter().map(TaskPlan::rows).sum()
    }
}

/// Where rows go.
#[derive(Clone, Copy)]
pub(in crate::store) struct Target<'a> {
    pub(in crate::store) job: &'a LockedJob,
    pub(in crate::store) layer_id: Uuid,
    /// Its name.
    pub(in crate::store) layer: &'a str,
}

impl Target<'_> {
    fn task_id(&self, name: &str) -> Uuid {
        id::task(self.job.created().0, &self.job.uid, self.layer, name)
    }
}

/// Rows to be written in as few statements as can be.
#[derive(Default)]
pub(in crate::store) struct Batch<'a> {
    rows: Vec<Row<'a>>,
    stretches: Vec<Stretch<'a>>,
}

/// One row: a single task, or an element of a short array.
struct Row<'a> {
    layer_id: Uuid,
    ordinal: i32,
    ix: Option<i32>,
    id: Uuid,
    name: Cow<'a, str>,
    task: &'a TaskPlan,
    /// Where its arguments stand, if apart from it.
    args_id: Option<Uuid>,
}

/// Elements of an array that the database makes.
struct Stretch<'a> {
    target: Target<'a>,
    /// The ordinal of the first.
    from: u32,
    task: &'a TaskPlan,
    first: u32,
    count: u32,
}

impl<'a> Batch<'a> {
    /// Adds the rows `from .. from + count` of a part; says how many of them begin paused.
    fn add(&mut self, target: Target<'a>, part: &Part<'a>, from: u32, count: u32) -> u32 {
        let end = from + count;
        let (mut start, mut paused) = (0, 0);
        for task in part.tasks {
            let (first, last) = (from.max(start), end.min(start + task.rows()));
            if first < last {
                self.add_task(target, part.ordinal + first, task, first - start, last - first);
                paused += if task.paused { last - first } else { 0 };
            }
            start += task.rows();
        }
        paused
    }

    /// Adds single tasks, with the ordinals from `from` on.
    pub(in crate::store) fn add_singles(&mut self, target: Target<'a>, from: u32, tasks: &[&'a TaskPlan]) {
        for (ordinal, task) in (from..).zip(tasks) {
            self.add_task(target, ordinal, task, 0, 1);
        }
    }

    fn add_task(&mut self, target: Target<'a>, from: u32, task: &'a TaskPlan, first: u32, count: u32) {
        let named = |ix: u32| format!("{}-{ix}", task.name);
        let apart = task.args.as_ref().is_some_and(|args| args.len() > INLINE_ARGS);
        let row = |ordinal: u32, ix: Option<u32>, name: Cow<'a, str>, args_id: Option<Uuid>| {
            let id = target.task_id(&name);
            Row { layer_id: target.layer_id, ordinal: int(ordinal), ix: ix.map(int), id, name, task, args_id }
        };
        match task.count {
            None => {
                let args_id = apart.then(|| target.task_id(&task.name));
                self.rows.push(row(from, None, Cow::Borrowed(&task.name), args_id));
            }
            Some(all) if all < SHORT_ARRAY => {
                let args_id = apart.then(|| target.task_id(&named(0)));
                self.rows.extend((0..count).map(|place| row(from + place, Some(first + place), Cow::Owned(named(first + place)), args_id)));
            }
            Some(_) => self.stretches.push(Stretch { target, from, task, first, count }),
        }
    }

    /// Writes them.
    pub(in crate::store) async fn write(&self, connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
        if !self.rows.is_empty() {
            write_rows(connection, job, &self.rows).await?;
        }
        for stretch in &self.stretches {
            stretch.write(connection, job).await?;
        }
        Ok(())
    }
}

async fn write_rows(connection: &mut PgConnection, job: &LockedJob, rows: &[Row<'_>]) -> Result<(), Error> {
    let apart = rows.iter().filter_map(|row| Some((row.args_id?, row.task.args.as_deref()?)));
    write_args(connection, job, &apart.collect()).await?;
    let layers: Vec<Uuid> = rows.iter().map(|row| row.layer_id).collect();
    let ordinals: Vec<i32> = rows.iter().map(|row| row.ordinal).collect();
    let indices: Vec<Option<i32>> = rows.iter().map(|row| row.ix).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let kinds: Vec<&str> = rows.iter().map(|row| row.task.kind.as_str()).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_ref()).collect();
    let titles: Vec<Option<&str>> = rows.iter().map(|row| row.task.title.as_deref()).collect();
    let failures: Vec<i32> = rows.iter().map(|row| int(row.task.max_failures)).collect();
    let timeouts: Vec<Option<i64>> = rows.iter().map(|row| row.task.timeout_ms.map(i64::from)).collect();
    let paused: Vec<bool> = rows.iter().map(|row| row.task.paused).collect();
    let args: Vec<Option<&[u8]>> = rows.iter().map(|row| row.task.args.as_deref().filter(|_| row.args_id.is_none())).collect();
    let args_ids: Vec<Option<Uuid>> = rows.iter().map(|row| row.args_id).collect();
    sqlx::query!(
        r#"INSERT INTO igor.tasks (created_at, id, job_id, layer_id, ordinal, ix, type, name, title, max_failures, timeout_ms, paused_at, args, args_id)
           SELECT $1, r.id, $2, r.layer_id, r.ordinal, r.ix, r.type, r.name, r.title, r.max_failures, r.timeout_ms,
                  CASE WHEN r.paused THEN statement_timestamp() END, r.args, r.args_id
           FROM unnest($3::uuid[], $4::int4[], $5::int4[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::int4[], $11::int8[], $12::bool[],
                       $13::bytea[], $14::uuid[])
                AS r(layer_id, ordinal, ix, id, type, name, title, max_failures, timeout_ms, paused, args, args_id)"#,
        job.created() as _,
        job.id,
        &layers,
        &ordinals,
        &indices as _,
        &ids,
        &kinds as _,
        &names as _,
        &titles as _,
        &failures,
        &timeouts as _,
        &paused,
        &args as _,
        &args_ids as _
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}

impl Stretch<'_> {
    /// The database makes names and ids, by the same hash as `core::id`.
    async fn write(&self, connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
        let Self { target, from, task, first, count } = self;
        let args_id = task.args.as_ref().map(|_| target.task_id(&format!("{}-0", task.name)));
        if let (Some(args_id), Some(args)) = (args_id, &task.args) {
            write_args(connection, job, &BTreeMap::from([(args_id, args.as_ref())])).await?;
        }
        let hashed = format!("{}/{}/", job.uid, target.layer);
        sqlx::query!(
            r#"INSERT INTO igor.tasks (created_at, id, job_id, layer_id, ordinal, ix, type, name, title, max_failures, timeout_ms, paused_at, args_id)
               SELECT $1, ($2 || '7' || substr(h.hex, 2, 3) || translate(substr(h.hex, 5, 1), '0123456789abcdef', '89ab89ab89ab89ab')
                           || substr(h.hex, 6, 15))::uuid,
                      $3, $4, $5 + s.ix - $6, s.ix, $7, n.name, $8, $9, $10, CASE WHEN $11 THEN statement_timestamp() END, $12
               FROM generate_series($6::int4, $6::int4 + $13::int4 - 1) AS s(ix)
               CROSS JOIN LATERAL (SELECT $14::text || '-' || s.ix AS name) n
               CROSS JOIN LATERAL (SELECT encode(sha256(convert_to($15::text || n.name, 'UTF8')), 'hex') AS hex) h"#,
            job.created() as _,
            format!("{:012x}", job.created().0),
            job.id,
            target.layer_id,
            int(*from),
            int(*first),
            task.kind,
            task.title,
            int(task.max_failures),
            task.timeout_ms.map(i64::from),
            task.paused,
            args_id,
            int(*count),
            task.name,
            hashed
        )
        .execute(connection)
        .await
        .act(ACT)?;
        Ok(())
    }
}

/// Writes arguments that stand apart from their tasks, each once.
async fn write_args(connection: &mut PgConnection, job: &LockedJob, args: &BTreeMap<Uuid, &[u8]>) -> Result<(), Error> {
    if args.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = args.keys().copied().collect();
    let bytes: Vec<&[u8]> = args.values().copied().collect();
    sqlx::query!(
        r#"INSERT INTO igor.task_args (created_at, args_id, bytes)
           SELECT $1, r.id, r.bytes FROM unnest($2::uuid[], $3::bytea[]) AS r(id, bytes) ON CONFLICT DO NOTHING"#,
        job.created() as _,
        &ids,
        &bytes as _
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
