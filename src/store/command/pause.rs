//! Pause: the levels seen on a job and its layers become edges, and an edge pauses or unpauses.
//!
//! Nothing new is dispatched and what is not delivered is recalled; unpausing lets the job advance. Paused time moves the deadline.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::advance::{Audit, advance_jobs, list_live, write_audit};
use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::{Epoch, Paused, Sighting};
use super::super::levels::{Edge, Levels};
use super::super::live::mark_dirty;
use super::super::rows::{LayerRow, LockedJob, int, layers_of, lock_job};
use super::super::time::Time;

const ACT: &str = "pause or unpause";

impl Store {
    /// Takes in the pause levels seen on a job and its layers; only an edge, newer than what was seen before, changes anything.
    ///
    /// Without one this is a read.
    pub async fn observe(&self, epoch: Option<Epoch>, job_id: Uuid, seen: &[Sighting]) -> Result<Paused, Error> {
        within(ACT, async {
            if !self.has_news(job_id, seen).await? {
                return Ok(Paused::default());
            }
            let mut transaction = self.begin(ACT, epoch).await?;
            let mut job = lock_job(&mut transaction, job_id, ACT).await?;
            let layers = layers_of(&mut transaction, &[job_id], ACT).await?;
            let mut paused = Paused { moved: Vec::new(), change: job.unchanged() };
            if !job.deleted && !job.expired {
                take_in(&mut transaction, &mut job, &layers, seen, &mut paused).await?;
            }
            if paused.moved.iter().any(|(_, is_paused)| !is_paused) {
                let changes = advance_jobs(&mut transaction, std::slice::from_mut(&mut job), ACT).await?;
                paused.change = changes.into_iter().next().unwrap_or(paused.change);
            }
            if epoch.is_none() && !paused.moved.is_empty() {
                mark_dirty(&mut transaction, &job).await?;
            }
            transaction.commit().await.act(ACT)?;
            Ok(paused)
        })
        .await
    }

    /// Whether any object's levels would change, without a lock.
    async fn has_news(&self, job_id: Uuid, seen: &[Sighting]) -> Result<bool, Error> {
        let created = Time::of(job_id);
        let mut connection = self.writer.acquire().await.act(ACT)?;
        let own = sqlx::query_scalar!("SELECT level FROM igor.jobs WHERE id = $1 AND created_at = $2", job_id, created as _)
            .fetch_optional(&mut *connection)
            .await
            .act(ACT)?;
        let own = own.ok_or(Error::UnknownJob(job_id))?;
        if sees(&own, None, seen).0 != Levels::read(&own) {
            return Ok(true);
        }
        if seen.iter().all(|sighting| sighting.layer.is_none()) {
            return Ok(false);
        }
        let rows = sqlx::query!("SELECT name, level FROM igor.layers WHERE job_id = $1 AND created_at = $2", job_id, created as _)
            .fetch_all(&mut *connection)
            .await
            .act(ACT)?;
        Ok(rows.iter().any(|row| sees(&row.level, Some(&row.name), seen).0 != Levels::read(&row.level)))
    }
}

/// The levels of one object after what was seen of it, and its edge.
fn sees(column: &serde_json::Value, layer: Option<&str>, seen: &[Sighting]) -> (Levels, Option<Edge>) {
    let mut levels = Levels::read(column);
    let edge = levels.see(&seen.iter().filter(|sighting| sighting.layer.as_deref() == layer));
    (levels, edge)
}

async fn take_in(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    layers: &[LayerRow],
    seen: &[Sighting],
    paused: &mut Paused,
) -> Result<(), Error> {
    let (levels, edge) = sees(&job.level, None, seen);
    if levels != Levels::read(&job.level) {
        write_job(connection, job, &levels, edge, paused).await?;
    }
    let named: BTreeSet<&str> = seen.iter().filter_map(|sighting| sighting.layer.as_deref()).collect();
    for row in layers.iter().filter(|row| named.contains(row.layer.name.as_str())) {
        let (levels, edge) = sees(&row.level, Some(&row.layer.name), seen);
        if levels != Levels::read(&row.level) {
            write_layer(connection, job, row, &levels, edge, paused).await?;
        }
    }
    Ok(())
}

/// Who is said to have paused after this edge, if anybody; without one it stays as it is.
fn pauser(edge: Option<Edge>, before: Option<&str>) -> Option<&str> {
    edge.map_or(before, |edge| edge.paused.then_some(edge.source.as_str()))
}

async fn write_job(
    connection: &mut PgConnection,
    job: &mut LockedJob,
    levels: &Levels,
    edge: Option<Edge>,
    paused: &mut Paused,
) -> Result<(), Error> {
    let by = pauser(edge, job.paused_by.as_deref()).map(str::to_owned);
    let moved = by.is_some() != job.paused_by.is_some();
    let version = job.version + i64::from(moved);
    sqlx::query!(
        r#"UPDATE igor.jobs
           SET level = $3, version = $4, paused_by = $5::text, updated_at = statement_timestamp(),
               paused_s = paused_s + CASE WHEN $5::text IS NULL AND paused_at IS NOT NULL AND started_at IS NOT NULL
                                          THEN extract(epoch FROM statement_timestamp() - greatest(paused_at, started_at))::int8 ELSE 0 END,
               paused_at = CASE WHEN $5::text IS NOT NULL THEN coalesce(paused_at, statement_timestamp()) END
           WHERE id = $1 AND created_at = $2"#,
        job.id,
        job.created() as _,
        levels.to_json(),
        version,
        by
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    if moved {
        let word = if by.is_some() { "Paused" } else { "Unpaused" };
        let row = Audit { id: job.id, layer_id: None, from: job.status, to: job.status, version, run: None, reason: Some(word.to_owned()) };
        write_audit(connection, &[row], edge.map_or("operator", |edge| edge.source.as_str()), None, ACT).await?;
        if !job.finished {
            list_live(connection, &[job.id], ACT).await?;
        }
        if by.is_some() {
            recall(connection, None, Some(job.id)).await?;
        }
        paused.moved.push((None, by.is_some()));
    }
    job.version = version;
    job.paused_by = by;
    Ok(())
}

async fn write_layer(
    connection: &mut PgConnection,
    job: &LockedJob,
    row: &LayerRow,
    levels: &Levels,
    edge: Option<Edge>,
    paused: &mut Paused,
) -> Result<(), Error> {
    let by = pauser(edge, row.layer.paused_by.as_deref());
    let moved = by.is_some() != row.layer.paused_by.is_some();
    let version = row.version + i64::from(moved);
    sqlx::query!(
        r#"UPDATE igor.layers
           SET level = $3, version = $4, paused_by = $5::text, updated_at = statement_timestamp(),
               paused_at = CASE WHEN $5::text IS NOT NULL THEN coalesce(paused_at, statement_timestamp()) END
           WHERE id = $1 AND created_at = $2"#,
        row.id,
        job.created() as _,
        levels.to_json(),
        version,
        by
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    if moved {
        let word = if by.is_some() { "Paused" } else { "Unpaused" };
        let (status, run) = (row.layer.status, Some(int(row.layer.run)));
        let audit = Audit { id: row.id, layer_id: Some(row.id), from: status, to: status, version, run, reason: Some(word.to_owned()) };
        write_audit(connection, &[audit], edge.map_or("operator", |edge| edge.source.as_str()), None, ACT).await?;
        if by.is_some() {
            recall(connection, Some(row.id), None).await?;
        }
        paused.moved.push((Some(row.layer.name.clone()), by.is_some()));
    }
    Ok(())
}

/// Asks the relay to take back what is not delivered of a layer or a job.
async fn recall(connection: &mut PgConnection, layer: Option<Uuid>, job: Option<Uuid>) -> Result<(), Error> {
    let created = Time::of(layer.or(job).unwrap_or_default());
    sqlx::query!("INSERT INTO igor.outbox (kind, layer_id, job_id, created_at) VALUES ('R', $1, $2, $3)", layer, job, created as _)
        .execute(connection)
        .await
        .act(ACT)?;
    Ok(())
}
