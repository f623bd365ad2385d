//! Lists of tasks.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::id;
use igor::core::plan::TaskPlan;
use igor::core::status::Status;
use igor::store::{Order, TaskFilter, TaskRow};

use super::all_tasks;
use crate::world::{World, array, asked, job_id, layer, object, plan, task};

fn kind(kind: &str, task: TaskPlan) -> TaskPlan {
    TaskPlan { kind: kind.to_owned(), ..task }
}

#[tokio::test]
async fn paging_sees_every_task_once_by_type_and_place_while_others_are_added() {
    let world = World::new().await;
    let object = object("j");
    let mixed = vec![kind("render", array("r", 12)), kind("comp", task("c")), kind("render", task("last"))];
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("first")]), layer("b", 1, mixed)])).await;
    let job = job_id(&object);
    let b = world.store.layers(job).await.expect("layers")[1].layer_id;
    let mut expected = vec!["c".to_owned()];
    expected.extend((0..12).map(|ix| format!("r-{ix}")));
    expected.push("last".to_owned());
    for limit in [1, 4, 100] {
        assert_eq!(all_tasks(&world, b, &TaskFilter::default(), Order::Usual, limit).await, expected, "{limit}");
    }
    let page = world.store.tasks(b, &TaskFilter::default(), Order::Usual, None, 5).await.expect("a page");
    world.store.add_tasks(None, job, "b", &[kind("render", task("more"))]).await.expect("added");
    let rest = world.store.tasks(b, &TaskFilter::default(), Order::Usual, page.next.as_ref(), 100).await.expect("a page");
    let seen: Vec<String> = page.items.into_iter().chain(rest.items).map(|task| task.name).collect();
    expected.push("more".to_owned());
    assert_eq!(seen, expected);
    expected.reverse();
    assert_eq!(all_tasks(&world, b, &TaskFilter::default(), Order::Reversed, 3).await, expected);
}

#[tokio::test]
async fn each_filter_keeps_what_it_says_and_a_task_is_shown_whole() {
    let world = World::new().await;
    let object = object("j");
    let tasks = vec![task("ok"), task("bad_1"), kind("comp", task("other")), TaskPlan { paused: true, ..task("held") }];
    world.accept(&object, &plan(vec![layer("a", 0, tasks)])).await;
    let job = job_id(&object);
    let a = world.store.layers(job).await.expect("layers")[0].layer_id;
    let sent = world.dispatch_all(job).await.tasks;
    let named = |name: &str| sent.iter().filter(|task| task.name == name).cloned().collect::<Vec<_>>();
    world.say(&named("ok"), Said::Completed).await;
    world.say(&named("bad_1"), Said::Errored).await;
    world.store.command(None, &asked(job, &Object::Job, "kill", "a/other", "1")).await.expect("killed");
    let cases: [(&str, TaskFilter, &[&str]); 6] = [
        ("a status", TaskFilter { statuses: vec![Status::Errored], ..Default::default() }, &["other", "bad_1"]),
        ("a type", TaskFilter { kind: Some("comp".to_owned()), ..Default::default() }, &["other"]),
        ("a text", TaskFilter { contains: Some("D_".to_owned()), ..Default::default() }, &["bad_1"]),
        ("a reason", TaskFilter { reason: Some("Killed".to_owned()), ..Default::default() }, &["other"]),
        ("paused", TaskFilter { paused: Some(true), ..Default::default() }, &["held"]),
        ("nothing", TaskFilter { statuses: vec![Status::Skipped], ..Default::default() }, &[]),
    ];
    for (what, filter, expected) in cases {
        assert_eq!(all_tasks(&world, a, &filter, Order::Usual, 1).await, expected, "{what}");
    }
    let by_name = id::task(object.created_ms, &object.uid, "a", "bad_1");
    let shown = world.store.task_of_layer(a, by_name, "bad_1").await.expect("an answer").expect("a task");
    let expected = TaskRow {
        task_id: by_name,
        layer_id: a,
        job_id: job,
        name: "bad_1".to_owned(),
        title: None,
        ordinal: 1,
        ix: None,
        kind: "render".to_owned(),
        status: Status::Errored,
        reason: Some("Failed".to_owned()),
        message: Some("bad_1 said Errored".to_owned()),
        version: 3,
        attempt: 1,
        failures: 1,
        lost: 0,
        max_failures: 1,
        timeout_ms: None,
        paused: false,
        due_ms: None,
        updated_ms: shown.updated_ms,
    };
    assert_eq!(shown, expected);
    assert_eq!(world.store.tasks_by_id(job, &[by_name]).await.expect("tasks"), [expected]);
    assert_eq!(world.store.task_of_layer(a, uuid::Uuid::nil(), "bad_1").await.expect("an answer").map(|task| task.task_id), Some(by_name));
    assert_eq!(world.store.args_of_task(by_name).await.expect("an answer"), Some(b"bad_1".to_vec()));
    assert_eq!(world.store.args_of_task(job).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_filter_that_few_tasks_pass_gives_short_parts_and_finds_them_all() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 25_000)])])).await;
    let job = job_id(&object);
    let a = world.store.layers(job).await.expect("layers")[0].layer_id;
    world.store.command(None, &asked(job, &Object::Job, "skip", "a/24999", "1")).await.expect("skipped");
    let skipped = TaskFilter { statuses: vec![Status::Skipped], ..TaskFilter::default() };
    let first = world.store.tasks(a, &skipped, Order::Usual, None, 10).await.expect("a page");
    assert!(first.items.is_empty() && first.next.is_some(), "{first:?}");
    assert_eq!(all_tasks(&world, a, &skipped, Order::Usual, 10).await, ["t-24999"]);
    let last = world.store.tasks(a, &skipped, Order::Reversed, None, 10).await.expect("a page");
    assert_eq!(last.items.len(), 1, "from the other end it comes first");
}
