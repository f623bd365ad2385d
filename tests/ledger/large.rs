//! Large commands: in steps behind a shut gate, cut off between any two and taken up again.

use std::time::{Duration, Instant};

use igor::core::command::{Object, Verb};
use igor::core::fold::Said;
use igor::store::{Command, Progress, Want};
use uuid::Uuid;

use crate::table::quick_world;
use crate::world::{World, array, asked, job_id, layer, object, plan, task};

/// Tasks of each of two arrays: a pattern that means one of them needs several steps.
const HALF: u32 = 5_100;

/// How a command that was cut off is taken up again.
#[derive(Clone, Copy, Debug)]
enum TakenUp {
    ByItself,
    GivenAgain,
    ByTheNext,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_command_cut_off_anywhere_ends_as_if_it_had_not_been() {
    let world = quick_world().await;
    for (verb, ways) in [
        (Verb::Kill, [TakenUp::ByItself, TakenUp::ByTheNext]),
        (Verb::Retry, [TakenUp::GivenAgain, TakenUp::ByItself]),
        (Verb::PauseTasks, [TakenUp::ByTheNext, TakenUp::GivenAgain]),
    ] {
        let uncut = bring(&world, verb).await;
        let steps = carry_out(&world, &large(uncut, verb)).await;
        assert_eq!(steps, 3, "{verb}");
        let whole = tally(&world, uncut).await;
        for (cut, taken_up) in (1..steps).zip(ways) {
            let job = bring(&world, verb).await;
            let command = large(job, verb);
            for step in 1..=cut {
                let progress = step_once(&world, &command).await;
                assert!(matches!(progress, Progress::More(_)), "{verb}, step {step}: {progress:?}");
                stands_still(&world, job, verb).await;
            }
            take_up(&world, &command, taken_up).await;
            assert_eq!(tally(&world, job).await, whole, "{verb} cut behind step {cut}, taken up {taken_up:?}");
        }
    }
    world.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_large_retry_gives_back_to_a_paused_job_runs_once_it_goes_on() {
    let world = quick_world().await;
    let job = bring(&world, Verb::Retry).await;
    let ask = |verb, selector, token| asked(job, &Object::Job, verb, selector, token);
    world.store.command(None, &ask("kill", "true", "end")).await.expect("killed");
    world.store.command(None, &ask("pause", "true", "pause")).await.expect("paused");
    let retried = world.store.command(None, &ask("retry", "true", "large")).await.expect("retried");
    assert_eq!(retried.changed, 2 * HALF + 1);
    world.store.command(None, &ask("unpause", "true", "go on")).await.expect("unpaused");
    world.check().await;
    assert_eq!(world.run_to_the_end(job).await.len(), 2 * HALF as usize + 1);
    world.check().await;
}

#[tokio::test]
async fn a_command_on_a_large_job_is_quick_when_statistics_were_taken_while_it_was_loaded() {
    let world = World::new().await;
    let large = object("large");
    world.accept(&large, &plan(vec![layer("a", 0, vec![array("t", 20_000)])])).await;
    // Rows of a transaction under way are not counted, their pages are.
    let few = "ANALYZE igor.tasks; UPDATE pg_class SET reltuples = 2 FROM pg_inherits
        WHERE oid = inhrelid AND inhparent = 'igor.tasks'::regclass AND relpages > 0";
    sqlx::raw_sql(few).execute(&world.database.pool).await.expect("statistics");
    let began = Instant::now();
    for (verb, selector) in [("pause-tasks", "a"), ("unpause-tasks", "a"), ("kill", "a"), ("retry", "true")] {
        let done = world.store.command(None, &asked(job_id(&large), &Object::Job, verb, selector, verb)).await.expect("carried out");
        assert_eq!(done.changed, 20_000, "{verb}");
    }
    // A plan that compares each task of the job with each that is meant takes minutes.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    world.check().await;
}

/// A job with two arrays in a layer, some of their tasks in the queue; for a retry all of them errored.
async fn bring(world: &World, verb: Verb) -> Uuid {
    let object = object("large");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("big", 0, vec![array("t", HALF), array("u", HALF)]), layer("small", 0, vec![task("x")])])).await;
    let sent = world.dispatch_all(job).await.tasks;
    world.say(&sent[..10], Said::Running).await;
    if verb == Verb::Retry {
        world.store.command(None, &asked(job, &Object::Job, "kill", "big", "before")).await.expect("killed");
    }
    job
}

fn large(job: Uuid, verb: Verb) -> Command {
    asked(job, &Object::Layer("big".to_owned()), verb.as_str(), "t-*", "large")
}

/// Carries a command out; gives the number of its steps.
async fn carry_out(world: &World, command: &Command) -> u32 {
    let mut steps = 1;
    while let Progress::More(_) = step_once(world, command).await {
        steps += 1;
    }
    steps
}

async fn step_once(world: &World, command: &Command) -> Progress {
    world.store.command_chunk(Some(world.epoch), command).await.expect("a step")
}

/// The command that `taken_up` says finishes the work; another one waits for it.
async fn take_up(world: &World, command: &Command, taken_up: TakenUp) {
    match taken_up {
        TakenUp::ByItself => {
            while let Some(Progress::More(_)) = world.store.resume(Some(world.epoch), command.job_id).await.expect("resumed") {}
            assert_eq!(world.store.resume(Some(world.epoch), command.job_id).await.expect("an answer"), None, "nothing is left");
        }
        TakenUp::GivenAgain => drop(world.store.command(None, command).await.expect("carried out")),
        TakenUp::ByTheNext => {
            let next = asked(command.job_id, &Object::Job, "pause-tasks", "small/x", "next");
            assert!(matches!(step_once(world, &next).await, Progress::More(_)), "it waits");
            assert!(!ids_done(world, command.job_id).await.contains(&next.id), "it waits");
            assert_eq!(world.store.command(None, &next).await.expect("carried out").matched, 1);
            let done = ids_done(world, command.job_id).await;
            assert_eq!(done[done.len() - 2..], [command.id, next.id], "one after another");
        }
    }
}

/// The commands of a job that are done, in their order.
async fn ids_done(world: &World, job: Uuid) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT id FROM igor.commands WHERE job_id = $1 AND done_at IS NOT NULL ORDER BY done_at")
        .bind(job)
        .fetch_all(&world.database.pool)
        .await
        .expect("the commands")
}

/// Nothing of the job is handed out, and what the command means does not run.
async fn stands_still(world: &World, job: Uuid, verb: Verb) {
    let layers: Vec<Uuid> = ids(world, "SELECT id FROM igor.layers WHERE job_id = $1", job).await;
    let wants = layers.into_iter().map(|layer_id| Want { layer_id, job_id: job, kind: "render".to_owned(), room: 10 });
    assert_eq!(world.store.dispatch(world.epoch, &wants.collect::<Vec<Want>>()).await.expect("an answer").tasks, []);
    let at_work = "SELECT id FROM igor.tasks WHERE job_id = $1 AND name LIKE 't-%' AND status IN ('QUEUED', 'RUNNING')";
    if verb == Verb::Kill {
        assert_eq!(ids(world, at_work, job).await, Vec::<Uuid>::new(), "the first step stops what it means");
    }
}

async fn ids(world: &World, question: &'static str, job: Uuid) -> Vec<Uuid> {
    sqlx::query_scalar(question).bind(job).fetch_all(&world.database.pool).await.expect("ids")
}

/// How many tasks of each array stand where, where the layers and the job stand, and what Redis is to be told.
async fn tally(world: &World, job: Uuid) -> Vec<(String, i64)> {
    let question = "
        SELECT concat_ws(' ', left(name, 1), status, reason, attempt, failures, paused_at IS NOT NULL), count(*)
        FROM igor.tasks WHERE job_id = $1 AND name <> 'x' GROUP BY 1
        UNION ALL SELECT concat_ws(' ', name, status, reason, run), 1 FROM igor.layers WHERE job_id = $1
        UNION ALL SELECT concat_ws(' ', 'job', status, reason, gate, finished_at IS NOT NULL), 1 FROM igor.jobs WHERE id = $1
        UNION ALL SELECT concat_ws(' ', 'outbox', o.kind::text), count(*) FROM igor.outbox o
            JOIN igor.tasks t ON t.id = o.task_id WHERE t.job_id = $1 AND t.name <> 'x' GROUP BY 1
        UNION ALL SELECT concat_ws(' ', 'command', matched, changed, done_at IS NOT NULL), 1 FROM igor.commands WHERE job_id = $1 AND selector LIKE '%t-*'
        ORDER BY 1";
    sqlx::query_as(question).bind(job).fetch_all(&world.database.pool).await.expect("a tally")
}
