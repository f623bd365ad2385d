//! Selectors: which layers and tasks are meant, and how far each verb reaches into them.

use igor::core::command::{Object, Verb};
use igor::core::fold::Said;
use igor::core::plan::TaskPlan;
use igor::store::Want;
use uuid::Uuid;

use crate::table::seen::{differences, everything};
use crate::table::words::{Asked, Close, carried_out};
use crate::table::{quick_world, said};
use crate::world::{World, array, asked, job_id, layer, object, plan, task};

const VERBS: [Verb; 5] = [Verb::Kill, Verb::Skip, Verb::Retry, Verb::PauseTasks, Verb::UnpauseTasks];
const FRAMES: &[&str] = &["render/frame-0", "render/frame-1", "render/frame-2", "render/frame-3", "render/frame-4", "render/frame-5"];

/// A selector on the job, on a layer or on a task, and what it means: whole layers, tasks by pattern, tasks by name or number.
struct Means {
    object: &'static str,
    selector: &'static str,
    layers: &'static [&'static str],
    matched: &'static [&'static str],
    named: &'static [&'static str],
}

const fn means(
    object: &'static str,
    selector: &'static str,
    layers: &'static [&'static str],
    matched: &'static [&'static str],
    named: &'static [&'static str],
) -> Means {
    Means { object, selector, layers, matched, named }
}

const EVERY: &[&str] = &["fetch", "render", "join"];
const TABLE: &[Means] = &[
    means("job", "failed", EVERY, &[], &[]),
    means("job", "render", &["render"], &[], &[]),
    means("job", "render, join", &["render", "join"], &[], &[]),
    means("job", "re*", &["render"], &[], &[]),
    means("job", "*", EVERY, &[], &[]),
    means("job", "render/frame-1", &[], &[], &["render/frame-1"]),
    means("job", "render/1", &[], &[], &["render/frame-1", "render/crop-1"]),
    means("job", "render/0-1", &[], &[], &["render/frame-0", "render/frame-1", "render/crop-0", "render/crop-1"]),
    means("job", "render/3,4", &[], &[], &["render/frame-3", "render/frame-4"]),
    means("job", "render/6", &[], &[], &["render/tail"]),
    means("job", "render/6-99", &[], &[], &["render/tail"]),
    means("job", "fetch/3", &[], &[], &["fetch/3"]),
    means("job", "fetch/0-2", &[], &[], &["fetch/plate", "fetch/3", "fetch/a_b"]),
    means("job", "fetch/a_b", &[], &[], &["fetch/a_b"]),
    means("job", "fetch/a_*", &[], &["fetch/a_b"], &[]),
    means("job", "render/frame-*", &[], FRAMES, &[]),
    means("job", "render/frame-*,frame-0", &[], FRAMES, &["render/frame-0"]),
    means("job", "*/frame-3", &[], &[], &["render/frame-3"]),
    means("job", "*e*/a*b", &[], &["fetch/a_b", "fetch/axb"], &[]),
    means("job", "fetch/plate,render/2,tail,join", &[], &[], &["fetch/plate", "render/frame-2", "render/crop-2", "render/tail"]),
    means("job", "join,render/0", &["join"], &[], &["render/frame-0", "render/crop-0"]),
    means("job", "render,render/frame-0", &["render"], &[], &["render/frame-0"]),
    means("job", "nowhere", &[], &[], &[]),
    means("job", "nowhere/1,render/nothing,render/99", &[], &[], &[]),
    means("layer/render", "failed", &["render"], &[], &[]),
    means("layer/render", "1", &[], &[], &["render/frame-1", "render/crop-1"]),
    means("layer/render", "frame-4,5-9", &[], &[], &["render/frame-4", "render/frame-5", "render/tail"]),
    means("layer/render", "frame-*", &[], FRAMES, &[]),
    means("layer/render", "join", &[], &[], &[]),
    means("layer/nowhere", "true", &[], &[], &[]),
    means("task/render/frame-0", "failed", &[], &[], &["render/frame-0"]),
    means("task/render/frame-1", "failed", &[], &[], &["render/frame-1"]),
    means("task/render/frame-0", "true", &[], &[], &["render/frame-0"]),
    means("task/render/frame-9", "true", &[], &[], &[]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_selector_means_what_it_says_to_each_verb() {
    let world = quick_world().await;
    let mut given = Vec::new();
    for (means, verb) in TABLE.iter().flat_map(|means| VERBS.map(|verb| (means, verb))) {
        let on = Object::parse(means.object).expect("an object");
        let unfit = matches!(on, Object::Task { .. }) && matches!(verb, Verb::PauseTasks | Verb::UnpauseTasks);
        if !unfit {
            given.push((means, verb, on, bring(&world).await));
        }
    }
    let before = everything(&world.database.pool).await;
    let mut answers = Vec::new();
    for (means, verb, on, job) in &given {
        let command = asked(*job, on, verb.as_str(), means.selector, "selected");
        answers.push(world.store.command(Some(world.epoch), &command).await.expect("an answer"));
    }
    let found = everything(&world.database.pool).await;
    let mut wrong = Vec::new();
    for ((means, verb, on, job), done) in given.iter().zip(&answers) {
        let (expected, answer) = carried_out(&before[job], &meaning(means, *verb));
        let mut differences = differences(&expected, &found[job]);
        if said(done) != answer {
            differences.push(format!("  expected {answer:?}\n  found    {:?}", said(done)));
        }
        if !differences.is_empty() {
            wrong.push(format!("{verb} of {on} by {:?}\n{}", means.selector, differences.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), given.len(), wrong.join("\n"));
    world.check().await;
}

/// `fetch` and `render` are at work, `join` has not begun. The frames of `render` stand everywhere that a task may.
async fn bring(world: &World) -> Uuid {
    let object = object("j");
    let job = job_id(&object);
    let tries = |task: TaskPlan| TaskPlan { max_failures: 2, ..task };
    let fetch = ["plate", "3", "a_b", "axb"].map(|name| tries(task(name))).into();
    let render = vec![array("frame", 6), task("tail"), array("crop", 3)].into_iter().map(tries).collect();
    world.accept(&object, &plan(vec![layer("fetch", 0, fetch), layer("render", 0, render), layer("join", 5, vec![task("all")])])).await;
    let open = world.store.open_types_of(&[job]).await.expect("open types");
    let want = |place: usize, room| Want { layer_id: open[place].layer_id, job_id: job, kind: "render".to_owned(), room };
    let mut sent = world.store.dispatch(world.epoch, &[want(0, 1), want(1, 5)]).await.expect("dispatched").tasks;
    sent.sort_by(|a, b| (&a.layer, &a.name).cmp(&(&b.layer, &b.name)));
    let said = [Said::Errored, Said::Completed, Said::Errored, Said::Skipped, Said::Running];
    let outcomes = sent.iter().zip(said).map(|(task, said)| {
        let mut outcome = crate::world::outcome(task, said);
        outcome.report.last = true;
        outcome
    });
    let collected = world.store.collect(world.epoch, outcomes.collect()).await.expect("collected");
    assert_eq!(collected.applied.len(), 5);
    let pause = asked(job, &Object::Layer("render".to_owned()), "pause-tasks", "frame-1,frame-5,tail", "before");
    assert_eq!(world.store.command(Some(world.epoch), &pause).await.expect("paused").changed, 3);
    job
}

fn meaning(means: &Means, verb: Verb) -> Asked {
    let tasks = |names: &'static [&str], close| {
        names.iter().filter_map(move |name| name.split_once('/')).map(move |(layer, task)| ((layer.to_owned(), task.to_owned()), close))
    };
    Asked {
        verb,
        actor: "ann".to_owned(),
        job: false,
        layers: means.layers.iter().map(|layer| (*layer).to_owned()).collect(),
        tasks: tasks(means.matched, Close::Matched).chain(tasks(means.named, Close::Named)).collect(),
        failed: means.selector == "failed",
    }
}
