//! The statements of an advance: a handful, whatever the number of jobs and layers that move. That ids are ids keeps the planner to one
//! look by key for each, as in apply.sql.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Command;
use super::super::open::{self, Cursor, Opened};
use super::super::time::{Days, Time};
use super::{Moves, Opening};
use crate::core::status::Status;

impl Moves {
    /// Writes everything that was gathered; gives the cursors of the layers that opened.
    pub(super) async fn write(&self, connection: &mut PgConnection, by: By<'_>, act: &'static str) -> Result<Vec<Cursor>, Error> {
        let mut cursors = Vec::new();
        if !self.layers.is_empty() {
            self.write_layers(connection, act).await?;
            cursors = self.open_layers(connection, act).await?;
            let closed: Vec<Uuid> = self.layers.values().filter(|layer| layer.status.is_finished()).map(|layer| layer.id).collect();
            open::close_layers(connection, &closed, act).await?;
        }
        if !self.jobs.is_empty() {
            self.write_jobs(connection, act).await?;
            self.write_live(connection, act).await?;
        }
        write_audit(connection, &self.audit, by, act).await?;
        Ok(cursors)
    }

    async fn write_layers(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ids: Vec<Uuid> = self.layers.keys().copied().collect();
        let days = Days::of(&ids);
        let statuses: Vec<String> = self.layers.values().map(|layer| layer.status.to_string()).collect();
        let runs: Vec<i32> = self.layers.values().map(|layer| layer.run).collect();
        let versions: Vec<i64> = self.layers.values().map(|layer| layer.version).collect();
        let reasons: Vec<Option<&str>> = self.layers.values().map(|layer| layer.reason).collect();
        let opened: Vec<bool> = self.layers.values().map(|layer| layer.opened.is_some()).collect();
        sqlx::query!(
            r#"UPDATE igor.layers l
               SET status = r.status::igor.status, run = r.run, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
                   started_at = CASE WHEN r.opened THEN coalesce(l.started_at, statement_timestamp()) ELSE l.started_at END,
                   finished_at = CASE WHEN r.status IN ('COMPLETED', 'ERRORED', 'SKIPPED') THEN statement_timestamp() END
               FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int4[], $5::int8[], $6::text[], $7::bool[])
                    AS r(id, created_at, status, run, version, reason, opened)
               WHERE l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $8 AND $9
                 AND r.id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'"#,
            &ids,
            days.each as _,
            &statuses,
            &runs,
            &versions,
            &reasons as _,
            &opened,
            days.lo as _,
            days.hi as _
        )
        .execute(connection)
        .await
        .act(act)?;
        Ok(())
    }

    /// The dispatch cursors of layers that stand open after all steps.
    async fn open_layers(&self, connection: &mut PgConnection, act: &'static str) -> Result<Vec<Cursor>, Error> {
        let opened = self.layers.values().filter(|layer| layer.opened.is_some() && layer.status == Status::Running);
        let opened = opened.map(|layer| Opened {
            layer_id: layer.id,
            job_id: layer.job_id,
            queue: &layer.queue,
            again: layer.opened == Some(Opening::Again),
        });
        open::open_layers(connection, &opened.collect::<Vec<Opened<'_>>>(), act).await
    }

    async fn write_jobs(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ids: Vec<Uuid> = self.jobs.iter().map(|job| job.id).collect();
        let days = Days::of(&ids);
        let statuses: Vec<String> = self.jobs.iter().map(|job| job.status.to_string()).collect();
        let versions: Vec<i64> = self.jobs.iter().map(|job| job.version).collect();
        let reasons: Vec<Option<&str>> = self.jobs.iter().map(|job| job.reason).collect();
        let started: Vec<bool> = self.jobs.iter().map(|job| job.started).collect();
        let reopened: Vec<bool> = self.jobs.iter().map(|job| job.reopened).collect();
        let finished: Vec<bool> = self.jobs.iter().map(|job| job.finished).collect();
        // A re-opened job gets a new deadline: the time until now counts as not used.
        sqlx::query!(
            r#"UPDATE igor.jobs j
               SET status = r.status::igor.status, version = r.version, reason = r.reason, updated_at = statement_timestamp(),
                   started_at = CASE WHEN r.started THEN coalesce(j.started_at, statement_timestamp()) ELSE j.started_at END,
                   paused_s = CASE WHEN r.reopened THEN coalesce(extract(epoch FROM statement_timestamp() - j.started_at)::int8, 0) ELSE j.paused_s END,
                   finished_at = CASE WHEN r.finished THEN statement_timestamp() END
               FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::int8[], $5::text[], $6::bool[], $7::bool[], $8::bool[])
                    AS r(id, created_at, status, version, reason, started, reopened, finished)
               WHERE j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $9 AND $10
                 AND r.id BETWEEN '00000000-0000-0000-0000-000000000000' AND 'ffffffff-ffff-ffff-ffff-ffffffffffff'"#,
            &ids,
            days.each as _,
            &statuses,
            &versions,
            &reasons as _,
            &started,
            &reopened,
            &finished,
            days.lo as _,
            days.hi as _
        )
        .execute(connection)
        .await
        .act(act)?;
        Ok(())
    }

    /// Ended jobs leave the list of live ones, re-opened ones come back, started ones get their deadline.
    async fn write_live(&self, connection: &mut PgConnection, act: &'static str) -> Result<(), Error> {
        let ended: Vec<Uuid> = self.jobs.iter().filter(|job| job.finished).map(|job| job.id).collect();
        if !ended.is_empty() {
            sqlx::query!("DELETE FROM igor.live_jobs WHERE job_id = ANY($1)", &ended).execute(&mut *connection).await.act(act)?;
        }
        let begun: Vec<Uuid> = self.jobs.iter().filter(|job| !job.finished && (job.started || job.reopened)).map(|job| job.id).collect();
        if begun.is_empty() { Ok(()) } else { list_live(connection, &begun, act).await }
    }
}

/// By whom layers and jobs move.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct By<'a> {
    actor: &'a str,
    command: Option<Uuid>,
}

impl<'a> By<'a> {
    /// What follows from the work itself.
    pub(in crate::store) const OPERATOR: Self = By { actor: "operator", command: None };

    /// What follows from a command.
    pub(in crate::store) fn command(command: &'a Command) -> Self {
        Self { actor: &command.actor, command: Some(command.id) }
    }
}

/// A change of status of a layer or a job, as the audit has it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Audit {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) layer_id: Option<Uuid>,
    pub(in crate::store) from: Status,
    pub(in crate::store) to: Status,
    pub(in crate::store) version: i64,
    pub(in crate::store) run: Option<i32>,
    pub(in crate::store) reason: Option<String>,
}

/// Puts jobs on the list of live ones, with the deadline that follows from their rows; none while they are paused.
pub(in crate::store) async fn list_live(connection: &mut PgConnection, jobs: &[Uuid], act: &'static str) -> Result<(), Error> {
    let days = Days::of(jobs);
    sqlx::query!(
        r#"INSERT INTO igor.live_jobs AS v (job_id, created_at, uid, namespace, name, deadline_at)
           SELECT j.id, j.created_at, j.uid, j.namespace, j.name,
                  CASE WHEN j.paused_at IS NULL THEN j.started_at + (j.deadline_s + j.paused_s) * interval '1 second' END
           FROM unnest($1::uuid[], $2::timestamptz[]) AS r(id, created_at)
           CROSS JOIN LATERAL (
               SELECT j.* FROM igor.jobs j WHERE j.id = r.id AND j.created_at = r.created_at AND j.created_at BETWEEN $3 AND $4 OFFSET 0
           ) j
           ON CONFLICT (job_id) DO UPDATE SET deadline_at = excluded.deadline_at WHERE v.deadline_at IS DISTINCT FROM excluded.deadline_at"#,
        jobs,
        days.each as _,
        days.lo as _,
        days.hi as _
    )
    .execute(connection)
    .await
    .act(act)?;
    Ok(())
}

/// Appends rows of layers and jobs to the audit.
pub(in crate::store) async fn write_audit(
    connection: &mut PgConnection,
    audit: &[Audit],
    by: By<'_>,
    act: &'static str,
) -> Result<(), Error> {
    if audit.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = audit.iter().map(|row| row.id).collect();
    let created: Vec<Time> = Days::of(&ids).each;
    let layers: Vec<Option<Uuid>> = audit.iter().map(|row| row.layer_id).collect();
    let from: Vec<String> = audit.iter().map(|row| row.from.to_string()).collect();
    let to: Vec<String> = audit.iter().map(|row| row.to.to_string()).collect();
    let versions: Vec<i64> = audit.iter().map(|row| row.version).collect();
    let runs: Vec<Option<i32>> = audit.iter().map(|row| row.run).collect();
    let reasons: Vec<Option<&str>> = audit.iter().map(|row| row.reason.as_deref()).collect();
    sqlx::query!(
        r#"INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", version, run, reason, actor, command_id)
           SELECT r.created_at, r.id, r.layer_id, r."from"::igor.status, r."to"::igor.status, r.version, r.run, r.reason, $9, $10
           FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int8[], $7::int4[], $8::text[])
                AS r(created_at, id, layer_id, "from", "to", version, run, reason)"#,
        created as _,
        &ids,
        &layers as _,
        &from,
        &to,
        &versions,
        &runs as _,
        &reasons as _,
        by.actor,
        by.command
    )
    .execute(connection)
    .await
    .act(act)?;
    Ok(())
}
