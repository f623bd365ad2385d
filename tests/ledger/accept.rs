//! A plan becomes rows: once, resumable between any two chunks, with the ids that the core computes.

use igor::core::command::Object;
use igor::core::id;
use igor::core::plan::TaskPlan;
use igor::core::status::Status;
use igor::store::{Sighting, Source, Standing};

use crate::world::{World, array, from_list, job_id, layer, moved_layers, object, plan, task};

#[tokio::test]
async fn a_plan_is_accepted_once_and_its_first_layers_open() {
    let world = World::new().await;
    let (object, plan) = (object("j"), plan(vec![layer("a", 0, vec![task("x"), array("y", 3)]), layer("b", 1, vec![task("z")])]));
    let first = world.accept(&object, &plan).await;
    assert_eq!((first.standing, first.job_id), (Standing::Fresh, job_id(&object)));
    assert_eq!(moved_layers(&first.change), [("a", Status::Running)]);
    assert_eq!(
        first.change.opened.iter().map(|open| (open.kind.as_str(), open.next_ordinal, open.end)).collect::<Vec<_>>(),
        [("render", 0, 4)]
    );
    let again = world.accept(&object, &plan).await;
    assert_eq!((again.standing, again.refused.is_empty(), again.change.opened.is_empty()), (Standing::Known, true, true));
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 5);
    world.check().await;
}

#[tokio::test]
async fn pause_levels_are_taken_with_the_row_and_not_with_what_is_loaded_later() {
    let world = World::new().await;
    let plan = plan(vec![layer("a", 0, vec![array("y", 5)])]);
    assert!(world.accept(&object("whole"), &plan).await.inserted);
    let parts = object("parts");
    assert!(world.store.accept_chunk(world.epoch, &parts, &plan, 3).await.expect("a chunk").is_none());
    let last = world.store.accept_chunk(world.epoch, &parts, &plan, 3).await.expect("a chunk").expect("the last");
    assert_eq!((last.standing, last.inserted), (Standing::Fresh, false));
    world.check().await;
}

#[tokio::test]
async fn the_database_computes_the_same_ids_as_the_core() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("y", 1200)])])).await;
    let rows: Vec<(uuid::Uuid, String, i32)> =
        sqlx::query_as("SELECT id, name, ix FROM igor.tasks ORDER BY ordinal").fetch_all(&world.database.pool).await.expect("rows");
    for (place, (found, name, ix)) in rows.iter().enumerate() {
        assert_eq!((name.clone(), *ix), (format!("y-{place}"), i32::try_from(place).expect("an index")));
        assert_eq!(*found, id::task(object.created_ms, &object.uid, "a", name));
    }
    assert_eq!(rows.len(), 1200);
}

#[tokio::test]
async fn an_accept_that_is_cut_off_between_any_two_chunks_goes_on_where_it_was() {
    let world = World::new().await;
    let single = |count: usize| (0..count).map(|place| task(&format!("s{place}"))).collect::<Vec<TaskPlan>>();
    let mut mixed = single(7);
    mixed.insert(3, array("y", 11));
    let plan = plan(vec![layer("a", 0, mixed), layer("empty", 0, vec![]), layer("b", 1, vec![array("z", 5), task("last")])]);
    let object = object("j");
    let mut steps = 0;
    // Each call stands for another process: nothing is kept between them but the ledger.
    while world.store.accept_chunk(world.epoch, &object, &plan, 3).await.expect("a chunk").is_none() {
        steps += 1;
        let open = world.store.open_types().await.expect("open types");
        assert_eq!(open, [], "nothing opens while it is loading");
        assert_eq!(world.status(job_id(&object)).await, (Status::Pending, false));
        world.check().await;
    }
    assert_eq!(steps, 24_usize.div_ceil(3) - 1);
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Known);
    let ran = world.run_to_the_end(job_id(&object)).await;
    assert_eq!(ran.len(), 24);
    assert_eq!(ran[..5], ["a/s0", "a/s1", "a/s2", "a/y-0", "a/y-1"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn two_callers_at_once_accept_a_plan_once() {
    let world = World::new().await;
    let (object, plan) = (object("j"), plan(vec![layer("a", 0, vec![array("t", 500)])]));
    let (one, two) = tokio::join!(world.store.accept(world.epoch, &object, &plan), world.store.accept(world.epoch, &object, &plan));
    for outcome in [one, two] {
        // Who comes second may be told to try again; then it finds the job.
        if let Err(error) = outcome {
            assert_eq!(error.class(), igor::store::Class::Transient, "{error:?}");
        }
    }
    assert_eq!(world.accept(&object, &plan).await.standing, Standing::Known);
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 500);
    world.check().await;
}

#[tokio::test]
async fn a_plan_edited_while_it_loads_takes_the_place_of_the_first() {
    let world = World::new().await;
    let object = object("j");
    let first = plan(vec![layer("a", 0, vec![array("t", 10)])]);
    assert!(world.store.accept_chunk(world.epoch, &object, &first, 4).await.expect("a chunk").is_none());
    let second = plan(vec![layer("a", 0, vec![array("u", 6)]), layer("b", 1, vec![task("v")])]);
    assert_eq!(world.accept(&object, &second).await.standing, Standing::Fresh);
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 7);
    world.check().await;
}

#[tokio::test]
async fn a_list_that_changes_while_it_loads_is_not_mixed_with_what_it_was() {
    for (was, becomes) in [(8, 8), (8, 6), (4, 9)] {
        let world = World::new().await;
        let object = object("j");
        // The spec says the same of both: it only names the list.
        let of_list = |word: &str, count: usize| {
            let tasks = (0..count).map(|place| TaskPlan { args: Some(word.as_bytes().to_vec()), ..task(&format!("t{place}")) }).collect();
            let listed = from_list(layer("a", 0, vec![]), tasks);
            plan(vec![listed, layer("b", 1, vec![task("last")])])
        };
        let first = of_list("old", was);
        assert!(world.store.accept_chunk(world.epoch, &object, &first, 3).await.expect("a chunk").is_none());
        let second = of_list("new", becomes);
        while world.store.accept_chunk(world.epoch, &object, &second, 3).await.expect("a chunk").is_none() {
            world.check().await;
        }
        let tasks = world.dispatch_all(job_id(&object)).await.tasks;
        assert_eq!(tasks.len(), becomes);
        assert!(tasks.iter().all(|task| task.args[..] == *b"new"), "{tasks:?}");
        // Accepted, it is what it is: what the list says later is another job's business.
        let mut newer = of_list("newer", becomes);
        newer.layers[0].tasks.clear();
        let accepted = world.accept(&object, &newer).await;
        assert_eq!((accepted.standing, accepted.refused), (Standing::Known, Vec::new()));
        world.check().await;
    }
}

#[tokio::test]
async fn limits_and_priority_of_a_later_generation_are_taken_over_and_older_ones_are_not() {
    let world = World::new().await;
    let mut object = object("j");
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 10)])]);
    world.accept(&object, &plan).await;
    object.generation = 2;
    (plan.priority, plan.max_in_flight, plan.layers[0].max_in_flight) = (5, Some(7), Some(4));
    let open = world.accept(&object, &plan).await.change.opened;
    assert_eq!(open.iter().map(|open| (open.lane, open.job_limit, open.layer_limit)).collect::<Vec<_>>(), [(0, Some(7), Some(4))]);
    object.generation = 1;
    plan.priority = -5;
    world.accept(&object, &plan).await;
    let open = world.store.open_types().await.expect("open types");
    assert_eq!(open[0].lane, 0);
    world.check().await;
}

#[tokio::test]
async fn a_job_of_empty_layers_is_complete_at_once() {
    let world = World::new().await;
    let object = object("j");
    let change = world.accept(&object, &plan(vec![layer("a", 0, vec![]), layer("b", 1, vec![])])).await.change;
    assert_eq!((change.status, change.finished), (Some(Status::Completed), true));
    assert_eq!(moved_layers(&change), [("a", Status::Completed), ("b", Status::Completed)]);
    assert_eq!(world.store.live_jobs().await.expect("live jobs"), []);
    let again = world.accept(&object, &plan(vec![layer("a", 0, vec![]), layer("b", 1, vec![])])).await;
    assert_eq!(again.standing, Standing::Ended);
    world.check().await;
}

#[tokio::test]
async fn the_pause_level_of_the_spec_holds_from_the_first_transaction() {
    let world = World::new().await;
    let mut object = object("j");
    object.levels = vec![Sighting { object: Object::Job, source: Source::Spec, paused: Some(true), version: 7 }];
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    assert_eq!(world.store.open_types().await.expect("open types"), []);
    let snapshot = world.store.snapshot(job_id(&object)).await.expect("a snapshot");
    assert_eq!((snapshot.job.paused_by.as_deref(), snapshot.job.status), (Some("spec"), Status::Pending));
    world.check().await;
}

#[tokio::test]
async fn arguments_arrive_as_they_were_given_short_long_shared_and_none() {
    let world = World::new().await;
    let object = object("j");
    let long = TaskPlan { args: Some(vec![0xFF; 9_000]), ..task("long") };
    let none = TaskPlan { args: None, ..task("none") };
    let apart = TaskPlan { args: Some(vec![0xFE; 9_000]), ..array("apart", 2) };
    let large = TaskPlan { args: Some(b"large".to_vec()), ..array("large", 120) };
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("short"), long, none, array("shared", 2), apart, large])])).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    let args: Vec<(&str, &[u8])> = tasks.iter().take(8).map(|task| (task.name.as_str(), &task.args[..])).collect();
    let expected: [(&str, &[u8]); 8] = [
        ("short", b"short"),
        ("long", &[0xFF; 9_000]),
        ("none", b""),
        ("shared-0", b"shared"),
        ("shared-1", b"shared"),
        ("apart-0", &[0xFE; 9_000]),
        ("apart-1", &[0xFE; 9_000]),
        ("large-0", b"large"),
    ];
    assert_eq!(args, expected);
    assert_eq!(tasks.len(), 127);
    assert!(tasks[7..].iter().all(|task| task.args[..] == *b"large"));
}
