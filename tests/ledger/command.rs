//! Commands: retry, kill, delete, expiry: once, resumable, and with what they say about the job.

use igor::core::fold::Said;
use igor::core::status::Status;
use igor::store::{Change, Class, Command, Standing};

use crate::world::{World, array, command, job_id, layer, moved_layers, object, plan, task};

#[tokio::test]
async fn an_errored_layer_holds_its_job_until_a_retry() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x"), task("y")]), layer("b", 1, vec![task("z")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..1], Said::Errored).await;
    let held = world.say(&tasks[1..], Said::Completed).await;
    assert_eq!(moved_layers(&held.jobs[0]), [("a", Status::Errored)]);
    assert_eq!((held.jobs[0].status, held.jobs[0].finished), (Some(Status::Errored), false));
    let retry = command(job_id(&object), "retry", "01J");
    let done = world.store.command(Some(world.epoch), &retry).await.expect("done");
    assert_eq!((done.matched, done.changed, done.refused), (1, 1, None));
    assert_eq!(moved_layers(&done.change), [("a", Status::Running)]);
    assert_eq!(done.change.opened.len(), 1);
    let again = world.store.command(None, &retry).await.expect("done");
    assert_eq!((again.changed, again.change.layers.len()), (1, 0), "applied once, told twice");
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "b/z"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn what_was_killed_before_it_was_loaded_cannot_be_retried() {
    let world = World::new().await;
    let (object, plan) = (object("j"), plan(vec![layer("a", 0, vec![array("t", 100)]), layer("b", 1, vec![task("z")])]));
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &plan, 40).await.expect("begun"), None);
    let kill = command(job_id(&object), "kill", "01J");
    assert!(world.store.command(Some(world.epoch), &kill).await.expect("killed").refused.is_none());
    assert_eq!(world.status(job_id(&object)).await, (Status::Errored, true));
    let retry = command(job_id(&object), "retry", "01K");
    assert!(world.store.command(Some(world.epoch), &retry).await.expect("answered").refused.is_some());
    assert_eq!(world.status(job_id(&object)).await, (Status::Errored, true));
    world.check().await;
}

#[tokio::test]
async fn two_callers_at_once_apply_a_command_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 100)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks, Said::Errored).await;
    let retry = command(job_id(&object), "retry", "01J");
    let (one, two) = tokio::join!(world.store.command(None, &retry), world.store.command(None, &retry));
    let (one, two) = (one.expect("done"), two.expect("done"));
    assert_eq!((one.changed, two.changed), (100, 100));
    assert_eq!(one.change.opened.len() + two.change.opened.len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM igor.transitions WHERE reason = 'Retried'").await, 100);
    world.check().await;
}

#[tokio::test]
async fn a_large_retry_goes_in_steps_and_misses_nobody() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 12_000)]), layer("b", 1, vec![task("z")])])).await;
    loop {
        let tasks = world.dispatch_all(job_id(&object)).await.tasks;
        if tasks.is_empty() {
            break;
        }
        world.say(&tasks, Said::Errored).await;
    }
    let done = world.store.command(None, &command(job_id(&object), "retry", "01J")).await.expect("done");
    assert_eq!(done.changed, 12_000);
    world.check().await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 12_001);
    world.check().await;
}

#[tokio::test]
async fn deleting_a_running_job_stops_its_work_and_keeps_its_history() {
    let world = World::new().await;
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![array("t", 20)]), layer("b", 1, vec![])]);
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..5], Said::Completed).await;
    world.say(&tasks[5..10], Said::Running).await;
    let done = world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect("done");
    assert_eq!((done.changed, done.change.finished), (15, true));
    assert_eq!(moved_layers(&done.change), [("a", Status::Errored), ("b", Status::Errored)]);
    let rows = world.store.outbox_read(0, 100).await.expect("the outbox");
    let count = |wanted: fn(&Change) -> bool| rows.iter().filter(|row| wanted(&row.change)).count();
    assert_eq!((count(|change| matches!(change, Change::Revoke(_))), count(|change| *change == Change::Enqueue(Vec::new()))), (15, 1));
    assert_eq!(world.say(&tasks[5..], Said::Completed).await.applied, [], "nothing counts after a kill");
    let again = world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect("done");
    assert_eq!((again.changed, again.change.finished), (15, false));
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Deleted);
    let retried = world.store.command(None, &command(job_id(&object), "retry", "01J")).await.expect("done");
    assert!(retried.refused.is_some());
    assert_eq!(world.store.live_jobs().await.expect("live jobs"), []);
    world.check().await;
}

#[tokio::test]
async fn a_job_deleted_while_it_loads_is_ended_and_stays_so() {
    let world = World::new().await;
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![array("t", 10)])]);
    assert!(world.store.accept_chunk(world.epoch, &object, &plan, 4).await.expect("a chunk").is_none());
    world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect("done");
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Deleted);
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 4);
    world.check().await;
}

#[tokio::test]
async fn a_killed_job_says_why_and_a_retry_runs_it_to_its_end() {
    let world = World::new().await;
    let object = object("j");
    let layers = vec![layer("a", 0, vec![array("t", 3)]), layer("empty", 1, vec![]), layer("b", 2, vec![task("z")])];
    world.accept(&object, &plan(layers)).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..1], Said::Completed).await;
    let kill = command(job_id(&object), "deadline", "1");
    let done = world.store.command(Some(world.epoch), &kill).await.expect("done");
    assert_eq!((done.changed, done.change.status), (3, Some(Status::Errored)));
    let snapshot = world.store.snapshot(job_id(&object)).await.expect("a snapshot");
    assert_eq!((snapshot.reason.as_deref(), snapshot.job.finished), (Some("DeadlineExceeded"), true));
    world.check().await;
    let done = world.store.command(None, &command(job_id(&object), "retry", "01J")).await.expect("done");
    assert_eq!(done.changed, 3);
    world.check().await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 3);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn a_large_kill_stops_what_runs_with_its_first_step() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 11_000)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..10], Said::Running).await;
    let done = world.store.command(None, &command(job_id(&object), "kill", "01J")).await.expect("done");
    assert_eq!(done.changed, 11_000);
    let first_kills: i64 = world
        .count("SELECT count(*) FROM igor.transitions WHERE \"to\" = 'ERRORED' AND \"from\" <> 'PENDING' AND at <= (SELECT min(at) FROM igor.transitions WHERE \"to\" = 'ERRORED' AND \"from\" = 'PENDING')")
        .await;
    assert_eq!(first_kills, 1000);
    world.check().await;
}

#[tokio::test]
async fn a_command_waits_for_the_one_that_holds_the_gate() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..2], Said::Errored).await;
    let retry = command(job_id(&object), "retry", "01J");
    // A process that ended between the first step of its kill and the next one.
    sqlx::query("INSERT INTO igor.commands (created_at, id, job_id, verb, selector, actor) SELECT created_at, $1, id, 'kill', 'true', 'bob' FROM igor.jobs")
        .bind(command(job_id(&object), "kill", "cut").id)
        .execute(&world.database.pool)
        .await
        .expect("a command");
    sqlx::query("UPDATE igor.jobs SET gate = (SELECT id::text FROM igor.commands)").execute(&world.database.pool).await.expect("a gate");
    assert_eq!(world.dispatch_all(job_id(&object)).await.tasks, []);
    let done = world.store.command(None, &retry).await.expect("done");
    assert_eq!(done.changed, 3, "the kill's victim too");
    assert_eq!(world.count("SELECT count(*) FROM igor.commands WHERE done_at IS NOT NULL").await, 2);
    assert_eq!(world.count("SELECT count(*) FROM igor.jobs WHERE gate IS NOT NULL").await, 0);
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 3);
    world.check().await;
}

#[tokio::test]
async fn only_a_finished_job_expires_and_then_nothing_moves_it() {
    let world = World::new().await;
    let object = object("j");
    let plan = plan(vec![layer("a", 0, vec![task("x")])]);
    world.accept(&object, &plan).await;
    assert!(!world.store.mark_expired(Some(world.epoch), job_id(&object)).await.expect("an answer"));
    world.run_to_the_end(job_id(&object)).await;
    assert!(world.store.mark_expired(Some(world.epoch), job_id(&object)).await.expect("an answer"));
    assert!(world.store.mark_expired(Some(world.epoch), job_id(&object)).await.expect("an answer"), "twice");
    assert!(world.store.command(None, &command(job_id(&object), "retry", "01J")).await.expect("done").refused.is_some());
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Expired);
    let deleted = world.store.command(Some(world.epoch), &Command::deletion(job_id(&object), "operator")).await.expect("done");
    assert!(deleted.refused.is_none());
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Deleted);
    world.check().await;
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_said_to_be_unknown() {
    let world = World::new().await;
    let unknown = job_id(&object("ghost"));
    let refused = world.store.command(Some(world.epoch), &Command::deletion(unknown, "operator")).await.expect_err("unknown");
    assert_eq!(refused.class(), Class::Invalid);
    assert!(world.store.snapshot(unknown).await.is_err());
}

#[tokio::test]
async fn with_on_failure_continue_later_layers_run_and_the_job_ends_errored() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![task("z")])]);
    plan.on_failure = igor::core::job::OnFailure::Continue;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks, Said::Errored).await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["b/z"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Errored, true));
    world.check().await;
}

#[tokio::test]
async fn the_same_name_again_is_another_job() {
    let world = World::new().await;
    let (first, mut second) = (object("j"), object("j"));
    second.created_ms = first.created_ms;
    let plan = plan(vec![layer("a", 0, vec![task("x")])]);
    world.accept(&first, &plan).await;
    world.accept(&second, &plan).await;
    world.store.command(Some(world.epoch), &Command::deletion(job_id(&first), "operator")).await.expect("done");
    assert_eq!(world.run_to_the_end(job_id(&second)).await, ["a/x"]);
    assert_eq!(world.status(job_id(&second)).await, (Status::Completed, true));
    world.check().await;
}
