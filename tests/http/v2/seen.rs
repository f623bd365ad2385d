//! What is there to see.

use igor::core::command::Object;
use igor::core::fold::Said;
use serde_json::{Value, json};

use super::{array, each, layer, problem, still, task};
use crate::served::Served;

/// All pages of a list: the names, and how many pages.
async fn pages(api: &Served, path: &str) -> (Vec<String>, usize) {
    let (mut names, mut after, mut count) = (Vec::new(), String::new(), 0);
    loop {
        let page = api.get(&format!("{path}{after}")).await.ok();
        names.extend(each(&page, "name"));
        count += 1;
        let Some(next) = page["next"].as_str() else { return (names, count) };
        after = format!("&after={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_filter_sort_and_show_the_fields_that_are_asked_for() {
    still("lists_page_filter_sort_and_show_the_fields_that_are_asked_for", async |api, hand| {
        let namespace = api.world.namespace().to_owned();
        for place in 0..5 {
            hand.accept(&format!("j-{place}"), (5 - place) * 60_000, vec![layer("a", 0, vec![array("t", 7)])]).await;
        }
        let newest = ["j-4", "j-3", "j-2", "j-1", "j-0"].map(str::to_owned).to_vec();
        assert_eq!(pages(&api, "/api/v2/jobs?limit=2").await, (newest.clone(), 3));
        let oldest: Vec<String> = newest.iter().rev().cloned().collect();
        let jobs = format!("/api/v2/namespaces/{namespace}/jobs");
        assert_eq!(pages(&api, &format!("{jobs}?limit=1000&sort=created&status=running&status=PENDING")).await, (oldest, 1));
        let one = api.get(&format!("{jobs}?name=J-3&fields=name,status")).await.ok();
        assert_eq!(one, json!({"items": [{"name": "j-3", "status": "RUNNING"}], "next": null}));
        let tasks = format!("{jobs}/j-1/layers/a/tasks");
        let (names, count) = pages(&api, &format!("{tasks}?limit=3&type=render")).await;
        assert_eq!((names, count), ((0..7).map(|ix| format!("t-{ix}")).collect(), 3));
        assert_eq!(pages(&api, &format!("{tasks}?limit=3&status=errored")).await, (Vec::new(), 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_its_layers_and_tasks_are_shown_with_their_etags() {
    still("a_job_its_layers_and_tasks_are_shown_with_their_etags", async |api, hand| {
        let object = hand.accept("nightly", 0, vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])]).await;
        let job_path = format!("/api/v2/namespaces/{}/jobs/nightly", object.namespace);
        let job = api.get(&job_path).await.ok();
        let counts = json!({"total": 1, "pending": 1, "queued": 0, "running": 0, "completed": 0, "errored": 0, "skipped": 0, "retried": 0});
        assert_eq!(
            job,
            json!({
                "id": super::job_id(&object), "uid": object.uid, "namespace": object.namespace, "name": "nightly", "title": "nightly",
                "status": "RUNNING", "reason": null, "etag": "2", "paused": false, "pausedBy": null, "atWork": null, "accepted": true,
                "createdAt": job["createdAt"], "startedAt": job["startedAt"], "finishedAt": null, "deletedAt": null, "expiredAt": null,
                "updatedAt": job["updatedAt"], "queue": "default", "priority": "normal", "maxInFlight": null, "onFailure": "Hold",
                "activeDeadlineSeconds": null, "origin": "test", "layers": 2, "tasks": counts
            })
        );
        let head = api.http.get(format!("{}{job_path}", api.url)).bearer_auth(&api.token).send().await.expect("an answer");
        assert_eq!(head.headers()["etag"], "\"2\"");
        let layers = api.get(&format!("{job_path}/layers")).await.ok();
        assert_eq!(
            (each(&layers, "name"), each(&layers, "status")),
            (vec!["a".into(), "b".into()], vec!["RUNNING".into(), "PENDING".into()])
        );
        assert_eq!(api.get(&format!("{job_path}/layers/a")).await.ok(), layers["items"][0]);
        let task = api.get(&format!("{job_path}/layers/a/tasks/x")).await.ok();
        assert_eq!((&task["name"], &task["type"], &task["argsBase64"]), (&json!("x"), &json!("render"), &json!("eA==")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_told_also_of_a_deleted_job_by_its_uid() {
    still("what_happened_is_told_also_of_a_deleted_job_by_its_uid", async |api, hand| {
        let object = hand.accept("gone", 60_000, vec![layer("a", 0, vec![task("x")])]).await;
        let tasks = hand.dispatch(&object).await;
        hand.say(&tasks, Said::Running).await;
        hand.say(&tasks, Said::Errored).await;
        hand.command(&object, &Object::Layer("a".to_owned()), "pause", "true").await;
        hand.delete(&object).await;
        hand.accept("gone", 0, vec![layer("a", 0, vec![task("other")])]).await;
        let by_uid = format!("/api/v2/jobs/{}", object.uid);
        let job = api.get(&by_uid).await.ok();
        assert_eq!((&job["name"], &job["reason"], job["deletedAt"].is_string()), (&json!("gone"), &json!("Deleted"), true));
        assert_eq!(api.get(&format!("/api/v2/jobs/{}", super::job_id(&object))).await.ok(), job, "by Igor's id too");
        let attempts = api.get(&format!("{by_uid}/layers/a/tasks/x/attempts")).await.ok();
        assert_eq!((each(&attempts, "endedAs"), each(&attempts, "actor")), (vec!["ERRORED".into()], vec!["worker w-1".into()]));
        let commands = api.get(&format!("{by_uid}/commands?fields=verb,object,actor,reason")).await.ok();
        assert_eq!(commands["items"][0], json!({"verb": "pause", "object": "layer/a", "actor": "ann", "reason": "by hand"}));
        assert_eq!(each(&commands, "verb"), ["pause", "delete"]);
        let moved = api.get(&format!("{by_uid}/transitions?limit=1000")).await.ok();
        let mut opened = each(&moved, "object")[..2].to_vec();
        opened.sort();
        assert_eq!(opened, ["job", "layer/a"], "{moved}");
        let moved = api.get(&format!("{by_uid}/layers/a/tasks/x/transitions?fields=from,to,attempt")).await.ok();
        let step = |from: &str, to: &str| json!({"from": from, "to": to, "attempt": 1});
        assert_eq!(moved["items"], json!([step("PENDING", "QUEUED"), step("QUEUED", "RUNNING"), step("RUNNING", "ERRORED")]));
        let named = api.get(&format!("/api/v2/namespaces/{}/jobs/gone/layers/a/tasks", object.namespace)).await.ok();
        assert_eq!(each(&named, "name"), ["other"], "by its name it is the newest");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_job_is_held_is_told_with_what_mends_it() {
    still("why_a_job_is_held_is_told_with_what_mends_it", async |api, hand| {
        let object = hand.accept("held", 0, vec![layer("a", 0, vec![task("x")]), layer("b", 1, vec![])]).await;
        let tasks = hand.dispatch(&object).await;
        hand.say(&tasks, Said::Errored).await;
        let job = format!("/api/v2/namespaces/{}/jobs/held", object.namespace);
        let why = api.get(&format!("{job}/why")).await.ok();
        assert_eq!(why["why"][0]["reason"], "HeldOnFailure");
        assert_eq!(why["why"][0]["mend"][0], format!("kubectl -n {} annotate il held.a igor/retry=failed", object.namespace));
        let of_layer = api.get(&format!("{job}/layers/b/why")).await.ok();
        assert_eq!(of_layer["why"].as_array().map(Vec::len), Some(2), "{of_layer}");
        let of_task = api.get(&format!("{job}/layers/a/tasks/x/why")).await.ok();
        assert!(of_task["why"][0]["says"].as_str().is_some_and(|says| says.contains("x said Errored")), "{of_task}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_a_problem_with_all_faults_and_what_is_not_there_a_404() {
    still("what_is_wrong_is_a_problem_with_all_faults_and_what_is_not_there_a_404", async |api, hand| {
        let object = hand.accept("j", 0, vec![layer("a", 0, vec![task("x")])]).await;
        let jobs = format!("/api/v2/namespaces/{}/jobs", object.namespace);
        let wrong = api.get(&format!("{jobs}?limit=0&after=x&status=done")).await;
        assert_eq!(problem(&wrong).0, 400);
        assert_eq!(wrong.body["errors"].as_array().map(Vec::len), Some(3));
        assert_eq!(wrong.body["instance"], Value::String(jobs.clone()));
        for query in ["colour=red", "limit=many", "fields=name,colour", "name=%00", "paused=perhaps"] {
            assert_eq!(problem(&api.get(&format!("{jobs}?{query}")).await).0, 400, "{query}");
        }
        let absent = [
            format!("{jobs}/k"),
            format!("{jobs}/J"),
            format!("{jobs}/%ff"),
            format!("{jobs}/j/layers/b"),
            format!("{jobs}/j/layers/a/tasks/y"),
            format!("{jobs}/j/layers/a/tasks/%00"),
            format!("{jobs}/j/nothing"),
            format!("/api/v2/jobs/{}", uuid::Uuid::nil()),
            "/api/v2/jobs/x".to_owned(),
            "/api/v2/nothing".to_owned(),
        ];
        for path in absent {
            assert_eq!(problem(&api.get(&path).await).0, 404, "{path}");
        }
        assert_eq!(problem(&api.post(&format!("{jobs}/j/layers"), &json!({})).await).0, 405);
    })
    .await;
}
