//! Pause levels: an edge acts once, a stale sighting never, and what is paused neither opens nor ends.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::status::Status;
use igor::store::{Paused, Sighting, Source};

use crate::world::{World, array, job_id, layer, moved_layers, object, plan, task};

fn about(layer: Option<&str>) -> Object {
    layer.map_or(Object::Job, |layer| Object::Layer(layer.to_owned()))
}

fn seen(layer: Option<&str>, source: Source, paused: Option<bool>, version: u64) -> Sighting {
    Sighting { object: about(layer), source, paused, version }
}

async fn observe(world: &World, job: uuid::Uuid, seen: &[Sighting]) -> Paused {
    world.store.observe(Some(world.epoch), job, seen, None).await.expect("observed")
}

#[tokio::test]
async fn a_paused_job_dispatches_nothing_finishes_what_runs_and_opens_no_layer() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 2)]), layer("b", 1, vec![task("z")])])).await;
    let tasks = world.dispatch_all(job).await.tasks;
    let pause = [seen(None, Source::Annotation, Some(true), 10)];
    assert_eq!(observe(&world, job, &pause).await.moved, [(Object::Job, true)]);
    assert_eq!(observe(&world, job, &pause).await, Paused { settled: true, ..Paused::default() }, "twice is once");
    assert_eq!(world.store.open_types_of(&[job]).await.expect("open types"), []);
    world.say(&tasks, Said::Completed).await;
    assert_eq!(world.layers(job).await, [("a".to_owned(), Status::Completed), ("b".to_owned(), Status::Pending)]);
    let unpaused = observe(&world, job, &[seen(None, Source::Annotation, None, 11)]).await;
    assert_eq!((unpaused.moved.clone(), moved_layers(&unpaused.change)), (vec![(Object::Job, false)], vec![("b", Status::Running)]));
    assert_eq!(observe(&world, job, &pause).await, Paused::default(), "a stale cache");
    assert_eq!(world.run_to_the_end(job).await, ["b/z"]);
    world.check().await;
}

#[tokio::test]
async fn a_paused_layer_neither_opens_nor_completes() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 0, vec![task("y")])])).await;
    let tasks = world.dispatch_all(job).await.tasks;
    let pause = |paused, version| [seen(Some("a"), Source::Annotation, paused, version)];
    assert_eq!(observe(&world, job, &pause(Some(true), 5)).await.moved, [(about(Some("a")), true)]);
    world.say(&tasks, Said::Completed).await;
    assert_eq!(world.layers(job).await, [("a".to_owned(), Status::Running), ("b".to_owned(), Status::Completed)]);
    let unpaused = observe(&world, job, &pause(Some(false), 6)).await;
    assert_eq!((moved_layers(&unpaused.change), unpaused.change.finished), (vec![("a", Status::Completed)], true));
    world.check().await;
}

#[tokio::test]
async fn two_callers_at_once_pause_once() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let pause = [seen(None, Source::Spec, Some(true), 10)];
    let (one, two) = tokio::join!(observe(&world, job, &pause), observe(&world, job, &pause));
    assert_eq!(one.moved.len() + two.moved.len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM igor.outbox WHERE kind = 'R'").await, 1);
    world.check().await;
}

#[tokio::test]
async fn paused_time_moves_the_deadline() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![task("x")])]);
    plan.deadline_seconds = Some(100);
    world.accept(&object, &plan).await;
    let before = world.store.snapshot(job).await.expect("a snapshot").deadline_ms.expect("a deadline");
    observe(&world, job, &[seen(None, Source::Spec, Some(true), 2)]).await;
    assert_eq!(world.store.snapshot(job).await.expect("a snapshot").deadline_ms, None);
    for shift in ["UPDATE igor.jobs SET paused_at = paused_at - interval '50 seconds', started_at = started_at - interval '60 seconds'"] {
        sqlx::query(shift).execute(&world.database.pool).await.expect("shifted");
    }
    observe(&world, job, &[seen(None, Source::Spec, Some(false), 3)]).await;
    let after = world.store.snapshot(job).await.expect("a snapshot").deadline_ms.expect("a deadline");
    // Begun 60 s earlier, of which 50 s were paused: 10 s less than before.
    assert!((after - (before - 10_000)).abs() < 2_000, "{before} {after}");
    assert_eq!(world.store.past_deadline().await.expect("jobs"), []);
    sqlx::query("UPDATE igor.live_jobs SET deadline_at = statement_timestamp() - interval '1 second'")
        .execute(&world.database.pool)
        .await
        .expect("shifted");
    assert_eq!(world.store.past_deadline().await.expect("jobs").len(), 1);
    world.check().await;
}

#[tokio::test]
async fn a_job_known_to_a_ledger_that_is_gone_begins_paused() {
    let world = World::new().await;
    let mut object = object("j");
    object.restored = true;
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let snapshot = world.store.snapshot(job_id(&object)).await.expect("a snapshot");
    assert_eq!(snapshot.job.paused_by.as_deref(), Some("restore"));
    let unpaused = observe(&world, job_id(&object), &[seen(None, Source::Annotation, Some(false), 9)]).await;
    assert_eq!(unpaused.moved, [(Object::Job, false)]);
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x"]);
    world.check().await;
}

#[tokio::test]
async fn a_job_that_an_earlier_ledger_knew_waits_until_somebody_lets_it_go() {
    for source in [Source::Annotation, Source::Spec] {
        let world = World::new().await;
        let restored = igor::store::Identity { restored: true, levels: vec![seen(None, Source::Spec, Some(false), 5)], ..object("j") };
        let job = job_id(&restored);
        world.accept(&restored, &plan(vec![layer("a", 0, vec![task("x")])])).await;
        assert_eq!(world.store.snapshot(job).await.expect("a snapshot").job.paused_by.as_deref(), Some("restore"));
        let before = observe(&world, job, &restored.levels).await;
        assert_eq!(before, Paused { settled: true, ..Paused::default() }, "what stood there before lets nothing go");
        assert_eq!(world.run_to_the_end(job).await, Vec::<String>::new());
        // A spec that said `paused: false` all along is edited to and fro.
        observe(&world, job, &[seen(None, source, Some(true), 6)]).await;
        observe(&world, job, &[seen(None, source, Some(false), 7)]).await;
        assert_eq!(world.run_to_the_end(job).await, ["a/x"]);
        world.check().await;
    }
}
