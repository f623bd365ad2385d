//! Every way to write a plan runs to its end, in order.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::world::{Setup, condition, world};

/// No task of a layer began before every task of an earlier priority had ended.
const OUT_OF_ORDER: &str = "
    SELECT count(*) FROM igor.transitions began
    JOIN igor.layers later ON later.id = began.layer_id
    JOIN igor.layers earlier ON earlier.job_id = later.job_id AND earlier.priority < later.priority
    JOIN igor.transitions ended ON ended.layer_id = earlier.id AND ended.task_id <> earlier.id
    WHERE began.\"to\" = 'QUEUED' AND ended.\"to\" IN ('COMPLETED', 'SKIPPED') AND ended.at > began.at";

#[tokio::test]
async fn layers_run_in_order_of_priority_and_equal_ones_together() {
    world("plans_order", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: nightly}
spec:
  defaults: {type: echo}
  layers:
  - name: join
    priority: 10
    tasks: [{name: sheet, args: done}]
  - name: fetch
    priority: -5
    tasks: [{name: plate-1, args: a}, {name: plate-2, args: b}]
  - name: render
    tasks: [{name: frame, count: 20, args: x}]
  - name: audio
    tasks: [{name: mix, type: sleep, args: '0.1'}]
",
        );
        let job = world.until_phase("nightly", &["Completed", "Errored"]).await;
        assert_eq!(job["status"]["phase"], "Completed", "{job:#}");
        assert_eq!(job["status"]["progress"], "24/24");
        assert_eq!(condition(&job, "Complete"), ("True".to_owned(), "AllLayersFinished".to_owned()));
        assert_eq!(condition(&job, "Accepted").0, "True");
        assert_eq!(world.count(OUT_OF_ORDER).await, 0);
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE run <> 1").await, 0);
        assert_eq!(world.count("SELECT count(DISTINCT message) FROM igor.tasks WHERE type = 'echo'").await, 4);
    })
    .await;
}

#[tokio::test]
async fn empty_layers_and_a_job_of_only_empty_layers_complete() {
    world("plans_empty", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: hollow}
spec:
  layers:
  - {name: first, tasks: []}
  - {name: second, priority: 1}
---
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: mixed}
spec:
  layers:
  - {name: first, tasks: []}
  - {name: second, priority: 1, tasks: [{type: noop}]}
  - {name: third, priority: 2, tasks: []}
",
        );
        for name in ["hollow", "mixed"] {
            world.until_phase(name, &["Completed"]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_thousand_inline_tasks_each_get_their_own_arguments() {
    world("plans_inline", Setup::default(), |world, _running| async move {
        let tasks: Vec<String> = (0..1000).map(|n| format!("\n    - {{name: shot-{n}, args: 'plate {n}'}}")).collect();
        let tasks = tasks.concat();
        world.apply(&format!(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: thousand}}
spec:
  defaults: {{type: echo}}
  layers:
  - name: shots
    tasks:{tasks}
"
        ));
        world.until_phase("thousand", &["Completed"]).await;
        let right = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED' AND message = 'plate ' || substr(name, 6)";
        assert_eq!(world.count(right).await, 1000);
    })
    .await;
}

#[tokio::test]
async fn an_array_of_fifty_thousand_runs_with_a_small_object() {
    world("plans_array", Setup::default(), |world, _running| async move {
        let batched = world.worker(&["--type", "noop", "--slots", "2", "--batch", "100"]);
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: big}
spec:
  layers:
  - name: frames
    tasks: [{name: frame, type: noop, count: 50000}]
",
        );
        let job = world.until_phase("big", &["Completed"]).await;
        assert_eq!(job["status"]["tasks"]["completed"], 50_000);
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED' AND name = 'frame-' || ix").await, 50_000);
        assert!(serde_json::to_string(&job).expect("json").len() < 64 * 1024);
        drop(batched);
    })
    .await;
}

#[tokio::test]
async fn tasks_come_from_a_gzipped_config_map() {
    world("plans_configmap", Setup::default(), |world, _running| async move {
        let lines: Vec<String> = (0..300).map(|n| format!(r#"{{"name":"t-{n}","type":"echo","args":"from the map {n}"}}"#)).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(lines.join("\n").as_bytes()).expect("gzip");
        let packed = STANDARD.encode(gzip.finish().expect("gzip"));
        let job = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: mapped}
spec:
  layers:
  - name: many
    tasks: [{name: extra, type: noop}]
    tasksFrom: [{configMapKeyRef: {name: many-tasks, key: tasks.ndjson.gz}}]
";
        world.apply(job);
        let waiting = |job: &serde_json::Value| condition(job, "Accepted") == ("False".to_owned(), "TasksFromNotFound".to_owned());
        world.until("mapped", "the map is missed", waiting).await;
        let map = |labels: &str| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: many-tasks{labels}}}, binaryData: {{tasks.ndjson.gz: {packed}}}}}"
            )
        };
        world.apply(&map(""));
        let refused = |job: &serde_json::Value| condition(job, "Accepted").1 == "TasksFromForbidden";
        world.until("mapped", "a map without the label is refused", refused).await;
        world.apply(&map(", labels: {igor.dev/tasks: 'true'}"));
        world.until_phase("mapped", &["Completed"]).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE message = 'from the map ' || substr(name, 3)").await, 300);
    })
    .await;
}

#[tokio::test]
async fn a_plan_with_faults_names_them_all_and_runs_nothing() {
    world("plans_bad", Setup::default(), |world, _running| async move {
        world.apply(
            "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: twice}
spec:
  layers:
  - {name: a, tasks: [{name: frame, type: noop, count: 3}, {name: frame-1, type: noop}]}
---
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: typeless}
spec:
  layers:
  - {name: a, tasks: [{name: one}, {name: two, type: noop, args: x, argsBase64: eA==}]}
",
        );
        let rejected = world.until_phase("twice", &["Rejected"]).await;
        assert_eq!(condition(&rejected, "Accepted"), ("False".to_owned(), "DuplicateTaskName".to_owned()));
        let rejected = world.until_phase("typeless", &["Rejected"]).await;
        let accepted = rejected["status"]["conditions"].as_array().expect("conditions").iter().find(|c| c["type"] == "Accepted");
        let message = accepted.expect("Accepted")["message"].as_str().expect("a message").to_owned();
        for place in ["layers[0].tasks[0]", "layers[0].tasks[1]"] {
            assert!(message.contains(place), "{message}");
        }
        assert_eq!(world.count("SELECT count(*) FROM igor.jobs").await, 0);
        world.until_event("Warning", "layers[0].tasks").await;
    })
    .await;
}

#[tokio::test]
async fn a_job_with_a_fault_runs_once_it_is_mended() {
    world("plans_mended", Setup::default(), |world, _running| async move {
        let job = |kind: &str| {
            format!(
                "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: mended}}
spec:
  layers: [{{name: a, tasks: [{{name: one{kind}}}]}}]
"
            )
        };
        world.apply(&job(""));
        world.until_phase("mended", &["Rejected"]).await;
        world.apply(&job(", type: noop"));
        world.until_phase("mended", &["Completed"]).await;
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_was_accepted_does_not_change_and_the_job_runs_on() {
    world("plans_frozen", Setup::default(), |world, _running| async move {
        let job = |args: &str| {
            format!(
                "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: frozen}}
spec:
  paused: true
  layers: [{{name: a, tasks: [{{name: one, type: echo, args: {args}}}]}}]
"
            )
        };
        world.apply(&job("first"));
        world.until_phase("frozen", &["Paused"]).await;
        world.apply(&job("second"));
        world.until("frozen", "the edit is refused", |job| condition(job, "Accepted").1 == "ImmutablePlan").await;
        world.apply(&job("first").replace("paused: true", "paused: false"));
        let done = world.until_phase("frozen", &["Completed"]).await;
        assert_eq!(condition(&done, "Accepted").0, "True");
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE message = 'first'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_task_that_is_paused_as_created_waits_until_it_is_let_go() {
    world("plans_paused_task", Setup::default(), |world, _running| async move {
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: shots}, \
             spec: {layers: [{name: a, tasks: [{name: one, type: noop, paused: true}, {name: two, type: noop}]}]}}",
        );
        world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'", |done| done == 1).await;
        world.annotate("shots", "igor/unpause-tasks=a/one");
        world.until_phase("shots", &["Completed"]).await;
    })
    .await;
}
