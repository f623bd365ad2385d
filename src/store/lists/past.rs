//! What happened: attempts, changes and commands, oldest first.

use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::{AttemptRow, Given, Moment, Page, TransitionRow};
use super::super::rows::{count, int, read_status};
use super::super::time::Time;
use super::{Looked, cut};

const ACT: &str = "read what happened";

impl Store {
    /// The attempts of a task, at most `limit`, behind the attempt `after`.
    pub async fn attempts(&self, task_id: Uuid, after: u32, limit: u32) -> Result<Page<AttemptRow, u32>, Error> {
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT attempt AS "attempt!", queued_at AS "queued!: Time", running_at AS "running: Time", ended_at AS "ended: Time",
                          ended_as::text AS ended_as, reason, actor
                   FROM igor.v_attempts WHERE task_id = $1 AND created_at = $2 AND attempt > $3 ORDER BY attempt, queued_at LIMIT $4"#,
                task_id,
                Time::of(task_id) as _,
                int(after),
                i64::from(limit) + 1
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let mut attempts = Vec::new();
            for row in rows {
                let ended_as = row.ended_as.map(|word| read_status("transitions", task_id, &word)).transpose()?;
                attempts.push(AttemptRow {
                    attempt: count(row.attempt),
                    queued_ms: row.queued.0,
                    running_ms: row.running.map(|at| at.0),
                    ended_ms: row.ended.map(|at| at.0),
                    ended_as,
                    reason: row.reason,
                    actor: row.actor,
                });
            }
            Ok(page(attempts, limit, |row| row.attempt))
        })
        .await
    }

    /// The changes of these things, which are all of one job, at most `limit`, behind a moment.
    pub async fn transitions(&self, ids: &[Uuid], after: Option<Moment>, limit: u32) -> Result<Page<TransitionRow, Moment>, Error> {
        let Some(of) = ids.first() else { return Ok(Page { items: Vec::new(), next: None }) };
        let after = after.unwrap_or(Moment { us: i64::MIN, id: Uuid::nil(), version: 0 });
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT s.task_id, s."from"::text AS "from!", s."to"::text AS "to!", s.version, s.run, s.attempt, s.us AS "us!", s.actor, s.reason,
                          s.command_id
                   FROM (SELECT *, (extract(epoch FROM at) * 1000000)::int8 AS us FROM igor.transitions
                         WHERE task_id = ANY($1) AND created_at = $2) s
                   WHERE (s.us, s.task_id, s.version) > ($3, $4, $5) ORDER BY s.us, s.task_id, s.version LIMIT $6"#,
                ids,
                Time::of(*of) as _,
                after.us,
                after.id,
                after.version,
                i64::from(limit) + 1
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let mut moved = Vec::new();
            for row in rows {
                moved.push(TransitionRow {
                    from: read_status("transitions", row.task_id, &row.from)?,
                    to: read_status("transitions", row.task_id, &row.to)?,
                    id: row.task_id,
                    at_us: row.us,
                    version: row.version,
                    run: row.run.map(count),
                    attempt: row.attempt.map(count),
                    actor: row.actor,
                    reason: row.reason,
                    command: row.command_id,
                });
            }
            Ok(page(moved, limit, |row| Moment { us: row.at_us, id: row.id, version: row.version }))
        })
        .await
    }

    /// The commands of a job, at most `limit`, behind a moment.
    pub async fn commands(&self, job_id: Uuid, after: Option<Moment>, limit: u32) -> Result<Page<Given, Moment>, Error> {
        let after = after.unwrap_or(Moment { us: i64::MIN, id: Uuid::nil(), version: 0 });
        within_reading(ACT, async {
            let mut reading = self.reading(ACT).await?;
            let rows = sqlx::query!(
                r#"SELECT c.id, c.verb, c.object, c.selector, c.actor, c.reason, c.us AS "us!", c.done_at AS "done: Time", c.matched, c.changed
                   FROM (SELECT *, (extract(epoch FROM at) * 1000000)::int8 AS us FROM igor.commands WHERE job_id = $1 AND created_at = $2) c
                   WHERE (c.us, c.id) > ($3, $4) ORDER BY c.us, c.id LIMIT $5"#,
                job_id,
                Time::of(job_id) as _,
                after.us,
                after.id,
                i64::from(limit) + 1
            )
            .fetch_all(&mut *reading)
            .await
            .act(ACT)?;
            reading.done();
            let given = rows.into_iter().map(|row| {
                let given = Given {
                    id: row.id,
                    at_ms: row.us.div_euclid(1000),
                    done_ms: row.done.map(|at| at.0),
                    verb: row.verb,
                    object: row.object,
                    selector: row.selector,
                    actor: row.actor,
                    reason: row.reason,
                    matched: count(row.matched),
                    changed: count(row.changed),
                };
                (row.us, given)
            });
            let Page { items, next } = page(given.collect(), limit, |(us, given)| Moment { us: *us, id: given.id, version: 0 });
            Ok(Page { items: items.into_iter().map(|(_, given)| given).collect(), next })
        })
        .await
    }
}

/// The first `limit` of these rows, of which there is one more if more follows.
fn page<Item: Clone, Place>(rows: Vec<Item>, limit: u32, place: impl Fn(&Item) -> Place) -> Page<Item, Place> {
    let looked = rows.into_iter().map(|row| Looked { place: row, fits: true, last: false });
    let (items, next) = cut(looked, usize::try_from(limit).unwrap_or(usize::MAX));
    Page { items, next: next.as_ref().map(place) }
}
