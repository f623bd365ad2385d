//! How fast: run by hand, `cargo test --release --test ledger -- --ignored --nocapture throughput`.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Instant;

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::store::{Progress, Want};

use crate::world::{World, array, asked, job_id, layer, object, outcome, plan};

const TASKS: u32 = 100_000;
const BATCH: u32 = 1_000;

#[tokio::test]
#[ignore = "prints rates of a machine with nothing else to do"]
async fn throughput() {
    let world = World::new().await;
    let began = Instant::now();
    let change = world.accept(&object("big"), &plan(vec![layer("a", 0, vec![array("t", TASKS)])])).await.change;
    say("accept", began);
    let want = [Want { layer_id: change.opened[0].layer_id, job_id: change.job_id, kind: "render".to_owned(), room: BATCH }];
    let began = Instant::now();
    let mut tasks = Vec::new();
    loop {
        let dispatched = world.store.dispatch(world.epoch, &want).await.expect("dispatched").tasks;
        if dispatched.is_empty() {
            break;
        }
        tasks.extend(dispatched);
    }
    say("dispatch", began);
    let began = Instant::now();
    for batch in tasks.chunks(BATCH as usize) {
        let outcomes = batch.iter().map(|task| outcome(task, Said::Completed)).collect();
        world.store.collect(world.epoch, outcomes).await.expect("collected");
    }
    say("collect", began);
    let began = Instant::now();
    for batch in tasks.chunks(BATCH as usize) {
        let seqs = batch.iter().map(|task| task.seq).collect::<BTreeSet<_>>().into_iter().collect::<Vec<i64>>();
        world.store.outbox_delete(world.epoch, &seqs).await.expect("deleted");
    }
    say("outbox", began);
    world.check().await;
}

const JOBS: u32 = 2_000;

#[tokio::test]
#[ignore = "prints rates of a machine with nothing else to do"]
async fn small_jobs() {
    let world = World::new().await;
    let plan = plan(vec![layer("a", 0, vec![array("t", 1)])]);
    let began = Instant::now();
    let mut wants = Vec::new();
    for _ in 0..JOBS {
        let open = world.accept(&object("small"), &plan).await.change.opened.remove(0);
        wants.push(Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 1 });
    }
    tell("accept", JOBS, began);
    let began = Instant::now();
    let mut tasks = Vec::new();
    for some in wants.chunks(500) {
        tasks.extend(world.store.dispatch(world.epoch, some).await.expect("dispatched").tasks);
    }
    tell("dispatch", JOBS, began);
    let began = Instant::now();
    for batch in tasks.chunks(500) {
        let outcomes = batch.iter().map(|task| outcome(task, Said::Completed)).collect();
        let collected = world.store.collect(world.epoch, outcomes).await.expect("collected");
        assert_eq!(collected.jobs.len(), batch.len());
    }
    tell("finish", JOBS, began);
    let began = Instant::now();
    for want in &wants {
        world.store.snapshot(want.job_id).await.expect("a snapshot");
    }
    tell("snapshot", JOBS, began);
    world.check().await;
}

fn say(what: &str, began: Instant) {
    tell(what, TASKS, began);
}

fn tell(what: &str, rows: u32, began: Instant) {
    let rate = f64::from(rows) / began.elapsed().as_secs_f64();
    writeln!(std::io::stderr(), "{what:>10}: {rate:>9.0} rows/s").expect("a terminal");
}

const MILLION: u32 = 1_000_000;

#[tokio::test]
#[ignore = "prints rates of a machine with nothing else to do"]
async fn commands_on_a_million() {
    let world = World::new().await;
    let object = object("million");
    let job = job_id(&object);
    let began = Instant::now();
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", MILLION)])])).await;
    tell("accept", MILLION, began);
    let tasks = world.dispatch_all(job).await.tasks;
    world.say(&tasks, Said::Errored).await;
    world.dispatch_all(job).await;
    let commands = [
        (Object::Layer("a".to_owned()), "retry", "true"),
        (Object::Job, "retry", "a/999999"),
        (Object::Job, "retry", "a/t-999998"),
        (Object::Job, "pause-tasks", "a/t-9999*"),
        (Object::Layer("a".to_owned()), "skip", "t-8*"),
        (Object::Job, "kill", "true"),
        (Object::Job, "retry", "failed"),
    ];
    for (object, verb, selector) in commands {
        let command = asked(job, &object, verb, selector, selector);
        let began = Instant::now();
        let mut first = None;
        let done = loop {
            let progress = world.store.command_step(Some(world.epoch), &command).await.expect("a step");
            first = first.or_else(|| Some(began.elapsed()));
            if let Progress::Done(done) = progress {
                break done;
            }
        };
        let line =
            format!("{verb} {selector} of {object}: {} tasks, first step {first:.0?}, whole {:.1?}\n", done.changed, began.elapsed());
        std::io::stderr().write_all(line.as_bytes()).expect("written");
    }
    world.check().await;
}
