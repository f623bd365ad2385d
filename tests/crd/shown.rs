use std::time::Duration;

use crate::support::cluster::Cluster;
use crate::support::until;

const SOON: Duration = Duration::from_secs(30);

fn job(name: &str, queue: &str) -> String {
    format!(
        "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{queue: {queue}, maxInFlight: 3, layers: [{{name: a}}]}}}}"
    )
}

/// The words of each line.
fn words(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn write_status(cluster: &Cluster, short: &str, name: &str, status: &str) {
    let patch = format!("{{\"status\": {status}}}");
    cluster.must(&["patch", short, name, "--subresource=status", "--type=merge", "-p", &patch], "");
}

#[tokio::test]
async fn jobs_are_shown_in_columns_and_found_by_fields() {
    let cluster = Cluster::new("crd-columns").await;
    cluster.apply(&job("one", "farm"));
    cluster.apply(&job("two", "other"));
    let status = r#"{"phase": "Running", "layer": "render", "progress": "3/9", "tasks": {"total": 9, "pending": 1, "queued": 0, "running": 2, "completed": 3, "errored": 3, "skipped": 0, "retried": 0}, "eta": "2026-11-24T15:04:05Z", "why": "waits"}"#;
    write_status(&cluster, "ij", "one", status);

    let table = cluster.must(&["get", "ij", "one"], "");
    let table = words(&table);
    assert_eq!(table[0], ["NAME", "PHASE", "LAYER", "DONE", "RUN", "ERR", "ETA", "AGE"]);
    assert_eq!(table[1][..7], ["one", "Running", "render", "3/9", "2", "3", "2026-11-24T15:04:05Z"]);
    let wide = cluster.must(&["get", "ij", "one", "-o", "wide"], "");
    let wide = words(&wide);
    assert_eq!(wide[0], ["NAME", "PHASE", "LAYER", "DONE", "RUN", "ERR", "ETA", "QUEUE", "PRIORITY", "WHY", "AGE"]);
    assert_eq!(wide[1][7..10], ["farm", "0", "waits"]);

    let named = |selector: &str| cluster.must(&["get", "ij", "--field-selector", selector, "-o", "name"], "");
    assert_eq!(named("spec.queue=farm"), "igorjob.igor.dev/one\n");
    assert_eq!(named("status.phase=Running"), "igorjob.igor.dev/one\n");
    assert_eq!(named("status.phase!=Running"), "igorjob.igor.dev/two\n");
    let refused = cluster.kubectl(&["get", "ij", "--field-selector", "spec.title=x"], "").expect_err("no such selector");
    assert!(refused.contains("field label not supported: spec.title"), "{refused}");
}

#[tokio::test]
async fn layers_and_tasks_are_shown_in_columns_and_found_by_fields() {
    let cluster = Cluster::new("crd-handles").await;
    cluster.apply("{apiVersion: igor.dev/v1alpha1, kind: IgorLayer, metadata: {name: j.l}, spec: {jobName: j, layer: l, priority: 4}}");
    write_status(
        &cluster,
        "il",
        "j.l",
        r#"{"phase": "Failing", "progress": "3/9", "tasks": {"total": 9, "pending": 1, "queued": 0, "running": 2, "completed": 3, "errored": 3, "skipped": 0, "retried": 0}}"#,
    );
    let layers = cluster.must(&["get", "il"], "");
    let layers = words(&layers);
    assert_eq!(layers[0], ["NAME", "PHASE", "PRIORITY", "DONE", "RUN", "ERR", "AGE"]);
    assert_eq!(layers[1][..6], ["j.l", "Failing", "4", "3/9", "2", "3"]);

    for (name, job) in [("a", "j"), ("b", "k")] {
        cluster.apply(&format!(
            "{{apiVersion: igor.dev/v1alpha1, kind: IgorTask, metadata: {{name: {name}}}, spec: {{jobName: {job}, layerName: l, type: render}}}}"
        ));
    }
    write_status(&cluster, "it", "a", r#"{"phase": "Errored", "attempt": 4, "message": "broken"}"#);
    let tasks = cluster.must(&["get", "it", "--field-selector", "spec.jobName=j,spec.layerName=l,status.phase=Errored"], "");
    let tasks = words(&tasks);
    assert_eq!(tasks[0], ["NAME", "JOB", "LAYER", "TYPE", "PHASE", "ATTEMPT", "MESSAGE", "AGE"]);
    assert_eq!((tasks.len(), &tasks[1][..7]), (2, &["a", "j", "l", "render", "Errored", "4", "broken"][..]));
}

#[tokio::test]
async fn one_word_gets_everything_of_igor() {
    let cluster = Cluster::new("crd-category").await;
    cluster.apply(&job("one", "farm"));
    cluster.apply("{apiVersion: igor.dev/v1alpha1, kind: IgorLayer, metadata: {name: one.a}, spec: {jobName: one, layer: a, priority: 0}}");
    let all = cluster.must(&["get", "igor", "-o", "name"], "");
    assert_eq!(all, "igorjob.igor.dev/one\nigorlayer.igor.dev/one.a\n");
}

#[tokio::test]
async fn kubectl_scale_sets_what_may_be_in_flight() {
    let cluster = Cluster::new("crd-scale").await;
    cluster.apply(&job("one", "farm"));
    cluster.must(&["scale", "ij/one", "--replicas=500"], "");
    assert_eq!(cluster.must(&["get", "ij", "one", "-o", "jsonpath={.spec.maxInFlight}"], ""), "500");
    write_status(
        &cluster,
        "ij",
        "one",
        r#"{"tasks": {"total": 9, "pending": 1, "queued": 0, "running": 7, "completed": 1, "errored": 0, "skipped": 0, "retried": 0}}"#,
    );
    let replicas = cluster.must(&["get", "ij", "one", "--subresource=scale", "-o", "jsonpath={.spec.replicas} {.status.replicas}"], "");
    assert_eq!(replicas, "500 7");
}

#[tokio::test]
async fn kubectl_wait_sees_conditions() {
    let cluster = Cluster::new("crd-wait").await;
    cluster.apply(&job("one", "farm"));
    let condition = r#"{"conditions": [{"type": "Complete", "status": "True", "reason": "AllLayersFinished", "message": "", "lastTransitionTime": "2026-11-24T15:04:05Z"}]}"#;
    write_status(&cluster, "ij", "one", condition);
    until("kubectl wait is content", SOON, || async {
        cluster.kubectl(&["wait", "--for=condition=Complete", "ij/one", "--timeout=10s"], "")
    })
    .await;
    let bad = condition.replace("AllLayersFinished", "not one word");
    let patch = format!("{{\"status\": {bad}}}");
    let refused = cluster.kubectl(&["patch", "ij", "one", "--subresource=status", "--type=merge", "-p", &patch], "").expect_err("refused");
    assert!(refused.contains("conditions[0].reason in body should match"), "{refused}");
}
