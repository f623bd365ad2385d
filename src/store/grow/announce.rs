//! An edit under way: announced, so that its rows may follow; settled layer by layer when they are in; or what is not in is taken back.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::accept::layers::{Tasks, insert};
use super::super::accept::{ACT, Wish};
use super::super::advance::advance_jobs;
use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::{Epoch, JobChange};
use super::super::open;
use super::super::rows::{LayerRow, LockedJob, int, layers_of, lock_job};
use crate::core::plan::{Edit, TaskPlan};

const TAKE_BACK: &str = "take an edit back";

/// Announces what an edit adds: more tasks of layers, and layers.
pub(super) async fn announce(
    connection: &mut PgConnection,
    job: &LockedJob,
    wish: Wish<'_>,
    layers: &[LayerRow],
    edit: &Edit,
) -> Result<(), Error> {
    let grown = || edit.appended.iter().map(|at| (&layers[at.accepted], &wish.plan.layers[at.planned]));
    let ids: Vec<Uuid> = grown().map(|(row, _)| row.id).collect();
    let more = grown().map(|(row, planned)| int(planned.tasks[row.spec_len as usize..].iter().map(TaskPlan::rows).sum()));
    let more: Vec<i32> = more.collect();
    let inline: Vec<i32> = grown().map(|(_, planned)| i32::try_from(planned.inline).unwrap_or(i32::MAX)).collect();
    let hashes: Vec<&[u8]> = grown().map(|(_, planned)| planned.spec_hash.as_slice()).collect();
    sqlx::query!(
        r#"UPDATE igor.layers l
           SET grow_ordinal = l.n_expected, grow_len = l.spec_len, grow_hash = l.spec_hash, n_expected = l.n_expected + r.more,
               spec_len = r.inline, spec_hash = r.hash, updated_at = statement_timestamp()
           FROM unnest($2::uuid[], $3::int4[], $4::int4[], $5::bytea[]) AS r(id, more, inline, hash)
           WHERE l.id = r.id AND l.created_at = $1"#,
        job.created() as _,
        &ids,
        &more,
        &inline,
        &hashes as _
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    insert(connection, job.id, wish, edit.added.iter().copied(), Tasks::Follow).await.map(drop)
}

/// Lets go of the layers whose last row is in: what was appended to them is accepted, and open ones hand it out.
pub(super) async fn settle(connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
    let rows = sqlx::query!(
        r#"UPDATE igor.layers SET grow_ordinal = NULL, grow_len = NULL, grow_hash = NULL
           WHERE job_id = $1 AND created_at = $2 AND grow_ordinal IS NOT NULL AND n_loaded >= n_expected
           RETURNING id, status = 'RUNNING' AS "is_open!""#,
        job.id,
        job.created() as _
    )
    .fetch_all(&mut *connection)
    .await
    .act(ACT)?;
    let open: Vec<Uuid> = rows.into_iter().filter(|row| row.is_open).map(|row| row.id).collect();
    if open.is_empty() { Ok(()) } else { open::extend(connection, job, &open, ACT).await }
}

impl Store {
    /// Takes back what is not in of an edit of an accepted job that will not go on.
    pub async fn take_back(&self, epoch: Epoch, job_id: Uuid) -> Result<JobChange, Error> {
        within(TAKE_BACK, async {
            let mut transaction = self.begin(TAKE_BACK, Some(epoch)).await?;
            let mut job = lock_job(&mut transaction, job_id, TAKE_BACK).await?;
            let layers = layers_of(&mut transaction, &[job_id], TAKE_BACK).await?;
            if !job.loaded || job.gate.is_some() || !layers.iter().any(|row| row.layer.is_loading()) {
                return Ok(job.unchanged());
            }
            take_back(&mut transaction, &job, &layers).await?;
            let change = advance_jobs(&mut transaction, std::slice::from_mut(&mut job), TAKE_BACK).await?.pop();
            transaction.commit().await.act(TAKE_BACK)?;
            Ok(change.unwrap_or_else(|| job.unchanged()))
        })
        .await
    }
}

/// Takes back what an edit adds to layers of which not all is in. Nobody has touched those tasks: they go as if they had never been there.
pub(in crate::store) async fn take_back(connection: &mut PgConnection, job: &LockedJob, layers: &[LayerRow]) -> Result<(), Error> {
    let (old, new): (Vec<&LayerRow>, Vec<&LayerRow>) =
        layers.iter().filter(|row| row.layer.is_loading()).partition(|row| row.growing.is_some());
    let ids: Vec<Uuid> = old.iter().chain(&new).map(|row| row.id).collect();
    let first: Vec<i32> = old.iter().chain(&new).map(|row| int(row.growing.map_or(0, |growing| growing.ordinal))).collect();
    sqlx::query!(
        r#"WITH g AS (SELECT * FROM unnest($2::uuid[], $3::int4[]) AS g(layer_id, first)),
                gone AS (DELETE FROM igor.tasks t USING g WHERE t.layer_id = g.layer_id AND t.ordinal >= g.first AND t.created_at = $1
                         RETURNING t.layer_id, t.args_id, t.paused_at),
                args AS (DELETE FROM igor.task_args a USING (SELECT DISTINCT args_id FROM gone) r WHERE a.args_id = r.args_id AND a.created_at = $1),
                d AS (SELECT g.layer_id, count(gone.layer_id)::int4 AS n, count(gone.paused_at)::int4 AS paused
                      FROM g LEFT JOIN gone ON gone.layer_id = g.layer_id GROUP BY 1)
           UPDATE igor.layers l
           SET n_expected = g.first, n_loaded = l.n_loaded - d.n, n_pending = l.n_pending - d.n, n_paused = l.n_paused - d.paused,
               spec_len = coalesce(l.grow_len, l.spec_len), spec_hash = coalesce(l.grow_hash, l.spec_hash),
               grow_ordinal = NULL, grow_len = NULL, grow_hash = NULL, updated_at = statement_timestamp()
           FROM d JOIN g ON g.layer_id = d.layer_id WHERE l.id = d.layer_id AND l.created_at = $1"#,
        job.created() as _,
        &ids,
        &first
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    let new: Vec<Uuid> = new.iter().map(|row| row.id).collect();
    sqlx::query!("DELETE FROM igor.layers WHERE id = ANY($1) AND created_at = $2", &new, job.created() as _)
        .execute(connection)
        .await
        .act(ACT)?;
    Ok(())
}
