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

#[tokio::test(flavor = "multi_thread")]
async fn one_process_takes_a_job_runs_it_and_answers_over_http() {
    world("one_process_takes_a_job_runs_it_and_answers_over_http", ALONE, async |world, _| {
        let namespace = world.namespace();
        let (mut command, name) = world.igor("standalone");
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
