use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use igor::core::job::{Counters, Facts, Job, Layer, OnFailure};
use igor::core::status::Status;
use igor::core::wait::{Commonest, Wait};
use igor::crd::status::{LayerView, job_status, layer_status};
use igor::crd::{self, FailedTask, IgorJob, IgorLayer};
use kube::api::{Api, Patch, PatchParams, ValidationDirective};
use serde_json::json;

use crate::support::cluster::Cluster;

#[tokio::test]
async fn every_sample_is_taken_and_its_plan_resolves() {
    let cluster = Cluster::new("crd-samples").await;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/samples");
    let mut samples = 0;
    for entry in fs::read_dir(folder).expect("samples") {
        let path = entry.expect("a file").path();
        cluster.apply(&fs::read_to_string(&path).expect("a sample"));
        samples += 1;
    }
    assert!(samples >= 3);
    let jobs: Api<IgorJob> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut totals = Vec::new();
    for job in jobs.list(&kube::api::ListParams::default()).await.expect("the jobs") {
        let mut files = std::collections::BTreeMap::new();
        for key in crd::resolve::sources(&job.spec, &BTreeSet::new()) {
            let map = maps.get_opt(&key.name).await.expect("an answer");
            files.insert(key.clone(), crd::resolve::of_config_map(map, &key.key));
        }
        let name = job.metadata.name.expect("a name");
        let plan = crd::resolve::plan(&job.spec, &files, &BTreeSet::new()).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        totals.push((name, plan.total()));
    }
    assert_eq!(totals, [("from-a-file".to_owned(), 3), ("hello".to_owned(), 1), ("nightly".to_owned(), 50_003)]);
}

#[tokio::test]
async fn a_job_of_one_line_gets_the_servers_defaults() {
    let cluster = Cluster::new("crd-defaults").await;
    cluster.apply("{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: small}, spec: {layers: [{name: a}]}}");
    let jobs: Api<IgorJob> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let raw = jobs.get("small").await.expect("the job").spec;
    let expected = json!({
        "paused": false, "queue": "default", "priority": 0, "onFailure": "Hold", "taskObjects": "Failed",
        "layers": [{"name": "a", "priority": 0}],
    });
    assert_eq!(serde_json::to_value(raw).expect("json"), expected);
    let printed = cluster.must(&["get", "ij", "small", "-o", "jsonpath={.spec}"], "");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("json"), expected);
}

fn layer(at: u32) -> Layer {
    let tasks = Counters { pending: 9, queued: 3, running: 1, completed: 4, errored: 2, skipped: 1, retried: 8 };
    Layer {
        name: format!("{}{at}", "l".repeat(60)),
        priority: i32::try_from(at).expect("small"),
        status: Status::Errored,
        run: 1,
        paused_by: Some("mara".to_owned()),
        gated: false,
        expected: 20,
        loaded: 20,
        tasks,
    }
}

/// The largest status there is: 256 layers with the longest names, and long texts everywhere.
fn largest() -> Facts {
    let layers = (0..256).map(layer).collect();
    let job = Job {
        status: Status::Errored,
        accepted: true,
        finished: false,
        paused_by: Some("mara".to_owned()),
        gated: false,
        on_failure: OnFailure::Hold,
        layers,
    };
    let long = "ä".repeat(40_000);
    let held = Wait::Held { layer: "l".to_owned(), errored: 2, total: 20, said: Some(Commonest { text: long, times: 2, of: 2 }) };
    Facts { job, reason: None, started_ms: Some(1_764_000_000_000), finished_ms: None, paused_ms: 0, end: None, waits: vec![held] }
}

#[tokio::test]
async fn the_largest_status_is_written_strictly_and_reads_back() {
    let cluster = Cluster::new("crd-status").await;
    cluster.apply("{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: large}, spec: {layers: [{name: a}]}}");
    let jobs: Api<IgorJob> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let status = job_status(Some(&largest()), None, None, 1, 1_764_000_060_000);
    let params = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(crd::FIELD_MANAGER).force() };
    let patch = json!({"apiVersion": "igor.dev/v1alpha1", "kind": "IgorJob", "status": status});
    let written = jobs.patch_status("large", &params, &Patch::Apply(&patch)).await.expect("a status that is taken");
    assert_eq!(written.status, Some(status));
    assert_eq!(written.metadata.generation, Some(1));
}

#[tokio::test]
async fn a_layers_status_is_written_strictly_and_reads_back() {
    let cluster = Cluster::new("crd-layer").await;
    cluster.apply(
        "{apiVersion: igor.dev/v1alpha1, kind: IgorLayer, metadata: {name: j.render}, spec: {jobName: j, layer: render, priority: 0}}",
    );
    let layers: Api<IgorLayer> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let layer = layer(0);
    let failed = |ix| FailedTask { name: "x".repeat(63), index: Some(ix), attempt: 3, message: Some("ä".repeat(999)) };
    let view =
        LayerView { layer: &layer, started_ms: Some(0), finished_ms: Some(1), max_in_flight: None, failed: (0..50).map(failed).collect() };
    let status = layer_status(view, None, 1, 1_764_000_060_000);
    let params = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply(crd::FIELD_MANAGER).force() };
    let patch = json!({"apiVersion": "igor.dev/v1alpha1", "kind": "IgorLayer", "status": status});
    let written = layers.patch_status("j.render", &params, &Patch::Apply(&patch)).await.expect("a status that is taken");
    assert_eq!(written.status, Some(status));
}

#[tokio::test]
async fn what_may_change_changes_and_a_status_cannot_come_with_the_spec() {
    let cluster = Cluster::new("crd-live").await;
    let job = |live: &str, layer: &str| {
        format!(
            "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: live}}, \
             spec: {{{live} layers: [{{name: a, {layer} tasks: [{{type: t}}]}}, {{name: b}}]}}, status: {{phase: Completed}}}}"
        )
    };
    cluster.apply(&job("", ""));
    cluster.apply(&job(
        "paused: true, priority: 7, maxInFlight: 3, ttlSecondsAfterFinished: 60, title: Other, taskObjects: None,",
        "paused: true, maxInFlight: 9, title: Other,",
    ));
    let jobs: Api<IgorJob> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let job = jobs.get("live").await.expect("the job");
    assert_eq!((job.spec.paused, job.spec.priority, job.spec.max_in_flight, job.spec.layers[0].max_in_flight), (true, 7, Some(3), Some(9)));
    assert_eq!((job.metadata.generation, job.status), (Some(2), None));
}
