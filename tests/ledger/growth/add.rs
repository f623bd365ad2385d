//! Single tasks added to a layer: all or none, once, behind what is there, and only where nothing has begun or all stands still.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::id;
use igor::core::plan::{MAX_TASKS, TaskPlan};
use igor::core::status::Status;
use igor::store::{Added, Adding, NotAdded};
use uuid::Uuid;

use super::steer;
use crate::world::{World, array, asked, command, job_id, layer, object, plan, task};

async fn add(world: &World, job: Uuid, layer: &str, tasks: &[TaskPlan]) -> Adding {
    world.store.add_tasks(Some(world.epoch), job, layer, tasks).await.expect("an answer")
}

fn reason(adding: &Adding) -> &'static str {
    match adding {
        Adding::Refused(why) => why.reason(),
        Adding::Added(_) => "added",
        Adding::Later => "later",
    }
}

#[tokio::test]
async fn tasks_are_added_to_a_layer_that_has_not_begun_once_and_run_last() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![array("y", 2)])])).await;
    let job = job_id(&object);
    let more = [TaskPlan { kind: "comp".to_owned(), ..task("new") }, TaskPlan { args: Some(vec![7; 9_000]), ..task("long") }];
    let ids = more.iter().map(|task| id::task(object.created_ms, &object.uid, "b", &task.name)).collect::<Vec<Uuid>>();
    assert_eq!(add(&world, job, "b", &more).await, Adding::Added(Added { tasks: ids.clone(), written: 2 }));
    assert_eq!(add(&world, job, "b", &more).await, Adding::Added(Added { tasks: ids.clone(), written: 0 }));
    world.check().await;
    world.run_to_the_end(job).await;
    let ordinals: Vec<(String, i32)> =
        sqlx::query_as("SELECT t.name, t.ordinal FROM igor.tasks t JOIN igor.layers l ON l.id = t.layer_id AND l.name = 'b' ORDER BY 2")
            .fetch_all(&world.database.pool)
            .await
            .expect("rows");
    let ordinals: Vec<(&str, i32)> = ordinals.iter().map(|(name, ordinal)| (name.as_str(), *ordinal)).collect();
    assert_eq!(ordinals, [("y-0", 0), ("y-1", 1), ("new", 2), ("long", 3)]);
    assert_eq!(world.status(job).await, (Status::Completed, true));
    assert_eq!(add(&world, job, "b", &more).await, Adding::Added(Added { tasks: ids, written: 0 }), "said again when all is over");
    world.check().await;
}

#[tokio::test]
async fn a_paused_open_layer_takes_tasks_of_a_new_type_and_of_one_that_was_used_up() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])])).await;
    let job = job_id(&object);
    let running = world.dispatch_all(job).await.tasks;
    let more = [task("late"), TaskPlan { kind: "comp".to_owned(), ..task("other") }];
    assert_eq!(reason(&add(&world, job, "a", &more).await), "LayerStarted");
    steer(&world, job, "a", "pause", "1").await;
    assert_eq!(reason(&add(&world, job, "a", &more).await), "added");
    world.say(&running, Said::Completed).await;
    world.check().await;
    assert_eq!(world.layers(job).await[0].1, Status::Running, "a paused layer does not end");
    steer(&world, job, "a", "unpause", "2").await;
    let mut ran = world.run_to_the_end(job).await;
    ran.sort_unstable();
    assert_eq!(ran, ["a/late", "a/other"]);
    assert_eq!(world.status(job).await, (Status::Completed, true));
    world.check().await;
}

#[tokio::test]
async fn a_task_added_paused_waits_until_it_is_let_go() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])])).await;
    let job = job_id(&object);
    add(&world, job, "b", &[TaskPlan { paused: true, ..task("held") }]).await;
    world.check().await;
    assert_eq!(world.run_to_the_end(job).await, ["a/x"]);
    let unpause = asked(job, &Object::Job, "unpause-tasks", "b/held", "1");
    world.store.command(Some(world.epoch), &unpause).await.expect("done");
    assert_eq!(world.run_to_the_end(job).await, ["b/held"]);
    world.check().await;
}

#[tokio::test]
async fn what_is_refused_says_why_and_adds_nothing_of_the_call() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![task("y"), array("z", 2)])])).await;
    let job = job_id(&object);
    let other = TaskPlan { kind: "comp".to_owned(), ..task("y") };
    let cases = [
        (Uuid::nil(), "b", vec![task("n")], "JobNotFound", "the ledger does not know the job"),
        (job, "c", vec![task("n")], "LayerNotFound", "the job has no layer c"),
        (job, "a", vec![task("n")], "LayerStarted", "the layer has begun: pause it first, or add a layer behind it"),
        (job, "b", vec![task("n"), other], "DuplicateTaskName", "the layer has a task y already, with another type"),
        (job, "b", vec![task("n"), task("z-1")], "DuplicateTaskName", "the layer has a task z-1 already, with another count"),
        (job, "b", vec![task("n"), task("n")], "DuplicateTaskName", "n is given twice"),
        (job, "b", vec![task("n"), array("m", 2)], "InvalidSpec", "m: an array is added by an edit of the job"),
    ];
    for (job, layer, tasks, reason, message) in cases {
        let Adding::Refused(why) = add(&world, job, layer, &tasks).await else { panic!("{message}") };
        assert_eq!((why.reason(), why.to_string().as_str()), (reason, message));
    }
    assert_eq!(world.count("SELECT count(*) FROM igor.tasks").await, 4);
    world.check().await;
}

#[tokio::test]
async fn an_ended_or_deleted_job_takes_no_tasks() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![]), layer("b", 1, vec![task("x")])])).await;
    let job = job_id(&object);
    world.store.command(Some(world.epoch), &command(job, "kill", "1")).await.expect("killed");
    let why = NotAdded::LayerStarted("the job has ended".to_owned());
    assert_eq!(add(&world, job, "b", &[task("n")]).await, Adding::Refused(why));
    world.store.command(Some(world.epoch), &igor::store::Command::deletion(job, "ann")).await.expect("deleted");
    assert_eq!(reason(&add(&world, job, "b", &[task("n")]).await), "JobNotFound");
    world.check().await;
}

#[tokio::test]
async fn a_job_never_has_more_tasks_than_a_plan_may_have() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])])).await;
    // As if all the others were there: a million rows take long.
    let full = "UPDATE igor.layers SET n_expected = $1, n_loaded = $1 WHERE name = 'a'";
    let rows = i32::try_from(MAX_TASKS).expect("a number") - 1;
    sqlx::query(full).bind(rows).execute(&world.database.pool).await.expect("a full layer");
    assert_eq!(reason(&add(&world, job_id(&object), "b", &[task("n"), task("m")]).await), "TooLarge");
    assert_eq!(reason(&add(&world, job_id(&object), "b", &[task("n")]).await), "added");
}

#[tokio::test]
async fn a_job_that_is_still_loading_is_to_be_asked_again() {
    let world = World::new().await;
    let (object, plan) = (object("j"), plan(vec![layer("a", 0, vec![array("t", 10)])]));
    assert_eq!(world.store.accept_chunk(world.epoch, &object, &plan, 4).await.expect("a chunk"), None);
    assert_eq!(add(&world, job_id(&object), "a", &[task("n")]).await, Adding::Later);
    world.check().await;
}

#[tokio::test]
async fn two_callers_at_once_add_a_task_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])])).await;
    let job = job_id(&object);
    let tasks: Vec<TaskPlan> = (0..50).map(|place| task(&format!("n{place}"))).collect();
    let (one, two) = tokio::join!(world.store.add_tasks(None, job, "b", &tasks), world.store.add_tasks(None, job, "b", &tasks));
    let written = [one, two].map(|adding| match adding.expect("an answer") {
        Adding::Added(added) => added.written,
        other => panic!("{other:?}"),
    });
    assert_eq!(written.iter().sum::<u32>(), 50);
    let dirty: Vec<Uuid> = world.store.take_dirty(world.epoch).await.expect("dirty").into_iter().map(|live| live.job_id).collect();
    assert_eq!(dirty, [job], "the leader is told");
    world.check().await;
}
