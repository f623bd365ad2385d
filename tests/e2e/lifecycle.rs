//! Names, deletion, time to live, and rest.

use std::time::Duration;

use kube::ResourceExt;

use crate::support::until;
use crate::world::{SOON, Setup, world};

const SLEEPER: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: again}
spec:
  layers: [{name: a, tasks: [{name: nap, type: sleep, args: '600', count: 4}]}]
";
const QUICK: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: again}
spec:
  layers: [{name: a, tasks: [{name: nap, type: noop, count: 4}]}]
";

#[tokio::test]
async fn deleting_a_running_job_stops_its_work_and_keeps_its_history() {
    world("lifecycle_delete", Setup { task_lease: 3.0, ..Setup::default() }, |world, _running| async move {
        world.apply(SLEEPER);
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 4).await;
        world.kubectl(&["delete", "ij", "again", "--wait=true", "--timeout=10s"], None).expect("deleted at once: no finalizer");
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED' AND reason = 'Deleted'", |count| count == 4).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.jobs WHERE deleted_at IS NOT NULL AND finished_at IS NOT NULL").await, 1);
        // The handlers were told: their slots are free for other work.
        world.apply(&QUICK.replace("again", "next"));
        world.until_phase("next", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn the_same_name_again_is_another_job() {
    world("lifecycle_again", Setup::default(), |world, _running| async move {
        world.apply(SLEEPER);
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 4).await;
        world.kubectl(&["delete", "ij", "again", "--wait=true"], None).expect("deleted");
        world.apply(QUICK);
        world.until_phase("again", &["Completed"]).await;
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 4).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.jobs WHERE name = 'again'").await, 2);
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_finished_job_goes_after_its_time_and_its_history_stays() {
    world("lifecycle_ttl", Setup::default(), |world, _running| async move {
        world.apply(&QUICK.replace("spec:", "spec:\n  ttlSecondsAfterFinished: 1"));
        until("the object is gone", SOON, || async {
            let names = world.job_names().await;
            if names.is_empty() { Ok(()) } else { Err(names) }
        })
        .await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'").await, 4);
        assert_eq!(world.count("SELECT count(*) FROM igor.jobs WHERE expired_at IS NOT NULL").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_short_job_costs_at_most_two_writes_and_then_there_is_quiet() {
    world("lifecycle_quiet", Setup::default(), |world, running| async move {
        let running = running.lock().await;
        world.apply(QUICK);
        let done = world.until_phase("again", &["Completed"]).await;
        let writes = |log: &str| log.lines().filter(|line| line.contains("wrote status")).count();
        let written = writes(&running.operators[0].printed());
        assert!((1..=2).contains(&written), "{written} writes");
        // A second job afterwards proves that the operator is alive; the first one's object has not moved by then.
        world.apply(&QUICK.replace("again", "later"));
        world.until_phase("later", &["Completed"]).await;
        let now = world.jobs().get("again").await.expect("the job").resource_version();
        assert_eq!(now.as_deref(), done["metadata"]["resourceVersion"].as_str());
    })
    .await;
}

#[tokio::test]
async fn a_deadline_ends_a_job_that_takes_too_long() {
    world("lifecycle_deadline", Setup::default(), |world, _running| async move {
        world.apply(&SLEEPER.replace("spec:", "spec:\n  activeDeadlineSeconds: 1"));
        let job = world.until_phase("again", &["Errored"]).await;
        assert_eq!(crate::world::condition(&job, "Failed"), ("True".to_owned(), "DeadlineExceeded".to_owned()));
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 4).await;
    })
    .await;
}

#[tokio::test]
async fn the_operator_ends_within_ten_seconds_when_told_to() {
    world("lifecycle_shutdown", Setup::default(), |world, running| async move {
        let mut running = running.lock().await;
        world.apply(SLEEPER);
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'", |count| count == 4).await;
        running.operators[0].signal("TERM");
        let status = until("the operator ended", Duration::from_secs(10), || {
            let ended = running.operators[0].ended();
            async move { ended.ok_or("still there") }
        })
        .await;
        assert!(status.success(), "{status}");
    })
    .await;
}

#[tokio::test]
async fn a_job_that_takes_its_time_shows_each_layer_and_they_go_with_it() {
    world("lifecycle_layers", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: seen}
spec:
  layers:
  - {name: frames, tasks: [{name: nap, type: sleep, args: '600'}, {name: bad, type: fail}]}
  - {name: join, priority: 1, tasks: [{type: noop}]}
",
        );
        let shown = until("both layers are shown", SOON, || async {
            let text = world.kubectl(&["get", "il", "--no-headers"], None).unwrap_or_default();
            let rows: Vec<Vec<String>> = text.lines().map(|line| line.split_whitespace().take(6).map(str::to_owned).collect()).collect();
            if rows.len() == 2 && rows[0][1] == "Failing" && rows[0][4] == "1" { Ok(rows) } else { Err(rows) }
        })
        .await;
        assert_eq!(shown[0][..6], ["seen.frames", "Failing", "0", "0/2", "1", "1"]);
        assert_eq!(shown[1][..4], ["seen.join", "Pending", "1", "0/1"]);
        let failed = world.kubectl(&["get", "il", "seen.frames", "-o", "jsonpath={.status.failedTasks[0].name}"], None);
        assert_eq!(failed.as_deref(), Ok("bad"));
        world.kubectl(&["delete", "ij", "seen"], None).expect("deleted");
        until("the layers are gone", SOON, || async {
            let left = world.kubectl(&["get", "il", "-o", "name"], None).expect("listed");
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    })
    .await;
}
