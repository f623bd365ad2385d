//! What an edit may not change is named, nothing of it is taken in, and what may change at any time is taken over all the same.

use std::time::Duration;

use igor::core::job::OnFailure;
use igor::core::plan::{Backoff, LayerPlan, MAX_TASKS, Plan, TaskPlan};
use igor::core::status::Status;
use igor::store::Standing;

use crate::world::{World, array, from_list, job_id, layer, object, plan, task};

fn base() -> Vec<TaskPlan> {
    vec![task("p"), array("q", 5), TaskPlan { args: Some(vec![1; 300]), ..task("r") }]
}

/// A job whose first layer runs and whose second waits; gives what is said of edits of it.
async fn refused(edits: Vec<Plan>) -> Vec<Vec<String>> {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 5, base())])).await;
    let mut said = Vec::new();
    for edit in edits {
        object.generation += 1;
        let accepted = world.accept(&object, &edit).await;
        assert_eq!(accepted.standing, Standing::Known);
        said.push(accepted.refused.iter().map(|fault| format!("{} {fault}", fault.reason.as_str())).collect());
        world.check().await;
    }
    object.generation += 1;
    let back = world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 5, base())])).await;
    assert_eq!(back.refused, [], "put back as it was");
    let ran = world.run_to_the_end(job_id(&object)).await;
    assert_eq!(ran, ["a/x", "b/p", "b/q-0", "b/q-1", "b/q-2", "b/q-3", "b/q-4", "b/r"], "the job runs on as it was accepted");
    assert_eq!(world.status(job_id(&object)).await, (Status::Completed, true));
    said
}

fn with(tasks: Vec<TaskPlan>) -> Plan {
    plan(vec![layer("a", 0, vec![task("x")]), layer("b", 5, tasks)])
}

#[tokio::test]
async fn the_first_task_that_differs_is_named_with_its_field() {
    let at = |place: usize, task: TaskPlan| {
        let mut tasks = base();
        tasks[place] = task;
        with(tasks)
    };
    let long = TaskPlan { args: Some(vec![1; 300]), ..task("r") };
    let moved = vec![array("q", 5), task("p"), long.clone()];
    let edits = vec![
        (at(0, task("other")), "tasks[0].name: is not as it was accepted"),
        (at(0, TaskPlan { title: Some("P".to_owned()), ..task("p") }), "tasks[0].title: is not as it was accepted"),
        (at(0, TaskPlan { kind: "comp".to_owned(), ..task("p") }), "tasks[0].type: is not as it was accepted"),
        (at(0, array("p", 2)), "tasks[0].name: is not as it was accepted"),
        (at(1, array("q", 4)), "tasks[1].count: is not as it was accepted"),
        (at(1, array("q", 6)), "tasks[1].count: is not as it was accepted"),
        (at(1, TaskPlan { args: None, ..array("q", 5) }), "tasks[1].args: is not as it was accepted"),
        (at(2, TaskPlan { args: Some(vec![2; 300]), ..long.clone() }), "tasks[2].args: is not as it was accepted"),
        (at(2, TaskPlan { max_failures: 3, ..long.clone() }), "tasks[2].retries: is not as it was accepted"),
        (at(2, TaskPlan { timeout_ms: Some(9), ..long.clone() }), "tasks[2].timeoutSeconds: is not as it was accepted"),
        (
            at(2, TaskPlan { paused: true, ..long }),
            "tasks: paused of a task holds when it is made: igor/pause-tasks and igor/unpause-tasks change it afterwards",
        ),
        (with(moved), "tasks[0].name: is not as it was accepted"),
        (with(base()[..1].to_vec()), "tasks[1]: is gone, and an accepted task stays: skip it"),
        (with(vec![]), "tasks[0]: is gone, and an accepted task stays: skip it"),
        (with([vec![task("new")], base()].concat()), "tasks[0].name: is not as it was accepted"),
    ];
    let (edits, expected): (Vec<Plan>, Vec<&str>) = edits.into_iter().unzip();
    for (said, expected) in refused(edits).await.into_iter().zip(expected) {
        assert_eq!(said, [format!("ImmutablePlan layers[b].{expected}")]);
    }
}

#[tokio::test]
async fn everything_that_is_refused_is_told_at_once_and_nothing_of_the_edit_is_taken_in() {
    let edit = Plan {
        on_failure: OnFailure::Continue,
        backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_mins(1) },
        ..plan(vec![layer("early", 0, vec![]), layer("late", 9, vec![task("n")]), layer("a", 0, vec![task("x"), task("y")])])
    };
    let expected = [
        "ImmutablePlan onFailure: is Hold and cannot be changed",
        "ImmutablePlan defaults.backoff: is 10 s, at most 60 s, and cannot be changed",
        "ImmutablePlan layers[a].tasks[1]: cannot be appended: the layer has begun: pause it first, or add a layer behind it",
        "ImmutablePlan layers[b]: is gone, and an accepted layer stays: put it back, or skip it",
        "ImmutablePlan layers[early].priority: must be more than 0, for layer a of that priority has begun: add it under another name, with a higher one",
    ];
    assert_eq!(refused(vec![edit]).await, [expected]);
}

#[tokio::test]
async fn a_list_is_not_changed_after_it_was_read() {
    let listed = LayerPlan { sources_hash: Some([9; 32]), ..layer("b", 5, base()) };
    let expected =
        ["ImmutablePlan layers[b].tasksFrom: is read once, when the layer is accepted: put more tasks into tasks, or into a new layer"];
    assert_eq!(refused(vec![plan(vec![layer("a", 0, vec![task("x")]), listed])]).await, [expected]);
}

#[tokio::test]
async fn names_that_a_list_or_a_single_task_has_are_taken() {
    let world = World::new().await;
    let mut object = object("j");
    let listed = from_list(layer("b", 1, vec![task("y")]), vec![task("l"), array("m", 3), task("frame-7")]);
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), listed])).await;
    world.store.add_tasks(None, job_id(&object), "b", &[task("own"), task("shot-02")]).await.expect("added");
    let with = |more: TaskPlan| {
        let inline = LayerPlan { sources_hash: Some([7; 32]), ..layer("b", 1, vec![task("y"), task("new"), more]) };
        plan(vec![layer("a", 0, vec![task("x")]), inline])
    };
    let taken = [(task("l"), "l"), (task("m-2"), "m-2"), (array("m", 1), "m-0"), (array("frame", 8), "frame-7"), (task("own"), "own")];
    for (more, name) in taken {
        object.generation += 1;
        let said: Vec<String> = world.accept(&object, &with(more)).await.refused.iter().map(ToString::to_string).collect();
        let words = format!("the layer has a task {name} already, from a list or added by itself: give this one another name");
        assert_eq!(said, [format!("layers[b].tasks[2].name: {words}")]);
        world.check().await;
    }
    // No element of an array is called so.
    for more in [array("frame", 7), array("shot", 5)] {
        let more = vec![task("y"), task("new"), array("frame", 7), array("shot", 5)]
            .into_iter()
            .take(if more.name == "frame" { 3 } else { 4 })
            .collect();
        let inline = LayerPlan { sources_hash: Some([7; 32]), ..layer("b", 1, more) };
        object.generation += 1;
        assert_eq!(world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), inline])).await.refused, []);
    }
    assert_eq!(world.run_to_the_end(job_id(&object)).await.len(), 1 + 1 + 5 + 2 + 1 + 12);
    world.check().await;
}

#[tokio::test]
async fn a_job_that_would_be_too_large_does_not_grow() {
    let world = World::new().await;
    let mut object = object("j");
    let listed = from_list(layer("b", 1, vec![]), vec![array("l", 9)]);
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), listed])).await;
    object.generation = 2;
    let inline = LayerPlan { sources_hash: Some([7; 32]), ..layer("b", 1, vec![array("n", MAX_TASKS - 9)]) };
    let said: Vec<String> = world
        .accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), inline]))
        .await
        .refused
        .iter()
        .map(|fault| format!("{} {fault}", fault.reason.as_str()))
        .collect();
    assert_eq!(said, ["TooLarge layers: would have 1000001 tasks with those that are there, at most 1000000"]);
    world.check().await;
}

#[tokio::test]
async fn live_fields_are_taken_over_whether_the_plan_is_accepted_or_not() {
    let world = World::new().await;
    let mut object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    for (limit, tasks, is_refused) in [(7, vec![task("x")], false), (8, vec![task("y")], true)] {
        object.generation += 1;
        let a = LayerPlan { title: Some(format!("A{limit}")), max_in_flight: Some(limit + 1), ..layer("a", 0, tasks) };
        let edit = Plan {
            title: Some(format!("J{limit}")),
            priority: -1,
            max_in_flight: Some(limit),
            deadline_seconds: Some(limit),
            ..plan(vec![a])
        };
        assert_eq!(!world.accept(&object, &edit).await.refused.is_empty(), is_refused);
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT concat_ws(' ', j.title, j.lane, j.max_in_flight, j.deadline_s, j.generation, l.title, l.max_in_flight,
                              extract(epoch FROM v.deadline_at - j.started_at)::int)
             FROM igor.jobs j JOIN igor.layers l ON l.job_id = j.id JOIN igor.live_jobs v ON v.job_id = j.id",
        )
        .fetch_all(&world.database.pool)
        .await
        .expect("rows");
        assert_eq!(rows, [format!("J{limit} 2 {limit} {limit} 2 A{limit} {} {limit}", limit + 1)]);
        world.check().await;
    }
}
