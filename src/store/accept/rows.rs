//! The tasks' rows, from where a layer's cursor stands: single tasks as they are listed, arrays made by the database.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::rows::{LayerRow, LockedJob, int};
use super::super::time::Time;
use super::ACT;
use crate::core::id;
use crate::core::plan::{LayerPlan, Plan, TaskPlan};

/// Arguments up to this length stand in the task's row, longer ones apart from it.
const INLINE_ARGS: usize = 200;

/// Loads at most `budget` rows of the layers that are loading; says whether all is in.
pub(in crate::store) async fn load(
    connection: &mut PgConnection,
    job: &LockedJob,
    plan: &Plan,
    layers: &[LayerRow],
    budget: u32,
) -> Result<bool, Error> {
    let mut left = budget;
    for row in layers.iter().filter(|row| row.layer.is_loading()) {
        let Some(planned) = plan.layers.iter().find(|planned| planned.name == row.layer.name) else { return Ok(false) };
        let missing = row.layer.expected - row.layer.loaded;
        let now = missing.min(left);
        if now > 0 {
            let target = Target { job, layer_id: row.id, layer: &planned.name };
            target.load(connection, &Part::of(row, planned), missing, now).await?;
        }
        left -= now;
        if now < missing {
            return Ok(false);
        }
    }
    Ok(true)
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
pub(in crate::store) struct Target<'a> {
    pub(in crate::store) job: &'a LockedJob,
    pub(in crate::store) layer_id: Uuid,
    /// Its name.
    pub(in crate::store) layer: &'a str,
}

/// A part of a layer's rows: single tasks, or a stretch of an array.
enum Piece<'a> {
    Singles { from: u32, tasks: Vec<&'a TaskPlan> },
    Stretch { from: u32, task: &'a TaskPlan, first: u32, count: u32 },
}

impl Piece<'_> {
    /// How many of its tasks begin paused.
    fn paused(&self) -> u32 {
        match self {
            Self::Singles { tasks, .. } => u32::try_from(tasks.iter().filter(|task| task.paused).count()).unwrap_or(u32::MAX),
            Self::Stretch { task, count, .. } => u32::from(task.paused) * count,
        }
    }
}

impl Target<'_> {
    /// Writes the first `count` of the `missing` rows of a part, which are its last ones, and moves the cursor.
    async fn load(&self, connection: &mut PgConnection, part: &Part<'_>, missing: u32, count: u32) -> Result<(), Error> {
        let mut paused = 0;
        for piece in pieces(part, part.rows().saturating_sub(missing), count) {
            paused += piece.paused();
            match piece {
                Piece::Singles { from, tasks } => self.singles(connection, from, &tasks).await?,
                Piece::Stretch { from, task, first, count } => self.stretch(connection, from, task, first, count).await?,
            }
        }
        sqlx::query!(
            "UPDATE igor.layers SET n_loaded = n_loaded + $3, n_pending = n_pending + $3, n_paused = n_paused + $4,
                                    updated_at = statement_timestamp()
             WHERE id = $1 AND created_at = $2",
            self.layer_id,
            self.job.created() as _,
            int(count),
            int(paused)
        )
        .execute(connection)
        .await
        .act(ACT)?;
        Ok(())
    }

    fn task_id(&self, name: &str) -> Uuid {
        id::task(self.job.created().0, &self.job.uid, self.layer, name)
    }

    /// Writes single tasks, with the ordinals from `from` on.
    pub(in crate::store) async fn singles(&self, connection: &mut PgConnection, from: u32, tasks: &[&TaskPlan]) -> Result<(), Error> {
        let ids: Vec<Uuid> = tasks.iter().map(|task| self.task_id(&task.name)).collect();
        let apart = |task: &TaskPlan| task.args.as_ref().is_some_and(|args| args.len() > INLINE_ARGS);
        let long: Vec<(Uuid, &[u8])> = ids
            .iter()
            .zip(tasks)
            .filter(|(_, task)| apart(task))
            .map(|(id, task)| (*id, task.args.as_deref().unwrap_or_default()))
            .collect();
        self.write_args(connection, &long).await?;
        let kinds: Vec<&str> = tasks.iter().map(|task| task.kind.as_str()).collect();
        let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let titles: Vec<Option<&str>> = tasks.iter().map(|task| task.title.as_deref()).collect();
        let failures: Vec<i32> = tasks.iter().map(|task| int(task.max_failures)).collect();
        let timeouts: Vec<Option<i64>> = tasks.iter().map(|task| task.timeout_ms.map(i64::from)).collect();
        let paused: Vec<bool> = tasks.iter().map(|task| task.paused).collect();
        let args: Vec<Option<&[u8]>> = tasks.iter().map(|task| task.args.as_deref().filter(|args| args.len() <= INLINE_ARGS)).collect();
        let args_ids: Vec<Option<Uuid>> = ids.iter().zip(tasks).map(|(id, task)| apart(task).then_some(*id)).collect();
        sqlx::query!(
            r#"INSERT INTO igor.tasks (created_at, id, job_id, layer_id, ordinal, type, name, title, max_failures, timeout_ms, paused_at, args, args_id)
               SELECT $1, r.id, $2, $3, $4 + r.place::int4 - 1, r.type, r.name, r.title, r.max_failures, r.timeout_ms,
                      CASE WHEN r.paused THEN statement_timestamp() END, r.args, r.args_id
               FROM unnest($5::uuid[], $6::text[], $7::text[], $8::text[], $9::int4[], $10::int8[], $11::bool[], $12::bytea[], $13::uuid[])
                    WITH ORDINALITY AS r(id, type, name, title, max_failures, timeout_ms, paused, args, args_id, place)"#,
            self.job.created() as _,
            self.job.id,
            self.layer_id,
            int(from),
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

    /// A stretch of an array: the database makes names and ids, by the same hash as `core::id`.
    async fn stretch(&self, connection: &mut PgConnection, from: u32, task: &TaskPlan, first: u32, count: u32) -> Result<(), Error> {
        let args_id = task.args.as_ref().map(|_| self.task_id(&format!("{}-0", task.name)));
        if let (Some(args_id), Some(args)) = (args_id, &task.args) {
            self.write_args(connection, &[(args_id, args)]).await?;
        }
        let hashed = format!("{}/{}/", self.job.uid, self.layer);
        sqlx::query!(
            r#"INSERT INTO igor.tasks (created_at, id, job_id, layer_id, ordinal, ix, type, name, title, max_failures, timeout_ms, paused_at, args_id)
               SELECT $1, ($2 || '7' || substr(h.hex, 2, 3) || translate(substr(h.hex, 5, 1), '0123456789abcdef', '89ab89ab89ab89ab')
                           || substr(h.hex, 6, 15))::uuid,
                      $3, $4, $5 + s.ix - $6, s.ix, $7, n.name, $8, $9, $10, CASE WHEN $11 THEN statement_timestamp() END, $12
               FROM generate_series($6::int4, $6::int4 + $13::int4 - 1) AS s(ix)
               CROSS JOIN LATERAL (SELECT $14::text || '-' || s.ix AS name) n
               CROSS JOIN LATERAL (SELECT encode(sha256(convert_to($15::text || n.name, 'UTF8')), 'hex') AS hex) h"#,
            self.job.created() as _,
            format!("{:012x}", self.job.created().0),
            self.job.id,
            self.layer_id,
            int(from),
            int(first),
            task.kind,
            task.title,
            int(task.max_failures),
            task.timeout_ms.map(i64::from),
            task.paused,
            args_id,
            int(count),
            task.name,
            hashed
        )
        .execute(connection)
        .await
        .act(ACT)?;
        Ok(())
    }

    async fn write_args(&self, connection: &mut PgConnection, args: &[(Uuid, &[u8])]) -> Result<(), Error> {
        if args.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = args.iter().map(|(id, _)| *id).collect();
        let bytes: Vec<&[u8]> = args.iter().map(|(_, bytes)| *bytes).collect();
        sqlx::query!(
            r#"INSERT INTO igor.task_args (created_at, args_id, bytes)
               SELECT $1, r.id, r.bytes FROM unnest($2::uuid[], $3::bytea[]) AS r(id, bytes) ON CONFLICT DO NOTHING"#,
            Time::of(self.job.id) as _,
            &ids,
            &bytes as _
        )
        .execute(connection)
        .await
        .act(ACT)?;
        Ok(())
    }
}

/// The pieces that hold the rows `from .. from + count` of a part.
fn pieces<'a>(part: &Part<'a>, from: u32, count: u32) -> Vec<Piece<'a>> {
    let end = from + count;
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    let mut start = 0;
    for task in part.tasks {
        let (first, last) = (from.max(start), end.min(start + task.rows()));
        if first < last {
            let ordinal = part.ordinal + first;
            match (task.count, pieces.last_mut()) {
                (Some(_), _) => pieces.push(Piece::Stretch { from: ordinal, task, first: first - start, count: last - first }),
                (None, Some(Piece::Singles { tasks, .. })) => tasks.push(task),
                (None, _) => pieces.push(Piece::Singles { from: ordinal, tasks: vec![task] }),
            }
        }
        start += task.rows();
    }
    pieces
}
