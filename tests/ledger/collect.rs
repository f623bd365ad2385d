//! Collect: each outcome at most once, the fence, and what follows for layers and jobs.

use igor::core::fold::Said;
use igor::core::status::Status;
use igor::store::Outcome;

use crate::world::{World, array, job_id, layer, moved_layers, object, outcome, plan, task};

#[tokio::test]
async fn layers_run_in_the_order_of_their_priority_equal_ones_together() {
    let world = World::new().await;
    let object = object("j");
    let layers =
        vec![layer("c", 5, vec![task("3")]), layer("a", 0, vec![task("1")]), layer("b", 0, vec![task("2")]), layer("e", 3, vec![])];
    world.accept(&object, &plan(layers)).await;
    let first = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(first.iter().map(|task| task.layer.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let half = world.say(&first[..1], Said::Completed).await;
    assert_eq!(moved_layers(&half.jobs[0]), [("a", Status::Completed)]);
    let whole = world.say(&first[1..], Said::Completed).await;
    assert_eq!(moved_layers(&whole.jobs[0]), [("c", Status::Running), ("b", Status::Completed), ("e", Status::Completed)]);
    let last = world.dispatch_all(job_id(&object)).await.tasks;
    let end = world.say(&last, Said::Completed).await;
    assert_eq!((end.jobs[0].status, end.jobs[0].finished), (Some(Status::Completed), true));
    world.check().await;
}

#[tokio::test]
async fn a_repeated_or_stale_outcome_changes_nothing() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![task("x"), task("y")])]);
    plan.layers[0].tasks[0].max_failures = 2;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(world.say(&tasks[..1], Said::Errored).await.applied.len(), 1);
    assert_eq!(world.say(&tasks[..1], Said::Errored).await.stale, 1, "again");
    assert_eq!(world.say(&tasks[..1], Said::Completed).await.stale, 1, "too late");
    world.end_backoff().await;
    let second = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(second[0].attempt, 2);
    assert_eq!(world.say(&tasks[..1], Said::Completed).await.stale, 1, "of the attempt before");
    assert_eq!(world.say(&second, Said::Completed).await.applied.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn two_collectors_at_once_count_an_outcome_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 200)]), layer("b", 1, vec![task("u")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let every = || tasks.iter().map(|task| outcome(task, Said::Completed)).collect::<Vec<_>>();
    let (one, two) = tokio::join!(world.store.collect(world.epoch, every()), world.store.collect(world.epoch, every()));
    let (one, two) = (one.expect("collected"), two.expect("collected"));
    assert_eq!(one.applied.len() + two.applied.len(), 200);
    assert_eq!(one.jobs.len() + two.jobs.len(), 1, "the next layer opens once");
    world.check().await;
}

#[tokio::test]
async fn running_and_errored_tasks_in_one_batch_each_go_their_way() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 8)])]);
    plan.layers[0].tasks[0].max_failures = 2;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let words = [Said::Running, Said::Errored, Said::Completed, Said::Skipped, Said::Released, Said::Lost, Said::Cancelled];
    let mut batch: Vec<Outcome> = tasks.iter().zip(words).map(|(task, said)| outcome(task, said)).collect();
    batch[1].report.retry_ms = Some(60_000);
    let mut last = outcome(&tasks[7], Said::Errored);
    last.report.last = true;
    last.report.why = Some("Timeout".to_owned());
    batch.push(last);
    let collected = world.store.collect(world.epoch, batch).await.expect("collected");
    assert_eq!(collected.stale, 1, "a cancelled task is for logs only");
    let counters = collected.counts[0].tasks;
    assert_eq!((counters.running, counters.pending, counters.completed, counters.skipped, counters.errored), (1, 3, 1, 1, 1));
    assert_eq!((counters.queued, counters.retried), (1, 1));
    let due: Vec<_> = collected.applied.iter().filter_map(|applied| applied.due_ms).collect();
    assert!(due.len() == 3 && due.iter().max() > due.iter().min(), "{due:?}");
    assert_eq!(end_of_the_errored_task(&world).await, ("Timeout".to_owned(), "t-7 said Errored".to_owned()));
    world.check().await;
}

#[tokio::test]
async fn a_task_whose_workers_keep_dying_runs_alone_and_then_ends() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    for (solo, to) in [(false, Status::Pending), (true, Status::Pending), (true, Status::Errored)] {
        let tasks = world.dispatch_all(job_id(&object)).await.tasks;
        assert_eq!(tasks[0].solo, solo);
        assert_eq!(world.say(&tasks, Said::Lost).await.applied[0].to, to);
    }
    assert_eq!(world.status(job_id(&object)).await, (Status::Errored, false));
    assert_eq!(end_of_the_errored_task(&world).await, ("Poison".to_owned(), "its workers died: w-1, w-1, w-1".to_owned()));
    world.check().await;
}

#[tokio::test]
async fn a_result_that_the_ledger_refuses_ends_its_task_alone() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 200)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    // Nothing that a worker may write is refused today; a rule of the site's own stands for what nobody thought of.
    let rule = "ALTER TABLE igor.tasks ADD CONSTRAINT no_bad_word CHECK (message <> 'bad')";
    sqlx::query(rule).execute(&world.database.pool).await.expect("a rule");
    let mut batch: Vec<Outcome> = tasks.iter().map(|task| outcome(task, Said::Completed)).collect();
    batch[77].report.message = Some("bad".to_owned());
    let mut still_runs = outcome(&tasks[0], Said::Running);
    still_runs.report.message = Some("bad".to_owned());
    let collected = world.store.collect(world.epoch, vec![still_runs]).await.expect("collected");
    assert_eq!((collected.applied.len(), collected.refused.len()), (0, 1), "what runs goes on");
    let collected = world.store.collect(world.epoch, batch).await.expect("collected");
    let refused: Vec<_> = collected.refused.iter().map(|(outcome, _)| outcome.report.task).collect();
    assert_eq!((collected.applied.len(), refused), (200, vec![tasks[77].task_id]));
    assert!(collected.refused[0].1.contains("no_bad_word"), "{}", collected.refused[0].1);
    let said = "the ledger cannot store what the worker said";
    assert_eq!(end_of_the_errored_task(&world).await, ("Unstorable".to_owned(), said.to_owned()));
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'").await, 199);
    world.check().await;
}

async fn end_of_the_errored_task(world: &World) -> (String, String) {
    let end = sqlx::query_as("SELECT reason, message FROM igor.tasks WHERE status = 'ERRORED'");
    end.fetch_one(&world.database.pool).await.expect("the errored task")
}

#[tokio::test]
async fn an_outcome_from_another_namespaces_queue_does_not_count() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    for (queue, counts) in [("data.default", 0), ("film.other", 0), ("film.default", 1)] {
        let outcome = Outcome { queue: queue.to_owned(), ..outcome(&tasks[0], Said::Running) };
        assert_eq!(world.store.collect(world.epoch, vec![outcome]).await.expect("collected").applied.len(), counts, "{queue}");
    }
    let shared = Outcome { queue: "default".to_owned(), job_id: None, ..outcome(&tasks[0], Said::Completed) };
    assert_eq!(world.store.collect(world.epoch, vec![shared]).await.expect("collected").applied.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn what_no_worker_should_say_does_no_harm() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let mut nul = outcome(&tasks[0], Said::Errored);
    nul.report.message = Some("a\0b".to_owned());
    nul.report.why = Some("\0".to_owned());
    let mut late = outcome(&tasks[1], Said::Released);
    late.report.retry_ms = Some(u64::MAX);
    let mut other = outcome(&tasks[2], Said::Completed);
    other.report.attempt = u32::MAX;
    let mut unknown = outcome(&tasks[2], Said::Completed);
    unknown.report.task = uuid::Uuid::from_u128(7);
    unknown.job_id = None;
    let collected = world.store.collect(world.epoch, vec![nul, late, other, unknown]).await.expect("collected");
    assert_eq!((collected.applied.len(), collected.stale, collected.refused.len()), (2, 2, 0));
    world.check().await;
}

#[tokio::test]
async fn recalled_tasks_are_pending_again_and_due_at_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..1], Said::Running).await;
    let recalled: Vec<_> = tasks
        .iter()
        .map(|task| igor::store::Recalled { job_id: task.job_id, task_id: task.task_id, attempt: task.attempt, kind: task.kind.clone() })
        .collect();
    let counts = world.store.recall_done(world.epoch, &recalled).await.expect("taken back");
    assert_eq!((counts[0].tasks.pending, counts[0].tasks.running, counts[0].tasks.queued), (2, 1, 0));
    assert_eq!(world.store.recall_done(world.epoch, &recalled).await.expect("taken back"), []);
    let again = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(again.iter().map(|task| task.attempt).collect::<Vec<_>>(), [2, 2]);
    world.check().await;
}
