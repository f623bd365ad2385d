//! `igor standalone`: all of Igor in one process.

use crate::served::{address, person};
use crate::support::from_rig;
use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup, world};

const ALONE: Setup = Setup { operators: 0, workers: 0, task_lease: 30.0 };

const JOB: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: hello}
spec:
  layers:
  - name: first
    tasks: [{name: a, type: echo, args: hello}]
  - name: second
    tasks: [{name: b, type: noop}]
";

/// The program of the compose file: what it is told, and by which variables.
fn composed() -> (Vec<String>, Vec<String>) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/compose/compose.yaml")).expect("the file");
    assert!(text.lines().count() <= 30, "it is to be taken in at a glance");
    let compose: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    let igor = &compose["services"]["igor"];
    let word = |value: &serde_yaml::Value| value.as_str().expect("a word").to_owned();
    let command = igor["command"].as_sequence().expect("a command").iter().map(word).collect();
    (command, igor["environment"].as_mapping().expect("variables").keys().map(word).collect())
}

#[test]
fn the_compose_file_sets_what_the_program_reads() {
    let (command, variables) = composed();
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_igor")).args([&command[0], "--help"]).output().expect("igor runs");
    let help = String::from_utf8(help.stdout).expect("text");
    for variable in variables.iter().filter(|variable| *variable != "KUBECONFIG") {
        assert!(help.contains(&format!("[env: {variable}")), "{variable} is none of\n{help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_takes_a_job_runs_it_and_answers_over_http() {
    world("one_process_takes_a_job_runs_it_and_answers_over_http", ALONE, async |world, _| {
        let namespace = world.namespace();
        let (words, _) = composed();
        let (mut command, name) = world.igor(&words[0]);
        command.args(&words[1..]);
        command.env("KUBECONFIG", from_rig("IGOR_TEST_KUBECONFIG")).args(["--listen", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"]);
        command.args(["--watch-namespace", namespace, "--lease-name", namespace, "--namespace", namespace]);
        let mut process = Process::start(&world.folder, &name, &mut command);
        let url = until("the API serves", SOON, || async { address(&process.printed()).ok_or_else(|| process.printed()) }).await;
        world.apply(JOB);
        world.until_phase("hello", &["Completed"]).await;
        let token = person(&world, "reader", &["get", "list"]);
        let answer = reqwest::Client::new().get(format!("{url}/api/v1/jobs")).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        process.signal("TERM");
        let status = until("its end", SOON, || std::future::ready(process.ended().ok_or("it runs"))).await;
        assert!(status.success(), "{status}");
    })
    .await;
}
