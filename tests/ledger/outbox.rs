//! The outbox: in order, complete, and only of what still holds.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::store::{Change, Scope, Sighting, Source};

use crate::world::{World, array, job_id, layer, object, plan};

#[tokio::test]
async fn rows_read_back_as_what_dispatch_returned() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 5)])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let rows = world.store.outbox_read(0, 3).await.expect("the outbox");
    let read: Vec<_> = rows
        .iter()
        .map(|row| match &row.change {
            Change::Enqueue(task) => (row.seq, (**task).clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(read, tasks[..3].iter().map(|task| (task.seq, task.clone())).collect::<Vec<_>>());
    let rest = world.store.outbox_read(rows[2].seq, 10).await.expect("the outbox");
    assert_eq!(rest.iter().map(|row| row.seq).collect::<Vec<_>>(), tasks[3..].iter().map(|task| task.seq).collect::<Vec<_>>());
    let done: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    world.store.outbox_delete(world.epoch, &done).await.expect("deleted");
    world.store.outbox_delete(world.epoch, &done).await.expect("deleted twice");
    assert_eq!(world.store.outbox_read(0, 10).await.expect("the outbox").len(), 2);
}

#[tokio::test]
async fn an_enqueue_that_was_overtaken_is_stale() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 2)])]);
    plan.layers[0].tasks[0].max_failures = 2;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..1], Said::Errored).await;
    world.end_backoff().await;
    world.dispatch_all(job_id(&object)).await;
    let rows = world.store.outbox_read(0, 10).await.expect("the outbox");
    let attempts: Vec<Option<u32>> = rows
        .iter()
        .map(|row| match &row.change {
            Change::Enqueue(task) => Some(task.attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [None, Some(1), Some(2)]);
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
