//! Looks back: what was asked of a job, what moved and why. Bounded reads on the reader pool; nothing here takes a lock.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within_reading};
use super::error::Error;
use super::facts::{Event, Given, LayerFacts, Moved, Snapshot, TaskPage, TaskPlace, TaskView};
use super::looks::{FIRST_LOOK, FOR_EVER};
use super::rows::{count, read_status};
use super::time::Time;
use crate::core::command::Object;
use crate::core::id;
use crate::core::job::Layer;

const ACT: &str = "read a job's history";

/// Most commands, and most changes of job and layers, of one history.
const MOST: i64 = 20_000;
/// Tasks of one part.
const PAGE: i64 = 500;

/// A name of jobs, and when they were made.
#[derive(Clone, Copy)]
struct Named<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: Option<&'a str>,
    lo: Time,
    hi: Time,
}

impl Named<'_> {
    /// Jobs of one name are few: with OFFSET 0 nobody weighs which index would give their order.
    async fn newest(self, connection: &mut PgConnection) -> Result<Option<Uuid>, Error> {
        sqlx::query_scalar!(
            "SELECT j.id FROM (
                 SELECT id, created_at FROM igor.jobs
                 WHERE namespace = $1 AND name = $2 AND ($3::text IS NULL OR uid = $3) AND created_at BETWEEN $4 AND $5 OFFSET 0
             ) j ORDER BY j.created_at DESC, j.id DESC LIMIT 1",
            self.namespace,
            self.name,
            self.uid,
            self.lo as _,
            self.hi as _
        )
        .fetch_optional(connection)
        .await
        .act(ACT)
    }
}

impl Store {
    /// The newest job of that name, or the one of that object.
    pub async fn find_job(&self, namespace: &str, name: &str, uid: Option<&str>) -> Result<Option<Uuid>, Error> {
        let now = Time::now();
        within_reading(ACT, async {
            // Most that are asked for are of the last days: a statement over those is planned in a fraction of the time of one over all,
            // which is planned once.
            let lately = Named { namespace, name, uid, lo: Time(now.0 - FIRST_LOOK), hi: Time(now.0 + FIRST_LOOK) };
            let mut reading = self.reading(ACT).await?;
            let found = lately.newest(&mut reading).await?;
            reading.done();
            if found.is_some() {
                return Ok(found);
            }
            let mut transaction = self.reader.begin_with(self.plans.look()).await.act(ACT)?;
            let found = Named { lo: Time(0), hi: Time(FOR_EVER), ..lately }.newest(&mut transaction).await?;
            transaction.rollback().await.act(ACT)?;
            Ok(found)
        })
        .await
    }

    /// What was asked of a job and what moved in it but its tasks, in order.
    pub async fn history(&self, job: &Snapshot) -> Result<Vec<Event>, Error> {
        within_reading(ACT, async {
            let mut events = self.commands_of(job.job_id).await?;
            events.extend(self.moves_of(job).await?);
            // What one statement moved has one moment: ends before beginnings, a job begins first and ends last.
            events.sort_by_key(|(us, event)| (*us, place(event)));
            Ok(events.into_iter().map(|(_, event)| event).collect())
        })
        .await
    }

    /// The commands, each with its moment in microseconds.
    async fn commands_of(&self, job_id: Uuid) -> Result<Vec<(i64, Event)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT id, verb, object, selector, actor, reason, at AS "at: Time", done_at AS "done: Time", matched, changed,
                      (extract(epoch FROM at) * 1000000)::int8 AS "us!"
               FROM igor.commands WHERE job_id = $1 AND created_at = $2 ORDER BY at, id LIMIT $3"#,
            job_id,
            Time::of(job_id) as _,
            MOST
        )
        .fetch_all(&self.reader)
        .await
        .act(ACT)?;
        let given = rows.into_iter().map(|row| {
            let given = Given {
                id: row.id,
                at_ms: row.at.0,
                done_ms: row.done.map(|at| at.0),
                verb: row.verb,
                object: row.object,
                selector: row.selector,
                actor: row.actor,
                reason: row.reason,
                matched: count(row.matched),
                changed: count(row.changed),
            };
            (row.us, Event::Given(given))
        });
        Ok(given.collect())
    }

    /// The changes of the job and its layers, each with its moment in microseconds.
    async fn moves_of(&self, job: &Snapshot) -> Result<Vec<(i64, Event)>, Error> {
        let layers = job.layers.iter().map(|layer| layer.layer_id);
        let ids: Vec<Uuid> = std::iter::once(job.job_id).chain(layers).collect();
        let rows = sqlx::query!(
            r#"SELECT task_id, "from"::text AS "from!", "to"::text AS "to!", version, run, at AS "at: Time", actor, reason, command_id,
                      (extract(epoch FROM at) * 1000000)::int8 AS "us!"
               FROM igor.transitions WHERE task_id = ANY($1) AND created_at = $2 ORDER BY at, version LIMIT $3"#,
            &ids,
            Time::of(job.job_id) as _,
            MOST
        )
        .fetch_all(&self.reader)
        .await
        .act(ACT)?;
        rows.into_iter()
            .map(|row| {
                let place = job.layers.iter().position(|layer| layer.layer_id == row.task_id);
                let moved = Moved {
                    at_ms: row.at.0,
                    object: place.map_or(Object::Job, |place| Object::Layer(job.job.layers[place].name.clone())),
                    from: read_status("transitions", row.task_id, &row.from)?,
                    to: read_status("transitions", row.task_id, &row.to)?,
                    version: row.version.unsigned_abs(),
                    run: row.run.map(count),
                    attempt: None,
                    actor: row.actor,
                    reason: row.reason,
                    command: row.command_id,
                };
                Ok((row.us, Event::Moved(moved)))
            })
            .collect()
    }

    /// What happened to some hundred tasks of a layer, from that place on.
    pub async fn task_history(&self, (layer, facts): (&Layer, &LayerFacts), after: Option<&TaskPlace>) -> Result<TaskPage, Error> {
        within_reading(ACT, async {
            let start = TaskPlace { kind: String::new(), ordinal: -1 };
            let TaskPlace { kind, ordinal } = after.unwrap_or(&start);
            let rows = sqlx::query!(
                r#"WITH p AS MATERIALIZED (
                       SELECT t.id, t.name, t.type, t.ordinal FROM igor.tasks t
                       WHERE t.layer_id = $1 AND t.created_at = $2 AND (t.type, t.ordinal) > ($3, $4) ORDER BY t.type, t.ordinal LIMIT $5
                   )
                   SELECT p.id AS "id!", p.name AS "name!", p.type AS "kind!", p.ordinal AS "ordinal!", r."from"::text AS "from?",
                          r."to"::text AS "to?", r.version AS "version?", r.attempt AS "attempt?", r.at AS "at?: Time",
                          r.actor AS "actor?", r.reason AS "reason?", r.command_id AS "command?"
                   FROM p LEFT JOIN igor.transitions r ON r.task_id = p.id AND r.created_at = $2
                   ORDER BY p.type, p.ordinal, r.version"#,
                facts.layer_id,
                Time::of(facts.layer_id) as _,
                kind,
                ordinal,
                PAGE
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            let next = rows.last().map(|row| TaskPlace { kind: row.kind.clone(), ordinal: row.ordinal });
            let mut moved = Vec::new();
            for row in rows {
                let (Some(from), Some(to), Some(at), Some(actor)) = (row.from, row.to, row.at, row.actor) else { continue };
                moved.push(Moved {
                    at_ms: at.0,
                    object: Object::Task { layer: layer.name.clone(), task: row.name },
                    from: read_status("transitions", row.id, &from)?,
                    to: read_status("transitions", row.id, &to)?,
                    version: row.version.unwrap_or(0).unsigned_abs(),
                    run: None,
                    attempt: row.attempt.map(count),
                    actor,
                    reason: row.reason,
                    command: row.command,
                });
            }
            Ok(TaskPage { moved, next })
        })
        .await
    }

    /// A task of a layer by its name, as it stands, and its whole history.
    pub async fn task(&self, job: &Snapshot, layer: &str, name: &str) -> Result<Option<(TaskView, Vec<Moved>)>, Error> {
        within_reading(ACT, async {
            let Some(place) = job.job.layers.iter().position(|known| known.name == layer) else { return Ok(None) };
            let layer_id = job.layers[place].layer_id;
            let Some(task) = self.task_of_name(job, (layer, layer_id), name).await? else { return Ok(None) };
            let moved = self.moves_of_task(&task, layer).await?;
            Ok(Some((task, moved)))
        })
        .await
    }

    /// By the id that its name gives; a task whose id comes from elsewhere is looked for in its layer.
    async fn task_of_name(&self, job: &Snapshot, (layer, layer_id): (&str, Uuid), name: &str) -> Result<Option<TaskView>, Error> {
        let created = Time::of(job.job_id);
        let by_name = id::task(created.0, &job.uid, layer, name);
        let row = sqlx::query!(
            r#"SELECT t.id, t.name, t.type AS kind, t.status::text AS "status!", t.reason, t.message, t.attempt, t.failures, t.max_failures,
                      t.paused_at IS NOT NULL AS "paused!", q.not_before AS "due?: Time", t.updated_at AS "moved: Time"
               FROM igor.tasks t LEFT JOIN igor.requeue q ON q.task_id = t.id
               WHERE t.created_at = $1 AND t.id = coalesce(
                   (SELECT k.id FROM igor.tasks k WHERE k.id = $3 AND k.created_at = $1 AND k.layer_id = $2),
                   (SELECT k.id FROM igor.tasks k WHERE k.layer_id = $2 AND k.created_at = $1 AND k.name = $4 LIMIT 1))"#,
            created as _,
            layer_id,
            by_name,
            name
        )
        .fetch_optional(&self.reader)
        .await
        .act(ACT)?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(TaskView {
            task_id: row.id,
            name: row.name,
            kind: row.kind,
            status: read_status("tasks", row.id, &row.status)?,
            reason: row.reason,
            message: row.message,
            attempt: count(row.attempt),
            failures: count(row.failures),
            max_failures: count(row.max_failures),
            paused: row.paused,
            due_ms: row.due.map(|due| due.0),
            moved_ms: row.moved.0,
        }))
    }

    async fn moves_of_task(&self, task: &TaskView, layer: &str) -> Result<Vec<Moved>, Error> {
        let rows = sqlx::query!(
            r#"SELECT "from"::text AS "from!", "to"::text AS "to!", version, attempt, at AS "at: Time", actor, reason, command_id
               FROM igor.transitions WHERE task_id = $1 AND created_at = $2 ORDER BY version LIMIT $3"#,
            task.task_id,
            Time::of(task.task_id) as _,
            MOST
        )
        .fetch_all(&self.reader)
        .await
        .act(ACT)?;
        rows.into_iter()
            .map(|row| {
                Ok(Moved {
                    at_ms: row.at.0,
                    object: Object::Task { layer: layer.to_owned(), task: task.name.clone() },
                    from: read_status("transitions", task.task_id, &row.from)?,
                    to: read_status("transitions", task.task_id, &row.to)?,
                    version: row.version.unsigned_abs(),
                    run: None,
                    attempt: row.attempt.map(count),
                    actor: row.actor,
                    reason: row.reason,
                    command: row.command_id,
                })
            })
            .collect()
    }
}

/// The place of an event among those of one moment.
fn place(event: &Event) -> u8 {
    match event {
        Event::Given(_) => 0,
        Event::Moved(moved) => match (moved.to.is_finished(), &moved.object) {
            (true, Object::Layer(_) | Object::Task { .. }) => 1,
            (false, Object::Job) => 2,
            (false, Object::Layer(_) | Object::Task { .. }) => 3,
            (true, Object::Job) => 4,
        },
    }
}
