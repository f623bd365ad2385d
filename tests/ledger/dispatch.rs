//! Dispatch: order, limits, what is due out of order, and two dispatchers at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use igor::core::fold::Said;
use igor::core::status::Status;
use igor::store::Want;

use crate::world::{World, array, job_id, layer, object, outcome, plan, task};

#[tokio::test]
async fn tasks_go_out_in_the_order_of_the_plan_as_far_as_there_is_room() {
    let world = World::new().await;
    let object = object("j");
    let change = world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 10)])])).await.change;
    let want = Want { layer_id: change.opened[0].layer_id, job_id: change.job_id, kind: "render".to_owned(), room: 4 };
    let first = world.store.dispatch(world.epoch, std::slice::from_ref(&want)).await.expect("dispatched");
    assert_eq!(first.tasks.iter().map(|task| task.ix).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!((first.filled[0].tasks, first.filled[0].next_ordinal, first.filled[0].end, first.filled[0].blocked), (4, 4, 10, false));
    assert!(first.tasks.is_sorted_by_key(|task| task.seq));
    let rest = world.store.dispatch(world.epoch, &[Want { room: 100, ..want }]).await.expect("dispatched");
    assert_eq!((rest.tasks.len(), rest.filled[0].next_ordinal), (6, 10));
    world.check().await;
}

#[tokio::test]
async fn a_task_carries_all_that_a_push_needs() {
    let world = World::new().await;
    let object = object("nightly");
    let mut plan = plan(vec![layer("fetch", 0, vec![task("plate")])]);
    plan.layers[0].tasks[0].max_failures = 4;
    plan.layers[0].tasks[0].timeout_ms = Some(5000);
    plan.priority = -1;
    plan.deadline_seconds = Some(60);
    world.accept(&object, &plan).await;
    let task = world.dispatch_all(job_id(&object)).await.tasks.remove(0);
    assert_eq!(
        (task.namespace.as_str(), task.job.as_str(), task.layer.as_str(), task.name.as_str()),
        ("film", "nightly", "fetch", "plate")
    );
    assert_eq!((task.queue.as_str(), task.kind.as_str(), task.lane, task.ix), ("default", "render", 2, None));
    assert_eq!((task.attempt, task.timeout_ms, task.retries_left, task.solo), (1, Some(5000), 3, false));
    let left = task.deadline_ms.expect("a deadline") - crate::world::now_ms();
    assert!((1..=61_000).contains(&left), "{left}");
}

#[tokio::test]
async fn the_limits_of_layer_and_job_hold_whatever_the_room() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 50)]), layer("b", 0, vec![array("u", 50)])]);
    plan.max_in_flight = Some(7);
    plan.layers[0].max_in_flight = Some(3);
    world.accept(&object, &plan).await;
    let first = world.dispatch_all(job_id(&object)).await;
    let of = |layer: &str| first.tasks.iter().filter(|task| task.layer == layer).count();
    assert_eq!((of("a"), of("b")), (3, 4));
    let second = world.dispatch_all(job_id(&object)).await;
    assert!(second.tasks.is_empty() && second.filled.iter().all(|filled| filled.blocked), "{second:?}");
    world.say(&first.tasks[..1], Said::Completed).await;
    assert_eq!(world.dispatch_all(job_id(&object)).await.tasks.len(), 1);
    world.check().await;
}

#[tokio::test]
async fn a_failed_task_waits_and_then_comes_before_the_cursor() {
    let world = World::new().await;
    let object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 5)])]);
    plan.layers[0].tasks[0].max_failures = 3;
    let change = world.accept(&object, &plan).await.change;
    let want = Want { layer_id: change.opened[0].layer_id, job_id: change.job_id, kind: "render".to_owned(), room: 2 };
    let first = world.store.dispatch(world.epoch, std::slice::from_ref(&want)).await.expect("dispatched");
    let collected = world.say(&first.tasks[..1], Said::Errored).await;
    assert_eq!((collected.applied[0].to, collected.counts[0].tasks.retried), (Status::Pending, 1));
    assert!(collected.applied[0].due_ms.is_some());
    let second = world.store.dispatch(world.epoch, std::slice::from_ref(&want)).await.expect("dispatched");
    assert_eq!(second.tasks.iter().map(|task| task.ix).collect::<Vec<_>>(), [Some(2), Some(3)]);
    assert_eq!(second.filled[0].due_ms, collected.applied[0].due_ms);
    world.end_backoff().await;
    let third = world.store.dispatch(world.epoch, std::slice::from_ref(&want)).await.expect("dispatched");
    let seen: Vec<_> = third.tasks.iter().map(|task| (task.ix, task.attempt, task.retries_left)).collect();
    assert_eq!(seen, [(Some(0), 2, 1), (Some(4), 1, 2)]);
    world.check().await;
}

#[tokio::test]
async fn two_dispatchers_at_once_hand_out_each_task_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 400)])])).await;
    let open = world.store.open_types().await.expect("open types").remove(0);
    let want = [Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 50 }];
    let rounds = (0..10).map(|_| world.store.dispatch(world.epoch, &want));
    let dispatched = futures::future::join_all(rounds).await;
    let tasks: Vec<_> = dispatched.into_iter().flat_map(|one| one.expect("dispatched").tasks).collect();
    let distinct: BTreeSet<_> = tasks.iter().map(|task| task.task_id).collect();
    assert_eq!((tasks.len(), distinct.len()), (400, 400));
    world.check().await;
}

#[tokio::test]
async fn a_paused_task_is_passed_over() {
    let world = World::new().await;
    let object = object("j");
    let mut paused = task("p");
    paused.paused = true;
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x"), paused, task("z")])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["x", "z"]);
    world.say(&tasks, Said::Completed).await;
    assert_eq!(world.status(job_id(&object)).await, (Status::Running, false));
    world.check().await;
}

#[tokio::test]
async fn the_types_of_a_layer_have_a_cursor_each() {
    let world = World::new().await;
    let object = object("j");
    let mut other = array("u", 3);
    other.kind = "encode".to_owned();
    let change = world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 2), other, task("z")])])).await.change;
    let open: Vec<_> = change.opened.iter().map(|open| (open.kind.as_str(), open.next_ordinal, open.end)).collect();
    assert_eq!(open, [("encode", 0, 5), ("render", 0, 6)]);
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    assert_eq!(tasks.len(), 6);
    let render = tasks.iter().find(|task| task.kind == "render").expect("a task to render");
    let wrong_stream = igor::store::Outcome { kind: "encode".to_owned(), ..outcome(render, Said::Completed) };
    let collected = world.store.collect(world.epoch, vec![wrong_stream]).await.expect("collected");
    assert_eq!((collected.applied.len(), collected.stale), (0, 1));
    world.check().await;
}

#[tokio::test]
async fn a_large_job_is_dispatched_and_collected_at_once_when_statistics_know_small_ones_only() {
    let world = World::new().await;
    for name in ["one", "two"] {
        world.accept(&object(name), &plan(vec![layer("a", 0, vec![task("t")])])).await;
    }
    sqlx::raw_sql("VACUUM ANALYZE").execute(&world.database.pool).await.expect("statistics");
    let large = object("large");
    world.accept(&large, &plan(vec![layer("a", 0, vec![array("t", 60_000)])])).await;
    let began = std::time::Instant::now();
    let out = world.dispatch_all(job_id(&large)).await.tasks;
    world.say(&out, Said::Completed).await;
    // A plan that walks the whole job for each task takes twenty seconds and more.
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "{:?} for {} tasks", began.elapsed(), out.len());
}

#[tokio::test]
async fn what_was_planned_while_the_day_was_empty_is_quick_when_it_is_full() {
    let world = World::new().await;
    // One connection: each plan that is made is made here.
    let settings = igor::store::Settings { connections: 1, ..igor::store::Settings::new(&world.database.url) };
    let store = igor::store::Store::connect(&settings).await.expect("connected");
    let run = async |object: &igor::store::Identity, tasks: u32| {
        let change = store.accept(world.epoch, object, &plan(vec![layer("a", 0, vec![array("t", tasks)])])).await.expect("accepted").change;
        let began = Instant::now();
        let want = Want { layer_id: change.opened[0].layer_id, job_id: change.job_id, kind: "render".to_owned(), room: 1000 };
        let out = store.dispatch(world.epoch, &[want]).await.expect("dispatched").tasks;
        let outcomes = out.iter().map(|task| outcome(task, Said::Completed)).collect();
        assert_eq!(store.collect(world.epoch, outcomes).await.expect("collected").applied.len(), out.len());
        began.elapsed()
    };
    run(&object("first"), 1).await;
    run(&object("large"), 150_000).await;
    // A plan that reads the day instead of its keys takes minutes for these.
    let took = run(&object("second"), 1000).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    world.check().await;
}
