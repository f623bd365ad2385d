//! A job as it stands: what its status, its waits and the backstop for timeouts read.

use std::time::Duration;

use igor::core::fold::Said;
use igor::core::job::Counters;
use igor::core::status::Status;
use igor::core::wait::{Commonest, Limit, waits};

use crate::world::{World, array, job_id, layer, object, plan, task};

#[tokio::test]
async fn a_snapshot_shows_counters_limits_backoff_and_what_a_held_layer_said() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 6)]), layer("b", 0, vec![task("x")])]);
    plan.layers[0].max_in_flight = Some(2);
    plan.layers[0].tasks[0].max_failures = 2;
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job).await.tasks;
    let of = |layer: &str| tasks.iter().filter(|task| task.layer == layer).cloned().collect::<Vec<_>>();
    world.say(&of("a")[..1], Said::Errored).await;
    world.say(&of("b"), Said::Errored).await;
    world.dispatch_all(job).await;
    let snapshot = world.store.snapshot(job).await.expect("a snapshot");
    let counters = |place: usize| snapshot.job.layers[place].tasks;
    assert_eq!(counters(0), Counters { pending: 4, queued: 2, retried: 1, ..Counters::default() });
    assert_eq!(counters(1), Counters { errored: 1, ..Counters::default() });
    assert_eq!((snapshot.job.status, snapshot.job.layers[1].status), (Status::Running, Status::Errored));
    assert_eq!((snapshot.layers[0].kinds.clone(), snapshot.layers[1].kinds.clone()), (vec!["render".to_owned()], vec![]));
    let a = &snapshot.known.layers["a"];
    assert_eq!((a.limit, a.backoff.map(|(tasks, _)| tasks)), (Some(Limit { most: 2, in_flight: 2 }), Some(1)));
    let said = world.store.commonest_failure(snapshot.layers[1].layer_id).await.expect("what failed");
    assert_eq!(said, Some(Commonest { text: "x said Errored".to_owned(), times: 1, of: 1 }));
    assert!(!waits(&snapshot.job, &snapshot.known).is_empty());
    let failures = world.store.failures(snapshot.layers[1].layer_id, 20).await.expect("failures");
    assert_eq!(failures.iter().map(|failure| (failure.name.as_str(), failure.attempt)).collect::<Vec<_>>(), [("x", 1)]);
    assert_eq!(failures[0].reason.as_deref(), Some("Failed"));
    world.check().await;
}

#[tokio::test]
async fn attempts_past_their_timeout_are_found_and_others_are_not() {
    let world = World::new().await;
    let object = object("j");
    let timed = |name: &str, timeout_ms: Option<u32>| igor::core::plan::TaskPlan { timeout_ms, ..task(name) };
    world
        .accept(&object, &plan(vec![layer("a", 0, vec![timed("short", Some(1)), timed("long", Some(3_600_000)), timed("none", None)])]))
        .await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks, Said::Running).await;
    let overdue = crate::support::until("overdue", Duration::from_secs(10), || async {
        let found = world.store.overdue(Duration::ZERO, 10).await.expect("overdue tasks");
        if found.is_empty() { Err(found) } else { Ok(found) }
    })
    .await;
    assert_eq!(overdue.iter().map(|overdue| overdue.attempt.task_id).collect::<Vec<_>>(), [tasks[0].task_id]);
    assert_eq!(world.store.overdue(Duration::from_hours(1), 10).await.expect("overdue tasks"), []);
}

#[tokio::test]
async fn live_jobs_are_found_by_uid_and_their_marks_are_taken_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let live = world.store.live_jobs().await.expect("live jobs");
    assert_eq!(
        live.iter().map(|live| (live.job_id, live.uid.as_str(), live.name.as_str())).collect::<Vec<_>>(),
        [(job_id(&object), object.uid.as_str(), "j")]
    );
    assert_eq!(world.store.job_by_uid(object.created_ms, &object.uid).await.expect("a look"), Some(job_id(&object)));
    assert_eq!(world.store.job_by_uid(object.created_ms, "nobody").await.expect("a look"), None);
    let pause = igor::store::Sighting {
        object: igor::core::command::Object::Job,
        source: igor::store::Source::Annotation,
        paused: Some(true),
        version: 3,
    };
    world.store.observe(Some(world.epoch), job_id(&object), std::slice::from_ref(&pause), None).await.expect("paused");
    assert_eq!(world.store.take_dirty(world.epoch).await.expect("marks"), [], "its leader knows what it did itself");
    let unpause = igor::store::Sighting { paused: Some(false), version: 4, ..pause };
    world.store.observe(None, job_id(&object), &[unpause], None).await.expect("unpaused");
    assert_eq!(world.store.take_dirty(world.epoch).await.expect("marks").len(), 1);
    assert_eq!(world.store.take_dirty(world.epoch).await.expect("marks"), []);
    // One that has ended by it is told of all the same, and is on no list afterwards.
    world.store.command(None, &crate::world::command(job_id(&object), "kill", "1")).await.expect("killed");
    let marked: Vec<String> = world.store.take_dirty(world.epoch).await.expect("marks").into_iter().map(|job| job.name).collect();
    assert_eq!((marked, world.store.live_jobs().await.expect("live jobs")), (vec!["j".to_owned()], vec![]));
    world.check().await;
}
