//! `GET /jobs`, `/layers`, `/tasks`.

use serde_json::{Value, json};

use super::{STILL, each, job, reference};
use crate::served::{Served, person, served};

/// Of each element its id, in order.
async fn ids(api: &Served, path: &str) -> Vec<String> {
    each(&api.get(path).await.ok(), "id").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_and_stable_while_paging() {
    served("lists_are_newest_first_and_stable_while_paging", STILL, async |api, _| {
        for _ in 0..3 {
            api.make(&job("noop", 7)).await;
        }
        let all = ids(&api, "/api/v1/tasks").await;
        assert_eq!(all.len(), 21);
        assert!(all.windows(2).all(|two| two[0] > two[1]), "ids hold their time: {all:?}");
        let mut paged = Vec::new();
        for offset in (0..25).step_by(5) {
            paged.extend(ids(&api, &format!("/api/v1/tasks?limit=5&offset={offset}")).await);
        }
        assert_eq!(paged, all);
        let jobs = ids(&api, "/api/v1/jobs").await;
        assert!(jobs.len() == 3 && jobs.windows(2).all(|two| two[0] > two[1]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_ids_are_or_and_different_filters_are_and() {
    served("repeated_ids_are_or_and_different_filters_are_and", STILL, async |api, _| {
        let (one, two, _) = (api.make(&job("noop", 2)).await, api.make(&job("noop", 3)).await, api.make(&job("noop", 4)).await);
        let of_jobs = format!("job_ids={}&job_ids={}", id(&one), id(&two));
        let of_layer = format!("layer_ids={}", id(&two["layers"][0]));
        let of_task = format!("task_ids={}", id(&one["layers"][0]["tasks"][0]));
        let count = async |path: String| ids(&api, &path).await.len();
        assert_eq!(count(format!("/api/v1/jobs?{of_jobs}")).await, 2);
        assert_eq!(count(format!("/api/v1/layers?{of_jobs}&{of_layer}")).await, 1);
        assert_eq!(count(format!("/api/v1/tasks?{of_jobs}")).await, 5);
        assert_eq!(count(format!("/api/v1/tasks?{of_jobs}&{of_layer}")).await, 3);
        let all = ids(&api, &format!("/api/v1/tasks?{of_jobs}")).await;
        assert_eq!(ids(&api, &format!("/api/v1/tasks?{of_jobs}&offset=2&limit=2")).await, all[2..4], "across the jobs");
        assert_eq!(count(format!("/api/v1/tasks?{of_jobs}&offset=5")).await, 0);
        assert_eq!(count(format!("/api/v1/tasks?{of_task}")).await, 1);
        assert_eq!(count(format!("/api/v1/tasks?{of_task}&{of_layer}")).await, 0);
        assert_eq!(count("/api/v1/tasks?job_ids=00000000-0000-7000-8000-000000000000".to_owned()).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_are_known_in_any_case_and_killed_finds_what_was_killed() {
    served("statuses_are_known_in_any_case", STILL, async |api, _| {
        let made = api.make(&job("noop", 3)).await;
        let killed = &made["layers"][0]["tasks"][1];
        assert_eq!(api.verb("kill", &[reference("Task", killed)]).await, 1);
        let of = async |statuses: &str| ids(&api, &format!("/api/v1/tasks?{statuses}")).await;
        assert_eq!(of("statuses=Killed").await, [id(killed)]);
        assert_eq!(of("statuses=errored").await, [id(killed)]);
        assert_eq!(of("statuses=pending").await.len(), 2);
        assert_eq!(of("statuses=pending&statuses=KILLED").await.len(), 3);
        assert_eq!(of("statuses=READY").await.len(), 0);
        let shown = api.one("/api/v1/tasks?statuses=killed").await;
        assert_eq!(shown["status"], "ERRORED");
        assert_eq!(api.get("/api/v1/tasks?statuses=gone").await.error(400), "bad status");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_of_lists_are_those_that_are_shown() {
    served("statuses_of_lists_are_those_that_are_shown", STILL, async |api, _| {
        api.make(&json!({"layers": [{"name": "a", "paused_at": 9}, {"name": "b", "priority": 1, "paused_at": 9}]})).await;
        let of = async |status: &str| each(&api.get(&format!("/api/v1/layers?statuses={status}")).await.ok(), "name");
        assert_eq!((of("RUNNING").await, of("PENDING").await), (vec![json!("a")], vec![json!("b")]));
        assert_eq!(api.one("/api/v1/jobs?statuses=RUNNING").await["status"], "RUNNING");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_time_filters_are_followed() {
    served("the_four_time_filters_are_followed", STILL, async |api, _| {
        let made = api.make(&job("noop", 1)).await;
        let created = made["created_at"].as_i64().expect("a time");
        for list in ["jobs", "layers", "tasks"] {
            let updated = api.one(&format!("/api/v1/{list}")).await["updated_at"].as_i64().expect("a time");
            let count = async |filter: String| ids(&api, &format!("/api/v1/{list}?{filter}")).await.len();
            assert_eq!(count(format!("created_before={created}")).await, 0, "{list}");
            assert_eq!(count(format!("created_before={}", created + 1)).await, 1, "{list}");
            assert_eq!(count(format!("created_after={created}")).await, 0, "{list}");
            assert_eq!(count(format!("created_after={}", created - 1)).await, 1, "{list}");
            assert_eq!(count(format!("updated_before={updated}")).await, 0, "{list}");
            assert_eq!(count(format!("updated_before={}", updated + 9)).await, 1, "{list}");
            assert_eq!(count(format!("updated_after={}", updated + 9)).await, 0, "{list}");
            assert_eq!(count(format!("updated_after={}", updated - 1)).await, 1, "{list}");
            assert_eq!(count(format!("updated_after={}&created_before={}", i64::MAX, i64::MAX)).await, 0, "{list}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_filters_are_400() {
    served("bad_filters_are_400", STILL, async |api, _| {
        for (query, words) in [
            ("limit=x", "bad limit: \"x\" is not a number"),
            ("offset=1.5", "bad offset: \"1.5\" is not a number"),
            ("created_after=yesterday", "bad created_after: \"yesterday\" is not a number"),
            ("job_ids=7", "bad job id"),
            ("layer_ids=0123456789AB", "bad layer id"),
            ("task_ids=", "bad task id"),
        ] {
            assert_eq!(api.get(&format!("/api/v1/tasks?{query}")).await.error(400), words, "{query}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_the_caller_may_list_and_nothing_else() {
    served("lists_show_what_the_caller_may_list", STILL, async |api, _| {
        let made = api.make(&job("noop", 2)).await;
        let (stranger, reader) = (person(&api.world, "stranger", &["create"]), person(&api.world, "reader", &["list"]));
        for list in ["jobs", "layers", "tasks"] {
            for query in [String::new(), format!("?job_ids={}", id(&made))] {
                let shown = async |token: &str| {
                    let path = format!("/api/v1/{list}{query}");
                    api.ask(reqwest::Method::GET, &path, None, Some(token)).await.ok().as_array().expect("a list").len()
                };
                assert_eq!(shown(&stranger).await, 0);
                assert_eq!(shown(&reader).await, shown(&api.token).await);
            }
        }
    })
    .await;
}
