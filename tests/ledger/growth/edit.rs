//! A job grows by an edit of its spec: once, resumable between any two chunks, and behind what is there.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::plan::{LayerPlan, Plan, TaskPlan};
use igor::core::status::Status;
use igor::store::{Identity, Sighting, Source, Standing};

use super::steer;
use crate::world::{World, array, command, from_list, job_id, layer, moved_layers, object, plan, task};

fn tasks(names: &[&str]) -> Vec<TaskPlan> {
    names.iter().map(|name| task(name)).collect()
}

/// Takes a later plan in; nothing may speak against it.
async fn edit(world: &World, object: &mut Identity, plan: &Plan) -> igor::store::Accepted {
    object.generation += 1;
    let accepted = world.accept(object, plan).await;
    assert_eq!(accepted.refused, []);
    accepted
}

#[tokio::test]
async fn tasks_appended_to_a_layer_that_has_not_begun_run_with_it_and_the_same_plan_again_changes_nothing() {
    let world = World::new().await;
    let mut object = object("j");
    let first = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, tasks(&["y"]))]);
    let second = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![task("y"), array("z", 3), task("w")])]);
    world.accept(&object, &first).await;
    for _ in 0..3 {
        assert_eq!(edit(&world, &mut object, &second).await.standing, Standing::Known);
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 6);
        world.check().await;
    }
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "b/y", "b/z-0", "b/z-1", "b/z-2", "b/w"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn a_paused_open_layer_grows_by_a_type_that_was_used_up_and_by_a_new_one() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"]))])).await;
    let running = world.dispatch_all(job_id(&object)).await.tasks;
    steer(&world, job_id(&object), "a", "pause", "1").await;
    let comp = TaskPlan { kind: "comp".to_owned(), ..task("z") };
    edit(&world, &mut object, &plan(vec![layer("a", 0, vec![task("x"), task("y"), comp])])).await;
    world.check().await;
    world.say(&running, Said::Completed).await;
    assert_eq!(world.dispatch_all(job_id(&object)).await.tasks, []);
    steer(&world, job_id(&object), "a", "unpause", "2").await;
    let mut ran = world.run_to_the_end(job_id(&object)).await;
    ran.sort_unstable();
    assert_eq!(ran, ["a/y", "a/z"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn one_edit_pauses_a_running_layer_and_appends_to_it() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"]))])).await;
    object.levels = vec![Sighting { object: Object::Layer("a".to_owned()), source: Source::Spec, paused: Some(true), version: 9 }];
    edit(&world, &mut object, &plan(vec![LayerPlan { paused: true, ..layer("a", 0, tasks(&["x", "y"])) }])).await;
    let paused = world.store.observe(Some(world.epoch), job_id(&object), &object.levels, None).await.expect("seen");
    assert_eq!(paused.moved, [(Object::Layer("a".to_owned()), true)]);
    assert_eq!(world.dispatch_all(job_id(&object)).await.tasks, []);
    steer(&world, job_id(&object), "a", "unpause", "1").await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "a/y"]);
    world.check().await;
}

#[tokio::test]
async fn a_paused_job_grows_in_its_open_layers_too() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"]))])).await;
    world.store.command(Some(world.epoch), &command(job_id(&object), "pause", "1")).await.expect("paused");
    edit(&world, &mut object, &plan(vec![layer("a", 0, tasks(&["x", "y"])), layer("b", 1, tasks(&["z"]))])).await;
    assert_eq!(world.dispatch_all(job_id(&object)).await.tasks, []);
    world.store.command(Some(world.epoch), &command(job_id(&object), "unpause", "2")).await.expect("unpaused");
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "a/y", "b/z"]);
    world.check().await;
}

#[tokio::test]
async fn a_new_layer_stands_anywhere_in_the_list_and_runs_in_its_turn() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), layer("c", 9, tasks(&["z"]))])).await;
    let grown =
        plan(vec![layer("b", 5, tasks(&["y"])), layer("empty", 7, vec![]), layer("c", 9, tasks(&["z"])), layer("a", 0, tasks(&["x"]))]);
    edit(&world, &mut object, &grown).await;
    let names: Vec<String> = world.layers(job_id(&object)).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b", "empty", "c", "a"], "shown as the spec orders them");
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "b/y", "c/z"]);
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn a_held_job_grows_and_stays_held_until_it_is_retried() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"]))])).await;
    let running = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&running, Said::Errored).await;
    let grown = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, tasks(&["y"]))]);
    edit(&world, &mut object, &grown).await;
    assert_eq!(world.status(job_id(&object)).await, (Status::Errored, false));
    world.store.command(Some(world.epoch), &command(job_id(&object), "retry", "1")).await.expect("retried");
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "b/y"]);
    world.check().await;
}

#[tokio::test]
async fn an_edit_that_is_cut_off_between_any_two_chunks_goes_on_where_it_was() {
    let world = World::new().await;
    let mut object = object("j");
    let first = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![task("y"), array("z", 4)])]);
    world.accept(&object, &first).await;
    steer(&world, job_id(&object), "a", "pause", "1").await;
    let grown = plan(vec![
        layer("a", 0, vec![task("x"), array("m", 5), TaskPlan { paused: true, ..task("n") }]),
        layer("b", 1, vec![task("y"), array("z", 4), task("w"), array("v", 3)]),
        from_list(layer("c", 1, tasks(&["u"])), tasks(&["l1", "l2", "l3"])),
    ]);
    object.generation = 2;
    let mut steps = 0;
    while world.store.accept_chunk(world.epoch, &object, &grown, 3).await.expect("a chunk").is_none() {
        steps += 1;
        if steps == 1 {
            steer(&world, job_id(&object), "a", "unpause", "2").await;
        }
        let ran = world.dispatch_all(job_id(&object)).await.tasks.len();
        assert_eq!(ran, if steps == 2 { 6 } else { 0 }, "a layer hands nothing out until all of it is in");
        world.check().await;
    }
    assert_eq!(steps, 14_usize.div_ceil(3) - 1);
    assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE grow_ordinal IS NOT NULL").await, 0);
    let unpause = crate::world::asked(job_id(&object), &Object::Job, "unpause-tasks", "true", "3");
    world.store.command(Some(world.epoch), &unpause).await.expect("done");
    world.check().await;
}

#[tokio::test]
async fn an_edit_that_changes_again_while_it_loads_is_taken_back_first() {
    let world = World::new().await;
    let mut object = object("j");
    let first = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![task("y")])]);
    world.accept(&object, &first).await;
    let long = TaskPlan { args: Some(vec![1; 500]), paused: true, ..task("w") };
    let grown = |count| {
        plan(vec![
            layer("a", 0, tasks(&["x"])),
            layer("b", 1, vec![task("y"), long.clone(), array("z", count)]),
            layer("c", 2, tasks(&["v"])),
        ])
    };
    object.generation = 2;
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &grown(9), 4).await.expect("a chunk"), None);
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 6);
    // Another length of the array: that is another task.
    edit(&world, &mut object, &grown(2)).await;
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 6);
    world.check().await;
    let more = plan(vec![
        layer("a", 0, tasks(&["x"])),
        layer("b", 1, vec![task("y"), long.clone(), array("z", 2), array("m", 8)]),
        layer("c", 2, tasks(&["v"])),
        layer("d", 3, tasks(&["u"])),
    ]);
    object.generation += 1;
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &more, 4).await.expect("a chunk"), None);
    // And back to what was accepted before.
    edit(&world, &mut object, &grown(2)).await;
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 6);
    assert_eq!(world.count("SELECT count(*) FROM igor.layers").await, 3);
    world.check().await;
}

#[tokio::test]
async fn an_edit_that_appends_more_while_the_first_loads_goes_on() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![])])).await;
    let grown = |more: &[TaskPlan]| plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, [&[array("z", 9)], more].concat())]);
    object.generation = 2;
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &grown(&[]), 4).await.expect("a chunk"), None);
    edit(&world, &mut object, &grown(&tasks(&["w"]))).await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 11);
    world.check().await;
}

#[tokio::test]
async fn a_kill_while_an_edit_loads_takes_it_back_and_a_retry_lets_it_in() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![])])).await;
    let grown = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![array("z", 9)]), layer("c", 2, tasks(&["w"]))]);
    object.generation = 2;
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &grown, 4).await.expect("a chunk"), None);
    world.store.command(Some(world.epoch), &command(job_id(&object), "kill", "1")).await.expect("killed");
    world.check().await;
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 1);
    let ended = world.accept(&object, &grown).await;
    assert_eq!((ended.standing, ended.refused.len()), (Standing::Ended, 2));
    world.store.command(Some(world.epoch), &command(job_id(&object), "retry", "2")).await.expect("retried");
    edit(&world, &mut object, &grown).await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 11);
    world.check().await;
}

#[tokio::test]
async fn what_will_not_go_on_is_taken_back_and_the_next_layer_opens() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, tasks(&["y"]))])).await;
    object.generation = 2;
    let grown = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![task("y"), array("z", 9)])]);
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &grown, 4).await.expect("a chunk"), None);
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x"], "a layer that is loading does not open");
    let change = world.store.take_back(world.epoch, job_id(&object)).await.expect("taken back");
    assert_eq!(moved_layers(&change), [("b", Status::Running)]);
    let again = world.store.take_back(world.epoch, job_id(&object)).await.expect("nothing");
    assert_eq!(moved_layers(&again), []);
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["b/y"]);
    world.check().await;
}

#[tokio::test]
async fn two_callers_at_once_grow_a_job_once() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![])])).await;
    let grown = plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, vec![array("z", 500)]), layer("c", 1, tasks(&["w"]))]);
    object.generation = 2;
    let (one, two) = tokio::join!(world.store.accept(world.epoch, &object, &grown), world.store.accept(world.epoch, &object, &grown));
    assert_eq!((one.expect("accepted").refused, two.expect("accepted").refused), (vec![], vec![]));
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 502);
    world.check().await;
}

#[tokio::test]
async fn a_layer_with_a_list_takes_inline_tasks_behind_the_list() {
    let world = World::new().await;
    let mut object = object("j");
    let listed = from_list(layer("b", 1, tasks(&["y"])), tasks(&["l1", "l2"]));
    world.accept(&object, &plan(vec![layer("a", 0, tasks(&["x"])), listed])).await;
    // The list is not read again.
    let inline = LayerPlan { sources_hash: Some([7; 32]), ..layer("b", 1, tasks(&["y", "z"])) };
    let grown = plan(vec![layer("a", 0, tasks(&["x"])), inline]);
    edit(&world, &mut object, &grown).await;
    assert_eq!(world.run_to_the_end(job_id(&object)).await, ["a/x", "b/y", "b/l1", "b/l2", "b/z"]);
    world.check().await;
}

#[tokio::test]
async fn single_tasks_and_edits_of_one_layer_do_not_get_in_each_others_way() {
    let world = World::new().await;
    let mut object = object("j");
    let with = |names: &[&str]| plan(vec![layer("a", 0, tasks(&["x"])), layer("b", 1, tasks(names))]);
    world.accept(&object, &with(&["y"])).await;
    for (round, names) in [&["y"][..], &["y", "z"], &["y", "z", "w"]].into_iter().enumerate() {
        world.store.add_tasks(None, job_id(&object), "b", &[task(&format!("own{round}"))]).await.expect("added");
        edit(&world, &mut object, &with(names)).await;
        world.check().await;
    }
    let ran = world.run_to_the_end(job_id(&object)).await;
    assert_eq!(ran, ["a/x", "b/y", "b/own0", "b/own1", "b/z", "b/own2", "b/w"]);
    world.check().await;
}
