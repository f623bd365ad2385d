use crate::support::cluster::Cluster;

/// Manifests that are no job, and what must be said of them.
fn bad_jobs() -> Vec<(String, &'static str)> {
    let long = "x".repeat(10_001);
    let many = |count: usize, what: &str| vec![what; count].join(", ");
    let layers: String = (0..257).map(|at| format!("{{name: l{at}}}")).collect::<Vec<_>>().join(", ");
    let two_thousand =
        format!("layers: [{{name: a, tasks: [{0}]}}, {{name: b, tasks: [{0}]}}, {{name: c, tasks: [{{}}]}}]", many(1000, "{}"));
    let task = |fields: &str| format!("layers: [{{name: a, tasks: [{{{fields}}}]}}]");
    let layer = |fields: &str| format!("layers: [{{name: a, {fields}}}]");
    let job = |fields: &str| format!("{fields}, layers: [{{name: a}}]");
    vec![
        (String::new(), "spec.layers: Required value"),
        ("layers: []".to_owned(), "spec.layers in body should have at least 1 items"),
        (format!("layers: [{layers}]"), "spec.layers: Too many: 257: must have at most 256 items"),
        ("layers: [{name: a}, {name: a}]".to_owned(), "spec.layers[1]: Duplicate value"),
        ("layers: [{}]".to_owned(), "spec.layers[0].name: Required value"),
        ("layers: [{name: Render}]".to_owned(), "spec.layers[0].name in body should match"),
        ("layers: [{name: a.b}]".to_owned(), "spec.layers[0].name in body should match"),
        (format!("layers: [{{name: {}}}]", "x".repeat(64)), "spec.layers[0].name: Too long: may not be more than 63"),
        (layer("priority: high"), "spec.layers[0].priority: Invalid value: \"string\""),
        (layer("maxInFlight: -1"), "spec.layers[0].maxInFlight in body should be greater than or equal to 0"),
        (layer(&format!("title: {}", "x".repeat(501))), "spec.layers[0].title: Too long: may not be more than 500"),
        (job("queue: Default"), "spec.queue in body should match"),
        (job("queue: ''"), "spec.queue in body should be at least 1 chars long"),
        (job("priority: 101"), "spec.priority in body should be less than or equal to 100"),
        (job("priority: -101"), "spec.priority in body should be greater than or equal to -100"),
        (job("maxInFlight: -1"), "spec.maxInFlight in body should be greater than or equal to 0"),
        (job("maxInFlight: 3000000000"), "spec.maxInFlight"),
        (job("onFailure: Ignore"), "spec.onFailure: Unsupported value: \"Ignore\": supported values: \"Hold\", \"Continue\""),
        (job("taskObjects: All"), "spec.taskObjects: Unsupported value: \"All\": supported values: \"Failed\", \"None\""),
        (job("paused: 'yes'"), "spec.paused: Invalid value: \"string\""),
        (job("activeDeadlineSeconds: 0"), "spec.activeDeadlineSeconds in body should be greater than or equal to 1"),
        (job("ttlSecondsAfterFinished: -5"), "spec.ttlSecondsAfterFinished in body should be greater than or equal to 0"),
        (job("defaults: {type: 'ren der'}"), "spec.defaults.type in body should match"),
        (job("defaults: {retries: 101}"), "spec.defaults.retries in body should be less than or equal to 100"),
        (job("defaults: {timeoutSeconds: 0}"), "spec.defaults.timeoutSeconds in body should be greater than or equal to 1"),
        (
            job("defaults: {backoff: {initialSeconds: -1}}"),
            "spec.defaults.backoff.initialSeconds in body should be greater than or equal to 0",
        ),
        (job("defaults: {backoff: {initialSeconds: 9, maxSeconds: 8}}"), "defaults.backoff.initialSeconds cannot be more than maxSeconds"),
        (job("maxInflight: 5"), "unknown field \"spec.maxInflight\""),
        (task("name: a/b"), "spec.layers[0].tasks[0].name in body should match"),
        (task("type: -render"), "spec.layers[0].tasks[0].type in body should match"),
        (task(&format!("args: {long}")), "spec.layers[0].tasks[0].args: Too long: may not be more than 10000"),
        (task("argsBase64: '???'"), "spec.layers[0].tasks[0].argsBase64 in body must be of type byte"),
        (task("payload: [1, 2]"), "spec.layers[0].tasks[0].payload: Invalid value: \"array\""),
        (task("count: 0"), "spec.layers[0].tasks[0].count in body should be greater than or equal to 1"),
        (task("count: 1000001"), "spec.layers[0].tasks[0].count in body should be less than or equal to 1000000"),
        (task("retries: -1"), "spec.layers[0].tasks[0].retries in body should be greater than or equal to 0"),
        (task("timeoutSeconds: 2000001"), "spec.layers[0].tasks[0].timeoutSeconds in body should be less than or equal to 2000000"),
        (task("retires: 3"), "unknown field \"spec.layers[0].tasks[0].retires\""),
        (layer(&format!("tasks: [{}]", many(1001, "{}"))), "spec.layers[0].tasks: Too many: 1001: must have at most 1000 items"),
        (two_thousand, "a job lists at most 2,000 tasks: for more use arrays (count) or tasksFrom"),
        (layer("tasksFrom: [{}]"), "each entry of tasksFrom has exactly one of configMapKeyRef and upload"),
        (
            layer("tasksFrom: [{configMapKeyRef: {name: a, key: b}, upload: {count: 1}}]"),
            "each entry of tasksFrom has exactly one of configMapKeyRef and upload",
        ),
        (layer("tasksFrom: [{configMapKeyRef: {name: a}}]"), "spec.layers[0].tasksFrom[0].configMapKeyRef.key: Required value"),
        (
            layer("tasksFrom: [{upload: {count: 0}}]"),
            "spec.layers[0].tasksFrom[0].upload.count in body should be greater than or equal to 1",
        ),
    ]
}

/// What the API server says to a manifest that it must refuse.
fn refusal(cluster: &Cluster, manifest: &str) -> String {
    cluster.kubectl(&["create", "--validate=strict", "-f", "-"], manifest).expect_err(manifest)
}

#[tokio::test]
async fn every_kind_of_bad_job_is_refused_in_words() {
    let cluster = Cluster::new("crd-refused").await;
    for (spec, expected) in bad_jobs() {
        let said =
            refusal(&cluster, &format!("{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: bad}}, spec: {{{spec}}}}}"));
        let shown: String = spec.chars().take(100).collect();
        assert!(said.contains(expected), "{shown}\nexpected: {expected}\nsaid: {said}");
    }
}

#[tokio::test]
async fn a_job_has_a_name_that_fits_its_layers_names() {
    let cluster = Cluster::new("crd-names").await;
    let job = |name: &str| {
        format!("{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{layers: [{{name: a}}]}}}}")
    };
    for name in ["a.b".to_owned(), "x".repeat(64)] {
        let said = refusal(&cluster, &job(&name));
        assert!(said.contains("the name of a job has at most 63 lower-case letters, digits and -"), "{said}");
    }
    cluster.apply(&job(&"x".repeat(63)));
}

/// A good object, an edit of it, and what must be said of that.
const BAD_EDITS: [(&str, &str, &str, &str); 9] = [
    ("ij", "{queue: a, layers: [{name: a}]}", r#"{"spec": {"queue": "b"}}"#, "queue cannot be changed"),
    ("ij", "{layers: [{name: a}]}", r#"{"spec": {"layers": [{"name": "a", "priority": 2}]}}"#, "priority of a layer cannot be changed"),
    ("ij", "{layers: [{name: a}]}", r#"{"spec": {"layers": []}}"#, "spec.layers in body should have at least 1 items"),
    (
        "il",
        "{jobName: j, layer: l, priority: 1}",
        r#"{"spec": {"priority": 2}}"#,
        "an IgorLayer shows a layer of its job and cannot be changed",
    ),
    ("it", "{jobName: j, layerName: l, type: t}", r#"{"spec": {"type": "u"}}"#, "only paused can be changed"),
    ("it", "{jobName: j, layerName: l, type: t}", r#"{"spec": {"args": "u"}}"#, "only paused can be changed"),
    ("it", "{jobName: j, layerName: l, type: t, retries: 3}", r#"{"spec": {"retries": null}}"#, "only paused can be changed"),
    ("it", "{jobName: j, layerName: l, type: t, payload: {a: [1]}}", r#"{"spec": {"payload": {"a": [2]}}}"#, "only paused can be changed"),
    ("it", "{jobName: j, layerName: l, type: t}", r#"{"spec": {"jobName": "k"}}"#, "only paused can be changed"),
];

#[tokio::test]
async fn what_cannot_be_changed_is_said_in_words() {
    let cluster = Cluster::new("crd-edits").await;
    for (at, (short, spec, edit, expected)) in BAD_EDITS.into_iter().enumerate() {
        let kind = match short {
            "ij" => "IgorJob",
            "il" => "IgorLayer",
            _ => "IgorTask",
        };
        let name = format!("o{at}");
        cluster.apply(&format!("{{apiVersion: igor.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}"));
        let said = cluster.kubectl(&["patch", short, &name, "--type=merge", "-p", edit], "").expect_err(edit);
        assert!(said.contains(expected), "{edit}\nexpected: {expected}\nsaid: {said}");
    }
    for name in ["o4", "o6", "o7"] {
        cluster.must(&["patch", "it", name, "--type=merge", "-p", r#"{"spec": {"paused": true}}"#], "");
    }
}

#[tokio::test]
async fn bad_layers_and_tasks_are_refused_in_words() {
    let cluster = Cluster::new("crd-others").await;
    let table = [
        ("IgorLayer", "{jobName: j, layer: l}", "spec.priority: Required value"),
        ("IgorTask", "{layerName: l, type: t}", "spec.jobName: Required value"),
        ("IgorTask", "{jobName: j, layerName: l}", "spec.type: Required value"),
        ("IgorTask", "{jobName: j, layerName: l, type: t, args: a, payload: {}}", "only one of args, argsBase64 and payload can be set"),
        ("IgorTask", "{jobName: j, layerName: l, type: t, name: 'a b'}", "spec.name in body should match"),
        ("IgorTask", "{jobName: j, layerName: l, type: t, count: 3}", "unknown field \"spec.count\""),
    ];
    for (kind, spec, expected) in table {
        let said = refusal(&cluster, &format!("{{apiVersion: igor.dev/v1alpha1, kind: {kind}, metadata: {{name: bad}}, spec: {spec}}}"));
        assert!(said.contains(expected), "{spec}\nexpected: {expected}\nsaid: {said}");
    }
}
