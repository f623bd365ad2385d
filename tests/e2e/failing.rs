//! Tasks that fail: retries, a job that is held, and a person who lets it go on.

use crate::world::{Setup, condition, world};

#[tokio::test]
async fn a_task_with_retries_fails_once_and_completes() {
    world("failing_flaky", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: flaky}
spec:
  defaults: {type: flaky, retries: 2, backoff: {initialSeconds: 1, maxSeconds: 1}}
  layers: [{name: a, tasks: [{name: one}, {name: two}]}]
",
        );
        let job = world.until_phase("flaky", &["Completed", "Errored"]).await;
        assert_eq!(job["status"]["phase"], "Completed");
        assert_eq!(job["status"]["tasks"]["retried"], 2);
        let ended = "SELECT count(*) FROM igor.tasks WHERE attempt = 2 AND failures = 1 AND message IS NULL AND reason IS NULL";
        assert_eq!(world.count(ended).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_failing_task_holds_the_job_until_the_failed_are_retried() {
    world("failing_held", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: held}
spec:
  defaults: {type: flaky}
  layers:
  - {name: render, tasks: [{name: frame, count: 3}, {name: plate, type: noop}]}
  - {name: join, priority: 1, tasks: [{name: sheet, type: noop}]}
",
        );
        let held = world.until_phase("held", &["Errored"]).await;
        assert_eq!(condition(&held, "Failed").0, "True");
        assert_eq!(condition(&held, "Progressing"), ("False".to_owned(), "HeldOnFailure".to_owned()));
        assert!(held["status"]["why"].as_str().is_some_and(|why| why.contains("render: 3 of 4 tasks errored")), "{held:#}");
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE name = 'join' AND run > 0").await, 0);

        world.annotate("held", "igor/retry=failed");
        let done = world.until_phase("held", &["Completed"]).await;
        assert_eq!(condition(&done, "Failed").0, "False");
        assert!(done["status"]["lastHandled"]["retry"].is_string(), "{done:#}");
        world.until("held", "the annotation is gone", |job| job["metadata"]["annotations"].get("igor/retry").is_none()).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE name = 'render' AND run = 2").await, 1);
        assert_eq!(world.count("SELECT count(*) FROM igor.commands WHERE verb = 'retry' AND done_at IS NOT NULL").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_cannot_be_read_is_told_and_removed() {
    world("failing_selector", Setup::default(), |world, _running| async move {
        world.apply("{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: odd}, spec: {paused: true, layers: [{name: a, tasks: [{type: noop}]}]}}");
        world.until_phase("odd", &["Paused"]).await;
        world.annotate("odd", "igor/retry=all of it");
        world.until("odd", "the annotation is removed", |job| job["metadata"]["annotations"].get("igor/retry").is_none()).await;
        world.until_event("Warning", "all of it").await;
    })
    .await;
}

#[tokio::test]
async fn a_layer_of_a_job_that_continues_may_fail() {
    world("failing_continue", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: goes-on}
spec:
  onFailure: Continue
  layers:
  - {name: a, tasks: [{type: fail}]}
  - {name: b, priority: 1, tasks: [{name: after, type: noop}]}
",
        );
        let job = world.until_phase("goes-on", &["Errored"]).await;
        let ended = world.until("goes-on", "it ended", |job| job["status"]["finishedAt"].is_string()).await;
        assert_eq!(condition(&ended, "Failed"), ("True".to_owned(), "TaskFailures".to_owned()), "{job:#}");
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE name = 'after' AND status = 'COMPLETED'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_type_that_nobody_serves_is_named() {
    world("failing_unserved", Setup::default(), |world, _running| async move {
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: lonely}, spec: {layers: [{name: a, tasks: [{type: rendr}]}]}}",
        );
        let lonely = world.until("lonely", "it says why", |job| condition(job, "Progressing").1 == "NoWorkers").await;
        assert_eq!(lonely["status"]["why"], "a: 1 queued, no worker serves type rendr");
    })
    .await;
}
