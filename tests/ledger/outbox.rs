//! The outbox: in order, complete, and only of what still holds.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::store::{Change, Dispatched, OutboxRow, Scope, Sighting, Source, Want};

use crate::world::{World, array, job_id, layer, object, plan};

#[tokio::test]
async fn a_dispatch_is_one_row_that_reads_back_as_what_it_returned() {
    let world = World::new().await;
    let object = object("j");
    let change = world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 7)])])).await.change;
    let want = Want { layer_id: change.opened[0].layer_id, job_id: change.job_id, kind: "render".to_owned(), room: 3 };
    let mut dispatched = Vec::new();
    for _ in 0..3 {
        dispatched.push(world.store.dispatch(world.epoch, std::slice::from_ref(&want)).await.expect("dispatched").tasks);
    }
    assert_eq!(dispatched.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    // As far as the tasks of whole rows are few enough, and one row in any case.
    for (limit, expected) in [(1, 1), (5, 1), (6, 2), (100, 3)] {
        let rows = world.store.outbox_read(0, limit).await.expect("the outbox");
        assert_eq!(enqueued(&rows), dispatched[..expected], "of at most {limit}");
    }
    let second = dispatched[1][0].seq;
    assert_eq!(enqueued(&world.store.outbox_read(second, 10).await.expect("the outbox")), dispatched[2..]);
    assert_eq!(world.store.outbox_first().await.expect("the outbox"), Some(dispatched[0][0].seq));
    let done = [dispatched[0][0].seq, second];
    world.store.outbox_delete(world.epoch, &done).await.expect("deleted");
    world.store.outbox_delete(world.epoch, &done).await.expect("deleted twice");
    assert_eq!(enqueued(&world.store.outbox_read(0, 10).await.expect("the outbox")), dispatched[2..]);
}

/// The tasks of each row, which all are of that row.
fn enqueued(rows: &[OutboxRow]) -> Vec<Vec<Dispatched>> {
    let tasks = |row: &OutboxRow| match &row.change {
        Change::Enqueue(tasks) if tasks.iter().all(|task| task.seq == row.seq) => tasks.clone(),
        other => panic!("{other:?}"),
    };
    rows.iter().map(tasks).collect()
}

#[tokio::test]
async fn an_enqueue_that_was_overtaken_is_left_out() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 2)])]);
    plan.layers[0].tasks[0].max_failures = 2;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..1], Said::Errored).await;
    world.end_backoff().await;
    world.dispatch_all(job_id(&object)).await;
    let rows = enqueued(&world.store.outbox_read(0, 10).await.expect("the outbox"));
    let left: Vec<Vec<(Option<u32>, u32)>> = rows.iter().map(|row| row.iter().map(|task| (task.ix, task.attempt)).collect()).collect();
    assert_eq!(left, [[(Some(1), 1)], [(Some(0), 2)]]);
}

#[tokio::test]
async fn a_row_of_one_task_that_an_earlier_version_left_is_relayed_too() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 2)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let earlier = "WITH gone AS (DELETE FROM igor.outbox RETURNING task_ids, attempts)
        INSERT INTO igor.outbox (kind, task_id, created_at, attempt)
        SELECT 'E', u.task_id, statement_timestamp(), u.attempt FROM gone, unnest(gone.task_ids, gone.attempts) AS u(task_id, attempt)";
    sqlx::query(earlier).execute(&world.database.pool).await.expect("as before");
    let rows = enqueued(&world.store.outbox_read(0, 10).await.expect("the outbox"));
    let ids = |tasks: &[Dispatched]| tasks.iter().map(|task| (task.task_id, task.attempt)).collect::<Vec<_>>();
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(ids(&rows.concat()), ids(&tasks));
}

#[tokio::test]
async fn a_pause_is_relayed_behind_the_pushes_before_it() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 2)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let pause = |object, version| Sighting { object, source: Source::Annotation, paused: Some(true), version };
    let seen = [pause(Object::Job, 2), pause(Object::Layer("a".to_owned()), 3)];
    world.store.observe(Some(world.epoch), job_id(&object), &seen, None).await.expect("paused");
    let rows = world.store.outbox_read(tasks[1].seq, 10).await.expect("the outbox");
    let changes: Vec<&Change> = rows.iter().map(|row| &row.change).collect();
    assert_eq!(changes, [&Change::Recall(Scope::Job(job_id(&object))), &Change::Recall(Scope::Layer(tasks[0].layer_id))]);
}
