//! What people are told from the ledger: why a job stands or ended, and what happened to it.

use igor::core::command::Object;
use igor::core::end::{End, ended};
use igor::core::fold::Said;
use igor::core::status::Status;
use igor::core::wait::{AtWork, Wait, commonest, waits};
use igor::store::{Command, Event, Progress, Snapshot};
use uuid::Uuid;

use crate::world::{World, array, asked, command, job_id, layer, object, plan, task};

impl World {
    async fn seen(&self, job: Uuid) -> Snapshot {
        self.store.snapshot(job).await.expect("a snapshot")
    }

    /// What the job waits for, in words.
    async fn said(&self, job: Uuid) -> Vec<String> {
        let seen = self.seen(job).await;
        waits(&seen.job, &seen.known).iter().map(ToString::to_string).collect()
    }

    async fn give(&self, command: &Command) -> u32 {
        self.store.command(Some(self.epoch), command).await.expect("done").changed
    }
}

#[tokio::test]
async fn a_job_that_was_ended_says_by_whom_when_and_in_whose_words() {
    let world = World::new().await;
    let (killed, late) = (object("killed"), object("late"));
    for object in [&killed, &late] {
        world.accept(object, &plan(vec![layer("a", 0, vec![array("t", 3)])])).await;
    }
    let kill = Command { reason: Some("wrong scene".to_owned()), ..command(job_id(&killed), "kill", "1") };
    world.give(&kill).await;
    world.give(&command(job_id(&late), "deadline", "1")).await;
    let seen = world.seen(job_id(&killed)).await;
    let end = seen.end.clone().expect("an end");
    let words = Some("wrong scene".to_owned());
    assert_eq!(end, End { by: "ann".to_owned(), at_ms: end.at_ms, words, stopped: 3 });
    assert!(seen.finished_ms.is_some_and(|finished| finished >= end.at_ms));
    let late = world.seen(job_id(&late)).await;
    let said = ended(&late.job, late.reason.as_deref(), late.end.as_ref()).expect("words");
    assert!(said.starts_with("activeDeadlineSeconds was over at 2") && said.ends_with(", 3 tasks stopped"), "{said}");
    // Retried, it is not ended any more.
    world.give(&command(job_id(&killed), "retry", "2")).await;
    assert_eq!(world.seen(job_id(&killed)).await.end, None);
}

#[tokio::test]
async fn a_pause_tells_the_words_of_whoever_paused_last() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let noon = Some("the plates come at noon".to_owned());
    world.give(&Command { reason: noon, ..command(job, "pause", "1") }).await;
    let of_layer = asked(job, &Object::Layer("a".to_owned()), "pause", "true", "2");
    world.give(&Command { actor: "mara".to_owned(), reason: Some("wrong scene".to_owned()), ..of_layer }).await;
    assert_eq!(world.said(job).await[..2], ["paused by ann: the plates come at noon", "a: paused by mara: wrong scene"]);
    world.give(&command(job, "unpause", "3")).await;
    world.give(&command(job, "pause", "4")).await;
    assert_eq!(world.said(job).await[0], "paused by ann");
}

#[tokio::test]
async fn a_large_command_says_how_far_it_is() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 12_000)])])).await;
    let kill = command(job_id(&object), "kill", "1");
    let first = world.store.command_step(Some(world.epoch), &kill).await.expect("begun");
    assert!(matches!(first, Progress::More(_)));
    let seen = world.seen(job_id(&object)).await;
    assert_eq!(seen.known.command, Some(AtWork { verb: "kill".to_owned(), done: 5_000, all: 12_000 }));
    assert_eq!(world.said(job_id(&object)).await[0], "a kill is at work, 5,000 of 12,000 tasks looked at");
    world.give(&kill).await;
    assert_eq!(world.seen(job_id(&object)).await.known.command, None);
    world.check().await;
}

#[tokio::test]
async fn paused_tasks_are_counted_however_they_were_paused() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut created = array("p", 2);
    created.paused = true;
    let mut alone = task("q");
    alone.paused = true;
    world.accept(&object, &plan(vec![layer("a", 0, vec![created, alone, array("t", 2)])])).await;
    assert_eq!(world.said(job).await, ["a: 3 of 5 tasks left are paused", "a: 2 tasks wait to be handed out"]);
    world.give(&asked(job, &Object::Job, "pause-tasks", "a/t-1", "1")).await;
    let out = world.dispatch_all(job).await.tasks;
    world.say(&out, Said::Completed).await;
    assert_eq!(world.said(job).await, ["a: 4 of 4 tasks left are paused"]);
    world.check().await;
    assert_eq!(world.give(&asked(job, &Object::Layer("a".to_owned()), "unpause-tasks", "true", "2")).await, 4);
    world.check().await;
    assert_eq!(world.run_to_the_end(job).await.len(), 4);
    world.check().await;
}

#[tokio::test]
async fn a_limit_lowered_below_what_is_in_flight_waits_and_one_of_none_drains() {
    let world = World::new().await;
    let mut object = object("j");
    let job = job_id(&object);
    let mut plan = plan(vec![layer("a", 0, vec![array("t", 100)])]);
    plan.max_in_flight = Some(20);
    world.accept(&object, &plan).await;
    let mut out = world.dispatch_all(job).await.tasks;
    assert_eq!((out.len(), world.said(job).await[0].as_str()), (20, "20 in flight, maxInFlight of the job is 20, 80 tasks wait"));
    let mut lower = async |to: Option<u32>| {
        object.generation += 1;
        plan.max_in_flight = to;
        world.accept(&object, &plan).await;
    };
    lower(Some(5)).await;
    world.say(&out.split_off(5), Said::Completed).await;
    assert_eq!(world.dispatch_all(job).await.tasks.len(), 0, "as many as the limit are in flight");
    world.say(&out.split_off(4), Said::Completed).await;
    assert_eq!(world.dispatch_all(job).await.tasks.len(), 1);
    lower(Some(0)).await;
    world.say(&out, Said::Completed).await;
    assert_eq!(world.dispatch_all(job).await.tasks.len(), 0, "drained");
    let seen = world.seen(job).await;
    assert!(matches!(waits(&seen.job, &seen.known)[0], Wait::Limit { layer: None, limit, .. } if limit.most == 0));
    lower(None).await;
    // The limit of a layer moves as well.
    plan.layers[0].max_in_flight = Some(30);
    object.generation += 1;
    world.accept(&object, &plan).await;
    assert_eq!(world.dispatch_all(job).await.tasks.len(), 29, "one was in flight");
    assert_eq!(world.said(job).await[0], "a: 30 in flight, maxInFlight of the layer is 30, 50 tasks wait");
    world.check().await;
}

#[tokio::test]
async fn of_very_many_failures_the_first_thousand_are_compared() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 1_200)])])).await;
    loop {
        let out = world.dispatch_all(job_id(&object)).await.tasks;
        if out.is_empty() {
            break;
        }
        world.say(&out, Said::Errored).await;
    }
    let said = world.store.commonest_failure(world.seen(job_id(&object)).await.layers[0].layer_id).await.expect("what failed");
    assert_eq!(said.map(|said| (said.text, said.times, said.of)), Some(("t-0 said Errored".to_owned(), 1_000, 1_000)));
    assert_eq!(commonest([]), None);
}

/// What happened, each as `object from-to` or `verb object selector changed`.
fn brief(events: &[Event]) -> Vec<String> {
    let brief = |event: &Event| match event {
        Event::Given(given) => format!("{} {} {} {}", given.verb, given.object, given.selector, given.changed),
        Event::Moved(moved) => format!("{} {}-{}", moved.object, moved.from, moved.to),
    };
    events.iter().map(brief).collect()
}

#[tokio::test]
async fn the_history_has_every_command_and_change_in_order_and_a_tasks_has_its_attempts() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 3)]), layer("b", 1, vec![task("z")])])).await;
    let out = world.dispatch_all(job).await.tasks;
    world.say(&out[..1], Said::Completed).await;
    let of_task = Object::Task { layer: "a".to_owned(), task: "t-1".to_owned() };
    world.give(&asked(job, &of_task, "kill", "true", "1")).await;
    world.give(&asked(job, &Object::Layer("a".to_owned()), "skip", "true", "2")).await;
    world.give(&command(job, "kill", "3")).await;
    let found = world.store.find_job("film", "j", None).await.expect("a look");
    assert_eq!((found, world.store.find_job("film", "none", None).await.expect("a look")), (Some(job), None));
    assert_eq!(world.store.find_job("film", "j", Some(&object.uid)).await.expect("a look"), Some(job));
    assert_eq!(world.store.find_job("film", "j", Some("other")).await.expect("a look"), None);
    let seen = world.seen(job).await;
    let history = world.store.history(&seen).await.expect("a history");
    assert_eq!(
        brief(&history),
        [
            "job PENDING-RUNNING",
            "layer/a PENDING-RUNNING",
            "kill task/a/t-1 true 1",
            "skip layer/a true 2",
            "layer/a RUNNING-COMPLETED",
            "layer/b PENDING-RUNNING",
            "kill job true 1",
            "layer/b RUNNING-ERRORED",
            "job RUNNING-ERRORED",
        ]
    );
    let (view, moved) = world.store.task(&seen, "a", "t-1").await.expect("a look").expect("the task");
    assert_eq!((view.status, view.attempt, view.name.as_str()), (Status::Skipped, 1, "t-1"));
    let moved: Vec<Event> = moved.into_iter().map(Event::Moved).collect();
    assert_eq!(brief(&moved), ["task/a/t-1 PENDING-QUEUED", "task/a/t-1 QUEUED-ERRORED", "task/a/t-1 ERRORED-SKIPPED"]);
    assert_eq!(world.store.task(&seen, "a", "nobody").await.expect("a look"), None);
    world.check().await;
}

#[tokio::test]
async fn the_history_of_tasks_comes_in_parts_that_miss_nobody() {
    let world = World::new().await;
    let object = object("j");
    let job = job_id(&object);
    let mut other = array("u", 600);
    other.kind = "encode".to_owned();
    world.accept(&object, &plan(vec![layer("a", 0, vec![array("t", 650), other])])).await;
    world.give(&command(job, "kill", "1")).await;
    let seen = world.seen(job).await;
    let (mut place, mut names, mut parts) = (None, Vec::new(), 0);
    loop {
        let page = world.store.task_history((&seen.job.layers[0], &seen.layers[0]), place.as_ref()).await.expect("a part");
        names.extend(page.moved.iter().map(|moved| moved.object.to_string()));
        parts += 1;
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (1_250, 1_250));
    assert_eq!(parts, 4, "the last part is empty");
}

#[tokio::test]
async fn a_connection_to_look_cannot_write() {
    let world = World::new().await;
    let object = object("j");
    world.accept(&object, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    let look = igor::store::Store::connect_to_read(&igor::store::Settings::new(&world.database.url)).await.expect("the ledger");
    assert_eq!(look.snapshot(job_id(&object)).await.expect("a snapshot").name, "j");
    assert!(look.command(None, &command(job_id(&object), "kill", "1")).await.is_err());
    assert_eq!(world.status(job_id(&object)).await, (Status::Running, false));
}
