//! HTTP, annotations and edits of the spec meet in one ledger; and what was answered is done.

use serde_json::{Value, json};

use crate::served::{Served, served};
use crate::support::until;
use crate::v1::{STILL, each, job, reference};
use crate::world::{SOON, Setup};

/// An operator that leads, and nothing that runs tasks.
const NO_WORKER: Setup = Setup { operators: 1, workers: 0, task_lease: 30.0 };

/// Whether the job is paused, as the ledger has it.
async fn is_paused(api: &Served) -> bool {
    api.world.count("SELECT count(*) FROM igor.jobs WHERE paused_at IS NOT NULL").await == 1
}

async fn until_paused(api: &Served, wanted: bool) {
    until(&format!("paused is {wanted}"), SOON, || async { if is_paused(api).await == wanted { Ok(()) } else { Err(()) } }).await;
}

/// Pauses the job over HTTP, or lets it go, until it is followed: the operator may have moved the job meanwhile.
async fn steer(api: &Served, verb: &str) {
    until(verb, SOON, || async {
        let shown = api.one("/api/v1/jobs").await;
        if api.verb(verb, &[reference("Job", &shown)]).await == 1 { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_verbs_annotations_and_edits_the_last_one_wins() {
    served("of_verbs_annotations_and_edits_the_last_one_wins", NO_WORKER, async |api, _| {
        api.make(&job("noop", 3)).await;
        let name = api.world.job_names().await.remove(0);
        api.world.until_phase(&name, &["Running"]).await;
        let edit = |paused: bool| {
            let patch = json!({"spec": {"paused": paused}}).to_string();
            api.world.kubectl(&["patch", "ij", &name, "--type=merge", "-p", &patch], None).expect("patched");
        };
        for _ in 0..2 {
            steer(&api, "pause").await;
            assert!(is_paused(&api).await, "the answer is the effect");
            api.world.annotate(&name, "igor/pause=true");
            api.world.annotate(&name, "igor/pause=false");
            until_paused(&api, false).await;
            edit(true);
            until_paused(&api, true).await;
            steer(&api, "unpause").await;
            assert!(!is_paused(&api).await);
            edit(false);
            api.world.annotate(&name, "igor/pause=true");
            until_paused(&api, true).await;
            steer(&api, "unpause").await;
            until("the annotation that is untrue goes", SOON, || async {
                let annotations = api.world.job(&name).await["metadata"]["annotations"].clone();
                if annotations["igor/pause"] == Value::Null { Ok(()) } else { Err(annotations) }
            })
            .await;
            assert!(!is_paused(&api).await, "what was seen before is not followed again");
        }
        let phase = api.world.until_phase(&name, &["Running"]).await;
        assert_eq!(phase["status"]["tasks"]["total"], 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shots_of_both_kinds_on_one_job_each_act_once() {
    served("one_shots_of_both_kinds_on_one_job_each_act_once", NO_WORKER, async |api, _| {
        let made =
            api.make(&json!({"name": "mix", "layers": [{"name": "a", "paused_at": 1, "tasks": vec![json!({"type": "noop"}); 6]}]})).await;
        let name = api.world.job_names().await.remove(0);
        api.world.until_phase(&name, &["Pending", "Paused", "Running"]).await;
        let tasks = made["layers"][0]["tasks"].as_array().expect("tasks").clone();
        api.world.annotate(&name, "igor/kill=a/t0");
        assert_eq!(api.verb("kill", &[reference("Task", &tasks[1]), reference("Task", &tasks[2])]).await, 2);
        api.world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 3).await;
        api.world.annotate(&name, "igor/retry=a/t1");
        api.world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'ERRORED'", |count| count == 2).await;
        assert_eq!(api.verb("skip", &[reference("Task", &tasks[3]), reference("Task", &tasks[1])]).await, 1);
        let moves = "SELECT count(*) FROM igor.transitions x JOIN igor.tasks t ON t.id = x.task_id";
        assert_eq!(api.world.count(moves).await, 5, "three kills, a retry, a skip");
        let lawful =
            "SELECT count(*) FROM igor.tasks t WHERE version <> 1 + (SELECT count(*) FROM igor.transitions x WHERE x.task_id = t.id)";
        assert_eq!(api.world.count(lawful).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_outlives_the_death_of_api_and_operator() {
    served("what_was_answered_outlives_the_death", Setup::default(), async |mut api, running| {
        api.make(&job("noop", 20)).await;
        let made = api
            .make(&json!({"name": "kept", "layers": [{"name": "a", "paused_at": 1, "tasks": [{"type": "noop"}, {"type": "noop"}]}]}))
            .await;
        let tasks = &made["layers"][0]["tasks"];
        assert_eq!(api.verb("kill", &[reference("Task", &tasks[0])]).await, 1);
        let more = json!([{"layer_id": made["layers"][0]["id"], "type": "noop", "name": "added"}]);
        api.post("/api/v1/tasks", &more).await.ok();
        api.process.kill();
        for operator in &mut running.lock().await.operators {
            operator.kill();
        }
        let operator = api.world.operator();
        let again = Served::start(api.world.clone(), &api.token, |command| command).await;
        let path = format!("/api/v1/tasks?layer_ids={}", made["layers"][0]["id"].as_str().expect("an id"));
        let shown = again.get(&path).await.ok();
        let mut statuses: Vec<String> = each(&shown, "status").iter().map(ToString::to_string).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["\"ERRORED\"", "\"PENDING\"", "\"PENDING\""]);
        again.world.until_count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'", |count| count == 20).await;
        drop(operator);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_what_was_submitted_waits_for_one() {
    served("without_an_operator_what_was_submitted_waits", STILL, async |api, _| {
        api.make(&job("noop", 5)).await;
        api.make(&job("noop", 2_001)).await;
        let (_operator, _worker) = (api.world.operator(), api.world.worker(&[]));
        api.world.until_count("SELECT count(*) FROM igor.jobs WHERE status = 'COMPLETED'", |count| count == 2).await;
    })
    .await;
}
