//! Accept: a plan becomes rows, in chunks that may be cut off between any two and go on where they were.
//!
//! A plan that fits into one transaction is written as accepted by the statements that make it. Of a larger one the first transaction
//! writes job and layers with what they announce; a layer's `n_loaded`, moved in the transaction of its rows, is
//! the cursor. A job is accepted when `loaded_at` is set, in the transaction of its last rows, which also opens its first layers. What
//! becomes of a later plan of an accepted job is told in `grow`.

pub(super) mod layers;
pub(super) mod rows;

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::advance::{By, advance_by, advance_known, list_live};
use super::connect::{Act, Store, Transaction, within};
use super::error::Error;
use super::facts::{Accepted, Epoch, Identity, JobChange, Standing};
use super::grow::edit;
use super::levels::Levels;
use super::live::mark_dirty;
use super::rows::{LayerRow, LockedJob, int, job_rows, layers_of, lock_job};
use super::time::Time;
use crate::core::advance::Cause;
use crate::core::command::Object;
use crate::core::id;
use crate::core::plan::{OnFailure, Plan};
use crate::core::status::Status;
use crate::proof::linger;
use layers::Tasks;
use rows::{load, load_all};

pub(super) const ACT: &str = "accept a job";

/// Rows of tasks in one transaction; below it a whole job is one.
const CHUNK: u32 = 10_000;

/// How long one step of an acceptance may take: what it has loaded is shown in between.
const STEP: Duration = Duration::from_secs(1);

/// What is to be in the ledger: a plan, of an object, and of each of its layers the hash of all tasks.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) identity: &'a Identity,
    pub(super) plan: &'a Plan,
    pub(super) contents: &'a [[u8; 32]],
}

/// What one transaction did.
pub(super) enum Step {
    /// All is in, or refused.
    Accepted(Box<Accepted>),
    /// There is more to load.
    More,
    /// A large command is at work on the job, and is to be finished first.
    Gated,
}

impl Store {
    /// Brings a plan into the ledger, to its end, wherever an earlier call was cut off. The object's uid is the key.
    ///
    /// A job that is known keeps its accepted plan, and grows by what a later one adds to it; live fields (priority, limits, titles,
    /// deadline) of a later generation are taken over.
    pub async fn accept(&self, epoch: impl Into<Option<Epoch>>, identity: &Identity, plan: &Plan) -> Result<Accepted, Error> {
        let epoch = epoch.into();
        loop {
            if let Some(accepted) = self.accept_step(epoch, identity, plan).await? {
                return Ok(accepted);
            }
        }
    }

    /// The same for about a second: `None` = there is more to load. Large plans take turns.
    pub async fn accept_step(&self, epoch: impl Into<Option<Epoch>>, identity: &Identity, plan: &Plan) -> Result<Option<Accepted>, Error> {
        let epoch = epoch.into();
        let large = plan.total() > CHUNK;
        let _turn = if large { self.large_accept.acquire().await.ok() } else { None };
        let began = Instant::now();
        let contents = contents(plan);
        loop {
            linger("accept").await;
            let chunk = || Box::pin(within(ACT, self.chunk(epoch, identity, plan, &contents, CHUNK)));
            let outcome = match chunk().await {
                Err(error) if error.is_missing_partition() => {
                    self.ensure_day(Time(identity.created_ms)).await?;
                    chunk().await
                }
                outcome => outcome,
            };
            match outcome? {
                Step::Accepted(accepted) => return Ok(Some(*accepted)),
                Step::More => {}
                Step::Gated => drop(self.resume(epoch, id::job(identity.created_ms, &identity.uid)).await?),
            }
            if began.elapsed() > STEP {
                return Ok(None);
            }
        }
    }

    /// One transaction of an acceptance, of at most `rows` rows of tasks: `None` = there is more to load.
    ///
    /// [`Store::accept`] repeats it to the end.
    pub async fn accept_chunk(&self, epoch: Epoch, identity: &Identity, plan: &Plan, rows: u32) -> Result<Option<Accepted>, Error> {
        Ok(match self.chunk(Some(epoch), identity, plan, &contents(plan), rows).await? {
            Step::Accepted(accepted) => Some(*accepted),
            Step::More | Step::Gated => None,
        })
    }

    async fn chunk(&self, epoch: Option<Epoch>, identity: &Identity, plan: &Plan, contents: &[[u8; 32]], rows: u32) -> Result<Step, Error> {
        let job_id = id::job(identity.created_ms, &identity.uid);
        let wish = Wish { identity, plan, contents };
        // Most jobs are new and small: one that is known costs a look at its key more.
        let tasks = if plan.total() <= rows { Tasks::Written } else { Tasks::Follow };
        let mut transaction = self.begin_by_key(ACT, epoch).await?;
        let fresh = insert_job(&mut transaction, job_id, identity, plan, tasks).await?;
        let inserted = fresh.is_some();
        let (mut job, layers) = if let Some(job) = fresh {
            let layers = layers::insert(&mut transaction, job_id, wish, 0..plan.layers.len(), tasks).await?;
            (job, layers)
        } else {
            let mut job = lock_job(&mut transaction, job_id, ACT).await?;
            if let Some(standing) = over(&job) {
                return Ok(Step::Accepted(Box::new(Accepted { job_id, standing, inserted, refused: Vec::new(), change: job.unchanged() })));
            }
            if job.loaded {
                transaction.plan_each_time().await?;
                let step = edit::step(&mut transaction, &mut job, wish, rows).await?;
                transaction.commit().await.act(ACT)?;
                return Ok(step);
            }
            if job.gate.is_some() {
                // A large kill is at work: what would be loaded now, it would have to end too.
                return Ok(Step::Gated);
            }
            let layers = still_loading(&mut transaction, wish, job_id).await?;
            (job, layers)
        };
        let change = if job.loaded {
            load_all(&mut transaction, &job, plan, &layers).await?;
            begin(&mut transaction, &mut job, &layers).await?
        } else {
            if inserted {
                list_live(&mut transaction, &[job_id], ACT).await?;
            }
            if !load(&mut transaction, &job, plan, &layers, rows).await? {
                transaction.commit().await.act(ACT)?;
                return Ok(Step::More);
            }
            finish(&mut transaction, &mut job).await?
        };
        if epoch.is_none() {
            mark_dirty(&mut transaction, &job).await?;
        }
        transaction.commit().await.act(ACT)?;
        Ok(Step::Accepted(Box::new(Accepted { job_id, standing: Standing::Fresh, inserted, refused: Vec::new(), change })))
    }
}

/// The layers of a job that an earlier transaction began to load.
async fn still_loading(transaction: &mut Transaction, wish: Wish<'_>, job_id: Uuid) -> Result<Vec<LayerRow>, Error> {
    let layers = layers_of(transaction, &[job_id], ACT).await?;
    if differing(&layers, wish.plan).is_empty() && !differ_in_content(&layers, wish.contents) {
        return Ok(layers);
    }
    // The spec was edited while it was loading, or a list that it names: nothing has begun, so the new plan takes the place of the old
    // one. Going on would mix the two.
    transaction.plan_each_time().await?;
    layers::replace(transaction, job_id, wish).await
}

/// Opens the first layers of a job that is written whole.
async fn begin(transaction: &mut Transaction, job: &mut LockedJob, layers: &[LayerRow]) -> Result<JobChange, Error> {
    let change = advance_known(transaction, job, layers, ACT).await?;
    if job.status == Status::Pending && !job.finished {
        // Others are put on the list when they begin.
        list_live(transaction, &[job.id], ACT).await?;
    }
    Ok(change)
}

/// The last rows are in: the job is accepted, and its first layers open.
async fn finish(transaction: &mut Transaction, job: &mut LockedJob) -> Result<JobChange, Error> {
    sqlx::query!(
        "UPDATE igor.jobs SET loaded_at = statement_timestamp(), updated_at = statement_timestamp() WHERE id = $1 AND created_at = $2",
        job.id,
        job.created() as _
    )
    .execute(&mut **transaction)
    .await
    .act(ACT)?;
    job.loaded = true;
    advance_by(transaction, job, &Cause::Nothing, By::OPERATOR, ACT).await
}

/// Writes the job's row, as accepted if all of its tasks are written with it, and gives it; `None` = it is there.
async fn insert_job(
    connection: &mut PgConnection,
    job_id: Uuid,
    identity: &Identity,
    plan: &Plan,
    tasks: Tasks,
) -> Result<Option<LockedJob>, Error> {
    let mut levels = Levels::default();
    let edge = levels.see(&identity.levels.iter().filter(|seen| seen.object == Object::Job));
    let by_level = edge.filter(|edge| edge.paused).map(|edge| edge.source.as_str());
    let paused_by = if identity.restored { Some("restore") } else { by_level };
    let written = job_rows!(
        r#"INSERT INTO igor.jobs AS j (created_at, id, uid, namespace, name, title, queue, lane, max_in_flight, on_failure, deadline_s,
                                       backoff_initial, backoff_max, generation, level, origin, paused_by, paused_at, loaded_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::text,
                   CASE WHEN $17::text IS NOT NULL THEN statement_timestamp() END, CASE WHEN $18 THEN statement_timestamp() END)
           ON CONFLICT DO NOTHING RETURNING"#,
        [""],
        Time(identity.created_ms) as _,
        job_id,
        identity.uid,
        identity.namespace,
        identity.name,
        plan.title.as_deref().unwrap_or(&identity.name),
        plan.queue,
        lane_of(plan.priority),
        plan.max_in_flight.map(int),
        on_failure(plan),
        plan.deadline_seconds.map(i64::from),
        i64::try_from(plan.backoff.initial.as_millis()).unwrap_or(i64::MAX),
        i64::try_from(plan.backoff.max.as_millis()).unwrap_or(i64::MAX),
        identity.generation,
        levels.to_json(),
        identity.origin,
        paused_by,
        tasks == Tasks::Written
    )
    .fetch_optional(connection)
    .await
    .act(ACT)?;
    written.map(LockedJob::try_from).transpose()
}

fn on_failure(plan: &Plan) -> &'static str {
    match plan.on_failure {
        OnFailure::Hold => "Hold",
        OnFailure::Continue => "Continue",
    }
}

/// The lane of a priority: above 0 the high one, below it the low one.
pub(super) fn lane_of(priority: i32) -> i16 {
    match priority.signum() {
        1 => 0,
        0 => 1,
        _ => 2,
    }
}

/// What there is to say of a job that is over.
fn over(job: &LockedJob) -> Option<Standing> {
    match job {
        LockedJob { deleted: true, .. } => Some(Standing::Deleted),
        LockedJob { expired: true, .. } => Some(Standing::Expired),
        LockedJob { finished: true, loaded: false, .. } => Some(Standing::Ended),
        _ => None,
    }
}

/// Of each layer the hash of all its tasks, those of lists too.
fn contents(plan: &Plan) -> Vec<[u8; 32]> {
    plan.layers.iter().map(|layer| layer.hash_of_first(usize::MAX)).collect()
}

fn differ_in_content(rows: &[LayerRow], contents: &[[u8; 32]]) -> bool {
    rows.iter().zip(contents).any(|(row, content)| row.content_hash.as_deref() != Some(content.as_slice()))
}

/// The layers by name in which a plan is another than the one that the ledger has.
fn differing(rows: &[LayerRow], plan: &Plan) -> Vec<String> {
    let same = |row: &LayerRow, planned: &crate::core::plan::LayerPlan| {
        row.layer.name == planned.name
            && row.layer.priority == planned.priority
            && row.spec_hash == planned.spec_hash
            && row.sources_hash.as_deref() == planned.sources_hash.as_ref().map(<[u8; 32]>::as_slice)
    };
    let longest = rows.len().max(plan.layers.len());
    (0..longest)
        .filter_map(|place| match (rows.get(place), plan.layers.get(place)) {
            (Some(row), Some(planned)) if same(row, planned) => None,
            (Some(row), _) => Some(row.layer.name.clone()),
            (None, planned) => planned.map(|planned| planned.name.clone()),
        })
        .collect()
}
