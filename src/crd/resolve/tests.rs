use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::prelude::*;

use super::*;

fn spec(yaml: &str) -> IgorJobSpec {
    serde_yaml::from_str(yaml).expect("a spec")
}

fn key(name: &str) -> ConfigMapKey {
    ConfigMapKey { name: name.to_owned(), key: "tasks.ndjson".to_owned() }
}

/// A job of one layer whose tasks stand in these files.
fn from_files(names: &[&str]) -> IgorJobSpec {
    let from = |name: &&str| TasksFrom { config_map_key_ref: Some(key(name)), upload: None };
    let mut spec = spec("{defaults: {type: render}, layers: [{name: a}]}");
    spec.layers[0].tasks_from = names.iter().map(from).collect();
    spec
}

fn read(bytes: &[u8]) -> Result<Plan, Vec<String>> {
    let files = BTreeMap::from([(key("f"), Fetched::Bytes(bytes.to_vec()))]);
    plan(&from_files(&["f"]), &files, &BTreeSet::new()).map_err(said)
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn said(faults: Vec<Fault>) -> Vec<String> {
    faults.iter().map(|fault| format!("{} {fault}", fault.reason.as_str())).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

#[test]
fn the_example_of_the_reference_resolves() {
    let spec = spec(
        r"
        title: Nightly render
        queue: farm
        priority: 5
        maxInFlight: 1000
        onFailure: Continue
        activeDeadlineSeconds: 86400
        defaults: {type: render, retries: 3, timeoutSeconds: 600, backoff: {initialSeconds: 10, maxSeconds: 3600}}
        layers:
        - name: fetch
          maxInFlight: 50
          tasks:
          - {name: plate, type: fetch, args: 's3://plates/010'}
          - {name: frame, count: 50000, payload: {z: [1, 2], a: {scene: a.blend}}}
        - {name: join, title: Join and publish, priority: 10, paused: true}
        ",
    );
    let plan = plan(&spec, &BTreeMap::new(), &BTreeSet::new()).expect("a plan");
    assert_eq!((plan.queue.as_str(), plan.priority, plan.max_in_flight, plan.total()), ("farm", 5, Some(1000), 50_001));
    assert_eq!(plan.on_failure, plan::OnFailure::Continue);
    assert_eq!(plan.layers[1].title.as_deref(), Some("Join and publish"));
    assert!(plan.layers[1].paused && plan.layers[1].tasks.is_empty());
    let array = TaskPlan {
        name: "frame".to_owned(),
        title: None,
        kind: "render".to_owned(),
        args: Some(br#"{"a":{"scene":"a.blend"},"z":[1,2]}"#.to_vec()),
        count: Some(50_000),
        max_failures: 4,
        timeout_ms: Some(600_000),
        paused: false,
    };
    assert_eq!(plan.layers[0].tasks[1], array);
}

#[test]
fn a_file_may_be_plain_or_gzipped_and_comes_behind_the_listed_tasks() {
    let text = "{\"name\": \"a\", \"retries\": 2}\r\n\n  \n{\"type\": \"fetch\", \"payload\": {\"x\": 1}, \"title\": null}";
    let mut spec = from_files(&["plain", "packed"]);
    spec.layers[0].tasks = vec![LayerTask { name: Some("first".to_owned()), ..LayerTask::default() }];
    let packed = [gzip(b"{\"name\":\"b\"}\n"), gzip(b"{\"name\":\"c\"}\n")].concat();
    let files = BTreeMap::from([(key("plain"), Fetched::Bytes(text.into())), (key("packed"), Fetched::Bytes(packed))]);
    let plan = plan(&spec, &files, &BTreeSet::new()).expect("a plan");
    let names: Vec<(&str, &str)> = plan.layers[0].tasks.iter().map(|task| (task.name.as_str(), task.kind.as_str())).collect();
    assert_eq!(names, [("first", "render"), ("a", "render"), ("t2", "fetch"), ("b", "render"), ("c", "render")]);
    assert_eq!(plan.layers[0].tasks[2].args, Some(b"{\"x\":1}".to_vec()));
}

#[test]
fn faults_name_line_and_field_and_never_what_stands_there() {
    let table = [
        ("{\"name\":\"hunter2\"", "InvalidSpec layers[0].tasksFrom[0].line 1: is no JSON from column 17 on"),
        ("[\"hunter2\"]", "InvalidSpec layers[0].tasksFrom[0].line 1: is no JSON object"),
        ("{\"args\":{\"hunter2\":1}}", "InvalidSpec layers[0].tasksFrom[0].line 1.args: must be a string"),
        ("\n{\"payload\":\"hunter2\"}", "InvalidSpec layers[0].tasksFrom[0].line 2.payload: must be a JSON object"),
        ("{\"retries\":1.5}", "InvalidSpec layers[0].tasksFrom[0].line 1.retries: must be a whole number"),
        ("{\"paused\":\"hunter2\"}", "InvalidSpec layers[0].tasksFrom[0].line 1.paused: must be true or false"),
        ("{\"count\":0}", "InvalidSpec layers[0].tasksFrom[0].line 1.count: must lie from 1 to 1000000"),
        (
            "{\"name\":\"hunter2 \"}",
            "InvalidSpec layers[0].tasksFrom[0].line 1.name: may hold letters, digits, . _ - and has 1 to 63 characters",
        ),
        (
            "{\"retires\":3}",
            "InvalidSpec layers[0].tasksFrom[0].line 1.retires: is not known: a task has name, title, type, args, argsBase64, payload, count, retries, timeoutSeconds, paused",
        ),
        (
            "{\"hunter2!\":3}",
            "InvalidSpec layers[0].tasksFrom[0].line 1.(a field): is not known: a task has name, title, type, args, argsBase64, payload, count, retries, timeoutSeconds, paused",
        ),
        (
            "{\"name\":\"hunter2\"}\n{\"name\":\"hunter2\"}",
            "DuplicateTaskName layers[0].tasksFrom[0].line 2.name: collides with the name of tasksFrom[0].line 1",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(read(text.as_bytes()), Err(vec![expected.to_owned()]), "{text}");
    }
}

#[test]
fn every_bad_line_is_told_at_once() {
    let said = read(b"{\"name\":1}\n{}\n{\n{\"count\":-1,\"retries\":true}").expect_err("faults");
    let paths: Vec<&str> = said.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "InvalidSpec layers[0].tasksFrom[0].line 1.name",
            "InvalidSpec layers[0].tasksFrom[0].line 3",
            "InvalidSpec layers[0].tasksFrom[0].line 4.retries",
            "InvalidSpec layers[0].tasksFrom[0].line 4.count",
        ]
    );
}

#[test]
fn a_damaged_archive_is_told_and_a_bomb_is_cut() {
    let mut damaged = gzip("{\"name\":\"a\"}\n".repeat(9000).as_bytes());
    damaged.truncate(damaged.len() / 2);
    let said = read(&damaged).expect_err("faults");
    assert!(said[0].ends_with("cannot be inflated: the file is no gzip, or damaged"), "{said:?}");

    let bomb = gzip(&vec![b' '; 65 << 20]);
    assert!(bomb.len() < 1 << 20);
    let too_large = "TooLarge layers[0].tasksFrom[0]: with this file the tasks of the job have more than 64 MiB";
    assert_eq!(read(&bomb), Err(vec![too_large.to_owned()]));
}

#[test]
fn the_limit_of_bytes_holds_for_all_files_of_a_job_together() {
    let half = Fetched::Bytes(gzip(&[vec![b' '; 40 << 20], b"\n".to_vec()].concat()));
    let files = BTreeMap::from([(key("a"), half.clone()), (key("b"), half)]);
    assert!(plan(&from_files(&["a"]), &files, &BTreeSet::new()).is_ok());
    let too_large = "TooLarge layers[0].tasksFrom[1]: with this file the tasks of the job have more than 64 MiB";
    assert_eq!(plan(&from_files(&["a", "b"]), &files, &BTreeSet::new()).map_err(said), Err(vec![too_large.to_owned()]));
}

#[test]
fn more_lines_than_a_job_may_have_tasks_are_not_kept() {
    let text = "{}\n".repeat(1_000_001);
    let too_large = "TooLarge layers[0].tasksFrom[0]: with this file the job has more than 1000000 tasks";
    assert_eq!(read(text.as_bytes()), Err(vec![too_large.to_owned()]));
}

#[test]
fn what_cannot_be_read_has_its_reason() {
    let mut spec = from_files(&["gone", "secret"]);
    spec.layers[0].tasks_from.push(TasksFrom { upload: Some(super::super::Upload { count: 9 }), ..TasksFrom::default() });
    spec.layers[0].tasks_from.push(TasksFrom::default());
    spec.layers[0].name = "A".to_owned();
    let files = BTreeMap::from([(key("gone"), Fetched::NotFound), (key("secret"), Fetched::Forbidden)]);
    assert_eq!(
        plan(&spec, &files, &BTreeSet::new()).map_err(said),
        Err(vec![
            "TasksFromNotFound layers[0].tasksFrom[0].configMapKeyRef: there is no ConfigMap gone with the key tasks.ndjson".to_owned(),
            "TasksFromForbidden layers[0].tasksFrom[1].configMapKeyRef: ConfigMap secret does not carry the label igor.dev/tasks".to_owned(),
            "InvalidSpec layers[0].tasksFrom[2].upload: 0 of 9 tasks were uploaded"
                .to_owned(),
            "InvalidSpec layers[0].tasksFrom[3]: must have one of configMapKeyRef and upload".to_owned(),
            "InvalidSpec layers[0].name: \"A\" may hold lower-case letters, digits and -, begins and ends with a letter or digit, and has 1 to 63 characters"
                .to_owned(),
        ])
    );
}

#[test]
fn a_config_map_is_read_only_with_its_label() {
    let labels = BTreeMap::from([(LABEL_TASKS.to_owned(), String::new())]);
    let labelled = ConfigMap {
        metadata: ObjectMeta { labels: Some(labels), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("text".to_owned(), "{}".to_owned())])),
        binary_data: Some(BTreeMap::from([("packed".to_owned(), ByteString(vec![1, 2]))])),
        immutable: None,
    };
    let plain = ConfigMap { metadata: ObjectMeta::default(), ..labelled.clone() };
    assert_eq!(of_config_map(Some(labelled.clone()), "text"), Fetched::Bytes(b"{}".to_vec()));
    assert_eq!(of_config_map(Some(labelled.clone()), "packed"), Fetched::Bytes(vec![1, 2]));
    assert_eq!(of_config_map(Some(labelled), "other"), Fetched::NotFound);
    assert_eq!(of_config_map(Some(plain), "text"), Fetched::Forbidden);
    assert_eq!(of_config_map(None, "text"), Fetched::NotFound);
}

#[test]
fn sources_are_told_once_each() {
    let mut spec = from_files(&["b", "a", "b"]);
    spec.layers.push(spec.layers[0].clone());
    assert_eq!(sources(&spec, &BTreeSet::new()), BTreeSet::from([key("a"), key("b")]));
}

proptest! {
    #[test]
    fn any_bytes_give_a_plan_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(faults) = read(&bytes) {
            prop_assert!(!faults.is_empty());
        }
    }
}

#[test]
fn a_task_by_itself_is_called_like_its_object_and_takes_the_jobs_defaults() {
    let job = spec("{defaults: {type: render, retries: 3, timeoutSeconds: 60}, layers: [{name: a}]}");
    let written = "{jobName: j, layerName: a, type: comp, payload: {shot: 7}, timeoutSeconds: 5}";
    let spec: IgorTaskSpec = serde_yaml::from_str(written).expect("a spec");
    let resolved = task(&spec, "extra.1", &job).expect("a task");
    let expected = TaskPlan {
        name: "extra.1".to_owned(),
        title: None,
        kind: "comp".to_owned(),
        args: Some(br#"{"shot":7}"#.to_vec()),
        count: None,
        max_failures: 4,
        timeout_ms: Some(5_000),
        paused: false,
    };
    assert_eq!(resolved, expected);
    let spec = IgorTaskSpec { args: Some("x".to_owned()), ..spec };
    let faults = said(task(&spec, "a name", &job).expect_err("faults"));
    assert_eq!(
        faults,
        [
            r#"InvalidSpec name: "a name" may hold letters, digits, . _ - and has 1 to 63 characters"#,
            "InvalidSpec args: comes with payload: one of args, argsBase64 and payload"
        ]
    );
}
