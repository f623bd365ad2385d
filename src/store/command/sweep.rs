//! The statement by which a command moves tasks: whole stretches of layers, from given statuses, whatever their attempt.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Command;
use super::super::rows::{LayerRow, LockedJob, count, guards, int};
use super::ACT;
use crate::core::command::Verb;
use crate::core::job::Layer;
use crate::core::status::{KILL, Move, RETRY, Status};

/// What a command does to the tasks it finds.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) verb: Verb,
    pub(super) selector: &'static str,
    /// The reason that tasks, layers and the job then carry.
    pub(super) reason: String,
    pub(super) moves: Vec<Move>,
}

impl Effect {
    /// Ends every unfinished task, and with them the job.
    pub(super) fn kill(verb: Verb, reason: &str) -> Self {
        Self { verb, selector: "true", reason: reason.to_owned(), moves: KILL.to_vec() }
    }

    /// Gives every errored task another chance.
    pub(super) fn retry_failed() -> Self {
        let moves = RETRY.iter().copied().filter(|(from, _)| *from == Status::Errored).collect();
        Self { verb: Verb::Retry, selector: "failed", reason: "Retried".to_owned(), moves }
    }

    /// The effect of a command that another process began, from its row.
    pub(super) fn of(verb: &str, reason: Option<&str>) -> Option<Self> {
        [Verb::Kill, Verb::Delete, Verb::Retry].into_iter().find(|known| known.as_str() == verb).map(|known| match known {
            Verb::Kill => Self::kill(known, reason.unwrap_or("Killed")),
            Verb::Delete => Self::kill(known, "Deleted"),
            Verb::Retry | Verb::Skip | Verb::Pause | Verb::Unpause => Self::retry_failed(),
        })
    }

    pub(super) fn kills(&self) -> bool {
        matches!(self.verb, Verb::Kill | Verb::Delete)
    }

    /// How many tasks of a layer it can touch.
    pub(super) fn affected(&self, layer: &Layer) -> u32 {
        let tasks = &layer.tasks;
        self.moves
            .iter()
            .map(|(from, _)| match from {
                Status::Pending => tasks.pending,
                Status::Queued => tasks.queued,
                Status::Running => tasks.running,
                Status::Completed => tasks.completed,
                Status::Errored => tasks.errored,
                Status::Skipped => tasks.skipped,
            })
            .sum()
    }
}

/// A stretch of a layer's ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) layer_id: Uuid,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// Moves at once what is queued or running, so that a large kill stops the work with its first step.
pub(super) async fn in_flight(
    connection: &mut PgConnection,
    job: &LockedJob,
    layers: &[LayerRow],
    command: &Command,
    effect: &Effect,
) -> Result<u32, Error> {
    let busy = layers.iter().filter(|row| row.layer.tasks.queued + row.layer.tasks.running > 0);
    let whole: Vec<Stretch> = busy.map(|row| Stretch { layer_id: row.id, first: 0, last: row.layer.loaded }).collect();
    let stop = |(from, _): &Move| matches!(from, Status::Queued | Status::Running);
    let effect = Effect { moves: effect.moves.iter().copied().filter(stop).collect(), ..effect.clone() };
    stretches(connection, job, &whole, command, &effect).await
}

/// Moves the tasks of these stretches; gives how many moved.
pub(super) async fn stretches(
    connection: &mut PgConnection,
    job: &LockedJob,
    stretches: &[Stretch],
    command: &Command,
    effect: &Effect,
) -> Result<u32, Error> {
    if stretches.is_empty() {
        return Ok(0);
    }
    let layers: Vec<Uuid> = stretches.iter().map(|stretch| stretch.layer_id).collect();
    let first: Vec<i32> = stretches.iter().map(|stretch| int(stretch.first)).collect();
    let last: Vec<i32> = stretches.iter().map(|stretch| int(stretch.last)).collect();
    let (from, to) = guards(&effect.moves);
    let moved = sqlx::query_scalar!(
        r#"WITH RECURSIVE s AS (
               SELECT * FROM unnest($3::uuid[], $4::int4[], $5::int4[]) AS s(layer_id, first, last)
           ), k AS (
               SELECT s.*, (SELECT t.type FROM igor.tasks t WHERE t.layer_id = s.layer_id AND t.created_at = $2 ORDER BY t.type LIMIT 1) AS type FROM s
               UNION ALL
               SELECT k.layer_id, k.first, k.last,
                      (SELECT t.type FROM igor.tasks t WHERE t.layer_id = k.layer_id AND t.type > k.type AND t.created_at = $2 ORDER BY t.type LIMIT 1)
               FROM k WHERE k.type IS NOT NULL
           ), m AS (
               SELECT * FROM unnest($6::text[]::igor.status[], $7::text[]::igor.status[]) AS m("from", "to")
           ), upd AS (
               UPDATE igor.tasks t
               SET prev_status = t.status, status = m."to", version = t.version + 1, updated_at = statement_timestamp(), reason = $8,
                   failures = CASE WHEN m."to" = 'PENDING' THEN 0 ELSE t.failures END, lost = CASE WHEN m."to" = 'PENDING' THEN 0 ELSE t.lost END
               FROM k, m
               WHERE t.layer_id = k.layer_id AND t.type = k.type AND t.ordinal >= k.first AND t.ordinal < k.last
                 AND t.created_at = $2 AND t.status = m."from"
               RETURNING t.id, t.created_at, t.layer_id, t.type, t.ordinal, t.prev_status, t.status, t.attempt, t.version
           ), hist AS (
               INSERT INTO igor.transitions (created_at, task_id, layer_id, "from", "to", attempt, version, actor, reason, command_id)
               SELECT u.created_at, u.id, u.layer_id, u.prev_status, u.status, u.attempt, u.version, $9, $8, $10 FROM upd u
           ), ob AS (
               INSERT INTO igor.outbox (kind, task_id, created_at, attempt)
               SELECT 'K', u.id, u.created_at, u.attempt FROM upd u WHERE u.prev_status IN ('QUEUED', 'RUNNING') ORDER BY u.layer_id, u.ordinal
           ), rq AS (
               INSERT INTO igor.requeue AS q (task_id, created_at, layer_id, type, not_before)
               SELECT u.id, u.created_at, u.layer_id, u.type, statement_timestamp() FROM upd u WHERE u.status = 'PENDING'
               ON CONFLICT (task_id) DO UPDATE SET not_before = excluded.not_before
           ), d AS (
               SELECT u.layer_id,
                      (count(*) FILTER (WHERE u.status = 'PENDING') - count(*) FILTER (WHERE u.prev_status = 'PENDING'))::int4 AS p,
                      (count(*) FILTER (WHERE u.prev_status = 'QUEUED'))::int4 AS from_q, (count(*) FILTER (WHERE u.prev_status = 'RUNNING'))::int4 AS from_r,
                      (count(*) FILTER (WHERE u.prev_status = 'COMPLETED'))::int4 AS from_c,
                      (count(*) FILTER (WHERE u.status = 'ERRORED') - count(*) FILTER (WHERE u.prev_status = 'ERRORED'))::int4 AS e,
                      (count(*) FILTER (WHERE u.status = 'SKIPPED') - count(*) FILTER (WHERE u.prev_status = 'SKIPPED'))::int4 AS s
               FROM upd u GROUP BY 1
           ), lay AS (
               UPDATE igor.layers l
               SET n_pending = l.n_pending + d.p, n_queued = l.n_queued - d.from_q, n_running = l.n_running - d.from_r,
                   n_completed = l.n_completed - d.from_c, n_errored = l.n_errored + d.e, n_skipped = l.n_skipped + d.s,
                   updated_at = statement_timestamp()
               FROM d WHERE l.id = d.layer_id AND l.job_id = $1 AND l.created_at = $2
           )
           SELECT count(*)::int4 AS "moved!" FROM upd"#,
        job.id,
        job.created() as _,
        &layers,
        &first,
        &last,
        &from,
        &to,
        effect.reason,
        command.actor,
        command.id
    )
    .fetch_one(connection)
    .await
    .act(ACT)?;
    Ok(count(moved))
}
