//! Attempts, changes and commands, and what is open.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::plan::TaskPlan;
use igor::core::status::Status;
use igor::store::{AttemptRow, OpenWork, Page};
use uuid::Uuid;

use crate::world::{World, array, asked, job_id, layer, object, plan, task};

#[tokio::test]
async fn the_attempts_of_a_task_are_told_one_by_one() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![TaskPlan { max_failures: 2, ..task("x") }])])).await;
    let job = job_id(&object);
    let first = world.dispatch_all(job).await.tasks;
    world.say(&first, Said::Running).await;
    world.say(&first, Said::Errored).await;
    world.end_backoff().await;
    world.dispatch_all(job).await;
    let task = first[0].task_id;
    let Page { items, next } = world.store.attempts(task, 0, 1).await.expect("a page");
    let [ended] = <[AttemptRow; 1]>::try_from(items).expect("one");
    let expected = AttemptRow {
        attempt: 1,
        queued_ms: ended.queued_ms,
        running_ms: ended.running_ms,
        ended_ms: ended.ended_ms,
        ended_as: Some(Status::Pending),
        reason: Some("Failed".to_owned()),
        actor: Some("worker w-1".to_owned()),
    };
    assert!(ended.running_ms.is_some() && ended.ended_ms >= ended.running_ms);
    assert_eq!((ended, next), (expected, Some(1)));
    let second = world.store.attempts(task, 1, 10).await.expect("a page");
    let [open] = <[AttemptRow; 1]>::try_from(second.items).expect("one");
    assert_eq!((open.attempt, open.ended_as, second.next), (2, None, None));
}

#[tokio::test]
async fn paging_sees_every_change_and_every_command_once() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("x", 3)]), layer("b", 1, vec![])])).await;
    let job = job_id(&object);
    for (place, verb) in ["pause", "unpause", "pause", "unpause"].into_iter().enumerate() {
        world.store.command(None, &asked(job, &Object::Job, verb, "true", &place.to_string())).await.expect("done");
    }
    world.run_to_the_end(job).await;
    let layers = world.store.layers(job).await.expect("layers");
    let ids: Vec<Uuid> = std::iter::once(job).chain(layers.iter().map(|layer| layer.layer_id)).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = world.store.transitions(&ids, after, 2).await.expect("a page");
        seen.extend(page.items.into_iter().map(|row| (row.id, row.version)));
        let Some(place) = page.next else { break };
        after = Some(place);
    }
    let whole = world.store.transitions(&ids, None, 1000).await.expect("a page");
    assert_eq!(whole.next, None);
    assert_eq!(seen, whole.items.iter().map(|row| (row.id, row.version)).collect::<Vec<_>>());
    let of_job = whole.items.iter().filter(|row| row.id == job).map(|row| (row.from, row.to)).collect::<Vec<_>>();
    let paused = (Status::Running, Status::Running);
    assert_eq!(
        of_job,
        [(Status::Pending, Status::Running), paused, paused, paused, paused, (Status::Running, Status::Completed)],
        "in their order"
    );
    let first = world.store.commands(job, None, 3).await.expect("a page");
    let rest = world.store.commands(job, first.next, 3).await.expect("a page");
    let verbs: Vec<String> = first.items.into_iter().chain(rest.items).map(|given| given.verb).collect();
    assert_eq!((verbs, rest.next), (["pause", "unpause", "pause", "unpause"].map(str::to_owned).to_vec(), None));
}

#[tokio::test]
async fn what_is_open_is_told_by_namespace_queue_and_type() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("x", 30)]), layer("b", 1, vec![task("y")])])).await;
    let expected =
        OpenWork { namespace: "film".to_owned(), queue: "default".to_owned(), kind: "render".to_owned(), layers: 1, ahead: 30, waiting: 0 };
    assert_eq!(world.store.open_work(None).await.expect("work"), std::slice::from_ref(&expected));
    assert_eq!(world.store.open_work(Some(&["film".to_owned()])).await.expect("work"), [expected]);
    assert_eq!(world.store.open_work(Some(&["games".to_owned()])).await.expect("work"), []);
}
