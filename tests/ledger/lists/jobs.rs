//! Lists of jobs.

use igor::core::command::Object;
use igor::core::fold::Said;
use igor::core::job::{Counters, OnFailure};
use igor::core::status::Status;
use igor::store::{Command, Identity, JobFilter, JobRow, Order};

use super::all_jobs;
use crate::world::{World, array, asked, job_id, layer, now_ms, object, plan, task};

const DAY_MS: i64 = 86_400_000;

/// A job of that name and namespace, `back` milliseconds old, with one task.
async fn submit(world: &World, namespace: &str, name: &str, back: i64) -> Identity {
    let identity = Identity { namespace: namespace.to_owned(), created_ms: now_ms() - back, ..object(name) };
    world.accept(&identity, &plan(vec![layer("a", 0, vec![task("x")])])).await;
    identity
}

fn of(namespaces: &[&str]) -> JobFilter {
    JobFilter { namespaces: Some(namespaces.iter().map(|name| (*name).to_owned()).collect()), ..JobFilter::default() }
}

#[tokio::test]
async fn paging_sees_every_job_once_in_order_over_days_while_others_come() {
    let world = World::new().await;
    // Newest first: j-0, j-1, … each a third of a day older.
    for place in 0..12 {
        submit(&world, ["film", "games"][usize::from(place % 3 == 2)], &format!("j-{place}"), i64::from(place) * DAY_MS / 3 + 60_000).await;
    }
    let names = |keep: fn(u8) -> bool| (0..12).filter(|place| keep(*place)).map(|place| format!("j-{place}")).collect::<Vec<_>>();
    let everywhere = JobFilter::default();
    for limit in [1, 5, 100] {
        let seen = all_jobs(&world, &everywhere, Order::Usual, limit, async |page| {
            submit(&world, "film", &format!("new-{limit}-{page}"), 0).await;
        })
        .await;
        let seen: Vec<String> = seen.into_iter().filter(|name| name.starts_with("j-")).collect();
        assert_eq!(seen, names(|_| true), "{limit}");
    }
    let old = JobFilter { to_ms: Some(now_ms() - 50_000), ..of(&["games", "film"]) };
    assert_eq!(all_jobs(&world, &old, Order::Usual, 3, async |_| ()).await, names(|_| true));
    let mut backwards = names(|_| true);
    backwards.reverse();
    assert_eq!(all_jobs(&world, &old, Order::Reversed, 5, async |_| ()).await, backwards);
    let two_days = JobFilter { from_ms: Some(now_ms() - 2 * DAY_MS), namespaces: None, ..old };
    assert_eq!(all_jobs(&world, &two_days, Order::Reversed, 4, async |_| ()).await, backwards[6..]);
    assert_eq!(all_jobs(&world, &of(&["games"]), Order::Usual, 2, async |_| ()).await, names(|place| place % 3 == 2));
    assert_eq!(all_jobs(&world, &of(&["nobody's"]), Order::Usual, 2, async |_| ()).await, Vec::<String>::new());
    assert_eq!(all_jobs(&world, &of(&[]), Order::Usual, 2, async |_| ()).await, Vec::<String>::new());
}

#[tokio::test]
async fn jobs_of_one_moment_are_told_apart() {
    let world = World::new().await;
    let created_ms = now_ms();
    for place in 0..7 {
        let identity = Identity { created_ms, ..object(&format!("j-{place}")) };
        world.accept(&identity, &plan(vec![layer("a", 0, vec![])])).await;
    }
    for filter in [JobFilter::default(), of(&["film", "games"])] {
        let mut seen = all_jobs(&world, &filter, Order::Usual, 2, async |_| ()).await;
        seen.sort();
        assert_eq!(seen, (0..7).map(|place| format!("j-{place}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn each_filter_keeps_what_it_says() {
    let world = World::new().await;
    let (done, held, paused, gone) = (
        submit(&world, "film", "done", 5_000).await,
        submit(&world, "film", "held", 4_000).await,
        submit(&world, "film", "paused_1", 3_000).await,
        submit(&world, "games", "gone", 2_000).await,
    );
    world.run_to_the_end(job_id(&done)).await;
    let tasks = world.dispatch_all(job_id(&held)).await.tasks;
    world.say(&tasks, Said::Errored).await;
    world.store.command(None, &asked(job_id(&paused), &Object::Job, "pause", "true", "1")).await.expect("paused");
    world.store.command(None, &Command::deletion(job_id(&gone), "operator")).await.expect("deleted");
    let cases: [(&str, JobFilter, &[&str]); 10] = [
        ("statuses", JobFilter { statuses: vec![Status::Completed, Status::Running], ..Default::default() }, &["paused_1", "done"]),
        ("a text", JobFilter { contains: Some("AUSED_".to_owned()), ..Default::default() }, &["paused_1"]),
        ("a text with a sign of LIKE", JobFilter { contains: Some("d_1%".to_owned()), ..Default::default() }, &[]),
        ("a reason", JobFilter { reason: Some("Deleted".to_owned()), ..Default::default() }, &["gone"]),
        ("a queue", JobFilter { queue: Some("gpu".to_owned()), ..Default::default() }, &[]),
        ("paused", JobFilter { paused: Some(true), ..Default::default() }, &["paused_1"]),
        ("not ended", JobFilter { finished: Some(false), ..Default::default() }, &["paused_1", "held"]),
        ("not deleted", JobFilter { deleted: Some(false), ..Default::default() }, &["paused_1", "held", "done"]),
        ("deleted, of two namespaces", JobFilter { deleted: Some(true), ..of(&["film", "games"]) }, &["gone"]),
        ("ended, of one", JobFilter { finished: Some(true), ..of(&["film"]) }, &["done"]),
    ];
    for (what, filter, expected) in cases {
        assert_eq!(all_jobs(&world, &filter, Order::Usual, 1, async |_| ()).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_filter_that_few_jobs_pass_gives_short_parts_and_finds_them_all() {
    let world = World::new().await;
    let old = submit(&world, "film", "needle", 3_600_000).await;
    super::plans::many_jobs(&world, 1, 25_000).await;
    for filter in [JobFilter::default(), of(&["film"]), of(&["film", "games", "music"])] {
        let filter = JobFilter { contains: Some("needle".to_owned()), ..filter };
        let first = world.store.jobs(&filter, Order::Usual, None, 10).await.expect("a page");
        assert!(first.items.is_empty() && first.next.is_some(), "{first:?}");
        assert_eq!(all_jobs(&world, &filter, Order::Usual, 10, async |_| ()).await, ["needle"]);
    }
    assert_eq!(world.store.job_of_uid(&old.uid).await.expect("an answer"), Some(job_id(&old)));
    assert_eq!(world.store.job_of_uid("nobody").await.expect("an answer"), None);
}

#[tokio::test]
async fn a_job_is_shown_with_the_numbers_of_its_layers() {
    let world = World::new().await;
    let object = object("nightly");
    let mut plan = plan(vec![layer("a", 0, vec![array("x", 3)]), layer("b", 1, vec![task("y")])]);
    (plan.title, plan.priority, plan.deadline_seconds) = (Some("Every night".to_owned()), 5, Some(60));
    world.accept(&object, &plan).await;
    let tasks = world.dispatch_all(job_id(&object)).await.tasks;
    world.say(&tasks[..2], Said::Completed).await;
    let job = world.store.job(job_id(&object)).await.expect("an answer").expect("a job");
    let expected = JobRow {
        job_id: job_id(&object),
        uid: object.uid.clone(),
        namespace: "film".to_owned(),
        name: "nightly".to_owned(),
        title: "Every night".to_owned(),
        status: Status::Running,
        reason: None,
        version: 2,
        paused_by: None,
        command: None,
        created_ms: object.created_ms,
        started_ms: job.started_ms,
        finished_ms: None,
        deleted_ms: None,
        expired_ms: None,
        updated_ms: job.updated_ms,
        accepted: true,
        queue: "default".to_owned(),
        lane: 0,
        max_in_flight: None,
        on_failure: OnFailure::Hold,
        deadline_seconds: Some(60),
        origin: "kubectl".to_owned(),
        layers: 2,
        expected: 4,
        tasks: Counters { pending: 1, queued: 1, completed: 2, ..Counters::default() },
    };
    assert!(job.started_ms.is_some());
    assert_eq!(job, expected);
    assert_eq!(world.store.jobs(&JobFilter::default(), Order::Usual, None, 1).await.expect("a page").items, [expected]);
    let names: Vec<String> = world.store.layers(job.job_id).await.expect("layers").into_iter().map(|layer| layer.name).collect();
    assert_eq!(names, ["a", "b"]);
}
