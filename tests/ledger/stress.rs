//! Several operators at once, each doing at random what an operator does: duplicates, stale attempts, RUNNING and ERRORED in one
//! batch, recalls, pauses, kills, skips and retries of jobs, layers and tasks; then every invariant.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::plan::TaskPlan;
use igor::store::{Class, Dispatched, Error, Outcome, Recalled, Sighting, Source, Want};
use uuid::Uuid;

use crate::dice::Dice;
use crate::world::{World, array, asked, command, job_id, layer, object, outcome, plan, task};

const OPERATORS: u64 = 4;
const JOBS: usize = 6;

/// What the operators share: every attempt ever handed out, and what happened.
struct Field {
    world: World,
    jobs: Vec<Uuid>,
    handed_out: Mutex<Vec<Dispatched>>,
    commands: AtomicUsize,
    until: Instant,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_several_operators_do_at_once_the_invariants_hold() {
    let seed = u64::try_from(crate::world::now_ms()).unwrap_or(1) | 1;
    let world = World::new().await;
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let object = object(&format!("j{number}"));
        let tries = |tasks: TaskPlan| TaskPlan { max_failures: 3, ..tasks };
        let mut plan = plan(vec![
            layer("a", 0, vec![tries(array("t", 150)), tries(task("x"))]),
            layer("b", 0, vec![TaskPlan { kind: "encode".to_owned(), ..tries(array("u", 60)) }]),
            layer("empty", 1, vec![]),
            layer("c", 2, vec![tries(array("v", 80))]),
        ]);
        plan.backoff.initial = Duration::ZERO;
        if number % 2 == 1 {
            plan.on_failure = igor::core::job::OnFailure::Continue;
        }
        world.accept(&object, &plan).await;
        jobs.push(job_id(&object));
    }
    let until = Instant::now() + Duration::from_secs(6);
    let field = Arc::new(Field { world, jobs, handed_out: Mutex::default(), commands: AtomicUsize::new(0), until });
    let operators = (0..OPERATORS).map(|number| tokio::spawn(operate(Arc::clone(&field), Dice(seed.wrapping_mul(number * 2 + 3)))));
    for operator in futures::future::join_all(operators).await {
        operator.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    field.world.check().await;
    // A deadlock is undone and tried again, so nothing else would tell.
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(field.world.count(deadlocks).await, 0, "deadlocks, seed {seed}");
    finish_all(&field).await;
    field.world.check().await;
    let unfinished = field.world.count("SELECT count(*) FROM igor.tasks WHERE status NOT IN ('COMPLETED', 'SKIPPED')").await;
    assert_eq!(unfinished, 0, "seed {seed}");
    assert_eq!(field.world.store.live_jobs().await.expect("live jobs"), [], "seed {seed}");
}

async fn operate(field: Arc<Field>, mut dice: Dice) {
    while Instant::now() < field.until {
        let job = field.jobs[dice.roll(field.jobs.len())];
        let outcome = match dice.roll(60) {
            0..=2 => pause(&field, job, &mut dice).await,
            3..=6 => retry(&field, job).await,
            7..=10 => recall(&field, &mut dice).await,
            11 => kill(&field, job).await,
            12..=15 => steer(&field, job, &mut dice).await,
            16..=29 => dispatch(&field, &mut dice).await,
            _ => collect(&field, &mut dice).await,
        };
        match outcome {
            Ok(()) => {}
            Err(error) if error.class() == Class::Transient => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn dispatch(field: &Field, dice: &mut Dice) -> Result<(), Error> {
    let open = field.world.store.open_types().await?;
    let wants: Vec<Want> = open
        .into_iter()
        .filter(|_| dice.roll(3) > 0)
        .map(|open| Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 20 })
        .collect();
    let tasks = field.world.store.dispatch(field.world.epoch, &wants).await?.tasks;
    field.handed_out.lock().expect("a lock").extend(tasks);
    Ok(())
}

/// Says anything of any attempt, mostly of late ones, some of them twice in a batch's neighbours and long ago.
async fn collect(field: &Field, dice: &mut Dice) -> Result<(), Error> {
    let batch: Vec<Outcome> = {
        let known = field.handed_out.lock().expect("a lock");
        let mut picked = std::collections::BTreeMap::new();
        for _ in 0..60.min(known.len()) {
            let back = if dice.roll(4) == 0 { known.len() } else { known.len().min(150) };
            let task = &known[known.len() - 1 - dice.roll(back)];
            let words = [
                Said::Running,
                Said::Completed,
                Said::Completed,
                Said::Completed,
                Said::Errored,
                Said::Released,
                Said::Lost,
                Said::Skipped,
            ];
            let mut outcome = outcome(task, words[dice.roll(words.len())]);
            outcome.job_id = outcome.job_id.filter(|_| dice.roll(2) == 0);
            picked.insert((task.task_id, task.attempt), outcome);
        }
        picked.into_values().collect()
    };
    let twice = batch.clone();
    field.world.store.collect(field.world.epoch, batch).await?;
    if dice.roll(4) == 0 {
        let again = field.world.store.collect(field.world.epoch, twice).await?;
        // A RUNNING may be followed by nothing of this batch: the same said twice never counts twice.
        assert_eq!(again.applied, [], "said twice, counted twice");
    }
    Ok(())
}

async fn recall(field: &Field, dice: &mut Dice) -> Result<(), Error> {
    let recalled: Vec<Recalled> = {
        let known = field.handed_out.lock().expect("a lock");
        known
            .iter()
            .rev()
            .take(30)
            .filter(|_| dice.roll(3) == 0)
            .map(|task| Recalled { job_id: task.job_id, task_id: task.task_id, attempt: task.attempt, kind: task.kind.clone() })
            .collect()
    };
    field.world.store.recall_done(field.world.epoch, &recalled).await.map(drop)
}

async fn pause(field: &Field, job: Uuid, dice: &mut Dice) -> Result<(), Error> {
    let version = u64::try_from(crate::world::now_ms()).unwrap_or(0);
    let object = [Object::Job, Object::Layer("a".to_owned()), Object::Layer("c".to_owned())][dice.roll(3)].clone();
    let pause = Sighting { object, source: Source::Annotation, paused: Some(true), version };
    field.world.store.observe(Some(field.world.epoch), job, std::slice::from_ref(&pause), None).await?;
    let unpause = Sighting { paused: None, version: version + 1, ..pause };
    field.world.store.observe(Some(field.world.epoch), job, &[unpause], None).await.map(drop)
}

async fn retry(field: &Field, job: Uuid) -> Result<(), Error> {
    let token = field.commands.fetch_add(1, Ordering::Relaxed).to_string();
    field.world.store.command(Some(field.world.epoch), &command(job, "retry", &token)).await.map(drop)
}

async fn kill(field: &Field, job: Uuid) -> Result<(), Error> {
    let token = field.commands.fetch_add(1, Ordering::Relaxed).to_string();
    field.world.store.command(Some(field.world.epoch), &command(job, "kill", &token)).await.map(drop)
}

/// Asks something of some of a job's tasks.
async fn steer(field: &Field, job: Uuid, dice: &mut Dice) -> Result<(), Error> {
    let verb = ["kill", "skip", "retry", "pause-tasks", "unpause-tasks"][dice.roll(5)];
    let selector = ["a/t-1*", "a/x,10-40", "b", "b/u-7,u-8", "c/v-*", "*/3", "empty", "failed"][dice.roll(8)];
    let token = field.commands.fetch_add(1, Ordering::Relaxed).to_string();
    field.world.store.command(Some(field.world.epoch), &asked(job, &Object::Job, verb, selector, &token)).await.map(drop)
}

/// Peace: nothing stays paused, everything open is completed, errored tasks are retried until none is left. The leader makes it: what
/// others do marks a job as changed, also one that has ended.
async fn finish_all(field: &Field) {
    let world = &field.world;
    let version = u64::try_from(crate::world::now_ms()).unwrap_or(0) + 60_000;
    for job in &field.jobs {
        let calm = |object: Object| Sighting { object, source: Source::Annotation, paused: Some(false), version };
        world
            .store
            .observe(
                Some(world.epoch),
                *job,
                &[calm(Object::Job), calm(Object::Layer("a".to_owned())), calm(Object::Layer("c".to_owned()))],
                None,
            )
            .await
            .expect("unpaused");
        let all = asked(*job, &Object::Job, "unpause-tasks", "true", "peace");
        world.store.command(Some(world.epoch), &all).await.expect("unpaused");
    }
    sqlx::query("UPDATE igor.requeue SET not_before = statement_timestamp()").execute(&world.database.pool).await.expect("due");
    let in_flight: Vec<Dispatched> = field.handed_out.lock().expect("a lock").clone();
    for chunk in in_flight.chunks(1000) {
        world.say(&latest(chunk), Said::Completed).await;
    }
    for job in &field.jobs {
        for _ in 0..3 {
            world.run_to_the_end(*job).await;
            retry(field, *job).await.expect("retried");
        }
        world.run_to_the_end(*job).await;
    }
}

/// Of each task in a chunk its last attempt: a batch holds one outcome an attempt.
fn latest(tasks: &[Dispatched]) -> Vec<Dispatched> {
    let by_task: std::collections::BTreeMap<Uuid, &Dispatched> = tasks.iter().map(|task| (task.task_id, task)).collect();
    by_task.into_values().cloned().collect()
}
