//! The statements of an advance: at most three, whatever the number of jobs and layers that move.

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
        if self.layers.is_empty() && self.jobs.is_empty() && self.audit.is_empty() {
            return Ok(Vec::new());
        }
        let (layers, jobs, audit) = (LayerColumns::of(self), JobColumns::of(self), AuditColumns::of(&self.audit));
        let days = Days::of(&[&layers.ids[..], &jobs.ids].concat());
        sqlx::query_file!(
            "src/store/sql/advance.sql",
            &layers.ids,
            Days::of(&layers.ids).each as _,
            &layers.statuses,
            &layers.runs,
            &layers.versions,
            &layers.reasons as _,
            &layers.opened,
            &jobs.ids,
            Days::of(&jobs.ids).each as _,
            &jobs.statuses,
            &jobs.versions,
            &jobs.reasons as _,
            &jobs.started,
            &jobs.reopened,
            &jobs.finished,
            days.lo as _,
            days.hi as _,
            audit.created as _,
            &audit.ids,
            &audit.layers as _,
            &audit.from,
            &audit.to,
            &audit.versions,
            &audit.runs as _,
            &audit.reasons as _,
            by.actor,
            by.command,
            &layers.ended,
            &jobs.ended
        )
        .execute(&mut *connection)
        .await
        .act(act)?;
        // Those that began get their deadline; re-opened ones come back on the list.
        let begun: Vec<Uuid> = self.jobs.iter().filter(|job| !job.finished && (job.started || job.reopened)).map(|job| job.id).collect();
        if !begun.is_empty() {
            list_live(connection, &begun, act).await?;
        }
        self.open_layers(connection, act).await
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
}

/// The parameters of layers that move, a column each.
struct LayerColumns {
    ids: Vec<Uuid>,
    statuses: Vec<String>,
    runs: Vec<i32>,
    versions: Vec<i64>,
    reasons: Vec<Option<&'static str>>,
    opened: Vec<bool>,
    ended: Vec<Uuid>,
}

impl LayerColumns {
    fn of(moves: &Moves) -> Self {
        let layers = || moves.layers.values();
        Self {
            ids: moves.layers.keys().copied().collect(),
            statuses: layers().map(|layer| layer.status.to_string()).collect(),
            runs: layers().map(|layer| layer.run).collect(),
            versions: layers().map(|layer| layer.version).collect(),
            reasons: layers().map(|layer| layer.reason).collect(),
            opened: layers().map(|layer| layer.opened.is_some()).collect(),
            ended: layers().filter(|layer| layer.status.is_finished()).map(|layer| layer.id).collect(),
        }
    }
}

/// The parameters of jobs that move, a column each.
struct JobColumns {
    ids: Vec<Uuid>,
    statuses: Vec<String>,
    versions: Vec<i64>,
    reasons: Vec<Option<&'static str>>,
    started: Vec<bool>,
    reopened: Vec<bool>,
    finished: Vec<bool>,
    ended: Vec<Uuid>,
}

impl JobColumns {
    fn of(moves: &Moves) -> Self {
        let jobs = || moves.jobs.iter();
        Self {
            ids: jobs().map(|job| job.id).collect(),
            statuses: jobs().map(|job| job.status.to_string()).collect(),
            versions: jobs().map(|job| job.version).collect(),
            reasons: jobs().map(|job| job.reason).collect(),
            started: jobs().map(|job| job.started).collect(),
            reopened: jobs().map(|job| job.reopened).collect(),
            finished: jobs().map(|job| job.finished).collect(),
            ended: jobs().filter(|job| job.finished).map(|job| job.id).collect(),
        }
    }
}

/// The parameters of rows of the audit, a column each.
struct AuditColumns<'a> {
    created: Vec<Time>,
    ids: Vec<Uuid>,
    layers: Vec<Option<Uuid>>,
    from: Vec<String>,
    to: Vec<String>,
    versions: Vec<i64>,
    runs: Vec<Option<i32>>,
    reasons: Vec<Option<&'a str>>,
}

impl<'a> AuditColumns<'a> {
    fn of(audit: &'a [Audit]) -> Self {
        let ids: Vec<Uuid> = audit.iter().map(|row| row.id).collect();
        Self {
            created: Days::of(&ids).each,
            ids,
            layers: audit.iter().map(|row| row.layer_id).collect(),
            from: audit.iter().map(|row| row.from.to_string()).collect(),
            to: audit.iter().map(|row| row.to.to_string()).collect(),
            versions: audit.iter().map(|row| row.version).collect(),
            runs: audit.iter().map(|row| row.run).collect(),
            reasons: audit.iter().map(|row| row.reason.as_deref()).collect(),
        }
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
    let rows = AuditColumns::of(audit);
    sqlx::query!(
        r#"INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", version, run, reason, actor, command_id)
           SELECT r.created_at, r.id, r.layer_id, r."from"::igor.status, r."to"::igor.status, r.version, r.run, r.reason, $9, $10
           FROM unnest($1::timestamptz[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int8[], $7::int4[], $8::text[])
                AS r(created_at, id, layer_id, "from", "to", version, run, reason)"#,
        rows.created as _,
        &rows.ids,
        &rows.layers as _,
        &rows.from,
        &rows.to,
        &rows.versions,
        &rows.runs as _,
        &rows.reasons as _,
        by.actor,
        by.command
    )
    .execute(connection)
    .await
    .act(act)?;
    Ok(())
}
