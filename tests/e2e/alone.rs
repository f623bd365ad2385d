//! Parts of the rig are stopped for a while: these tests run one after another in a rig of their own, which the first of them starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup, condition, world};

const DONE: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the rig of these tests lives; the variable tells the inner run that it is there.
fn state() -> PathBuf {
    repository().join(".dev/alone")
}

/// `rig/test-env VERB PART` of that rig.
fn rig(verb: &str, part: &str) {
    let said = Command::new(repository().join("rig/test-env")).args([verb, part]).env("STATE", state()).output().expect("the rig");
    assert!(said.status.success(), "{verb} {part}: {}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn in_a_rig_of_its_own_parts_may_be_away() {
    let mut run = Command::new(repository().join("rig/with-test-env"));
    run.arg(std::env::current_exe().expect("this program")).args(["--ignored", "--test-threads=1", "alone::"]);
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(|name| name.starts_with("IGOR_TEST_") || name == "DATABASE_URL" || name == "REDIS_URL") {
            run.env_remove(variable);
        }
    }
    let said = run.env("STATE", state()).output().expect("the rig");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{}\n{}", text(&said.stdout), text(&said.stderr));
    assert!(text(&said.stdout).contains(" passed; 0 failed"), "{}", text(&said.stdout));
}

/// Waits until the operator has said that in its log.
async fn until_said(operator: &Process, words: &str) {
    until(words, SOON * 2, || {
        let log = operator.printed();
        std::future::ready(if log.contains(words) { Ok(()) } else { Err(log.lines().last().map(str::to_owned)) })
    })
    .await;
}

#[tokio::test]
#[ignore = "takes its rig's API server away: run by in_a_rig_of_its_own_parts_may_be_away"]
async fn accepted_jobs_run_on_without_the_api_server_and_show_it_soon_afterwards() {
    world("alone_apiserver", Setup::default(), |world, running| async move {
        let running = running.lock().await;
        let job = |name: &str, more: &str| {
            format!(
                "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {{name: {name}}}
spec:
  defaults: {{type: sleep}}
  layers:
  - {{name: a, {more}tasks: [{{name: one, args: '0.05', count: 1000}}]}}
  - {{name: b, priority: 1, tasks: [{{name: two, args: '0.05', count: 1000}}]}}
"
            )
        };
        world.apply(&job("runs", ""));
        world.apply(&job("waits", "paused: true, "));
        world.until_phase("runs", &["Running"]).await;
        world.until_count(DONE, |done| done > 20).await;
        rig("stop", "apiserver");
        let left = world.count(DONE).await;
        assert!(left < 2000, "it was over before the API server went");
        world.until_count(DONE, |done| done == 2000).await;
        // Long enough for its pauses to have grown as far as they do.
        until_said(&running.operators[0], "failures=6").await;
        let stopped = "SELECT count(*) FROM igor.jobs WHERE deleted_at IS NOT NULL";
        assert_eq!(world.count(stopped).await, 0);
        rig("start", "apiserver");
        let back = Instant::now();
        let done = world.until_phase("runs", &["Completed"]).await;
        assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
        assert_eq!((&done["status"]["progress"], condition(&done, "Stalled").0.as_str()), (&"2000/2000".into(), "False"));
        // The watch goes on, wherever it was cut: changes, deletions and new objects are seen.
        world.kubectl(&["delete", "ij", "waits", "--wait=true"], None).expect("deleted");
        world.apply(&job("next", ""));
        world.until_phase("next", &["Completed"]).await;
        world.until_count(stopped, |count| count == 1).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE run > 1").await, 0);
        assert_eq!(running.operators[0].printed().lines().filter(|line| line.contains(": leading epoch")).count(), 1);
    })
    .await;
}

#[tokio::test]
#[ignore = "takes its rig's Postgres away: run by in_a_rig_of_its_own_parts_may_be_away"]
async fn a_ledger_that_is_away_is_named_and_work_goes_on_once_it_is_back() {
    world("alone_ledger", Setup::default(), |world, _running| async move {
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: runs}, \
             spec: {layers: [{name: a, tasks: [{type: sleep, args: '0.05', count: 600}]}]}}",
        );
        world.until_phase("runs", &["Running"]).await;
        world.until_count(DONE, |done| done > 20).await;
        rig("stop", "postgres");
        let away = Instant::now();
        world.apply(
            "{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {name: new}, spec: {layers: [{name: a, tasks: [{type: noop}]}]}}",
        );
        let stalled = |job: &serde_json::Value| condition(job, "Stalled") == ("True".to_owned(), "LedgerUnavailable".to_owned());
        world.until("new", "it says what is away", stalled).await;
        assert!(away.elapsed() < Duration::from_secs(20), "{:?}", away.elapsed());
        assert_ne!(condition(&world.job("new").await, "Accepted").0, "True", "nothing is accepted that is not durable");
        rig("start", "postgres");
        let back = Instant::now();
        world.until("new", "it has run", |job| job["status"]["phase"] == "Completed" && condition(job, "Stalled").0 == "False").await;
        assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
        let done = world.until_phase("runs", &["Completed"]).await;
        assert_eq!(done["status"]["tasks"]["completed"], 600);
        let ends = "SELECT count(*) FROM igor.transitions WHERE \"to\" = 'COMPLETED' AND attempt IS NOT NULL";
        assert_eq!(world.count(ends).await, 601);
    })
    .await;
}
