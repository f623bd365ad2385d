//! Jobs that no object could hold.

use serde_json::{Value, json};

use super::{STILL, job};
use crate::served::served;
use crate::world::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_tasks_comes_in_one_request_and_all_of_them_run() {
    served("any_number_of_tasks_comes_in_one_request", Setup::default(), async |api, _| {
        let wish = json!({"name": "big", "layers": [
            {"name": "a", "tasks": vec![json!({"type": "noop"}); 12_000]}, {"name": "b", "priority": 1, "tasks": [{"type": "noop"}]},
        ]});
        let made = api.make(&wish).await;
        assert_eq!(made["layers"][0]["tasks"].as_array().map(Vec::len), Some(12_000));
        let names = api.world.job_names().await;
        let object = api.world.job(&names[0]).await;
        assert_eq!(object["spec"]["layers"][0]["tasksFrom"], json!([{"upload": {"count": 12_000}}]));
        assert_eq!(object["spec"]["layers"][0]["tasks"], Value::Null);
        api.until("/api/v1/jobs", |job| job["status"] == "COMPLETED").await;
        api.world.until_phase(&names[0], &["Completed"]).await;
        assert_eq!(api.world.count("SELECT count(*) FROM igor.tasks WHERE status = 'COMPLETED'").await, 12_001);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_job_is_left_alone_by_an_edit_of_its_object() {
    served("a_large_job_is_left_alone_by_an_edit", Setup { workers: 0, ..Setup::default() }, async |api, _| {
        api.make(&job("noop", 2_500)).await;
        let names = api.world.job_names().await;
        api.world.until_phase(&names[0], &["Running"]).await;
        api.world.kubectl(&["patch", "ij", &names[0], "--type=merge", "-p", r#"{"spec":{"maxInFlight":3}}"#], None).expect("patched");
        api.world.until_count("SELECT count(*) FROM igor.jobs WHERE max_in_flight = 3", |count| count == 1).await;
        let accepted = api.world.until(&names[0], "the edit is accepted", |job| job["status"]["observedGeneration"] == 2).await;
        assert_eq!(crate::world::condition(&accepted, "Accepted").0, "True");
        assert_eq!(api.world.count("SELECT count(*) FROM igor.tasks").await, 2_500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_body_is_ten_megabytes() {
    served("the_longest_body_is_ten_megabytes", STILL, async |api, _| {
        let args = "A".repeat(13_000);
        let tasks = |count: usize| json!({"layers": [{"tasks": vec![json!({"type": "noop", "args": args}); count]}]});
        assert_eq!(api.post("/api/v1/jobs", &tasks(900)).await.error(413), "the body is longer than 10485760 bytes");
        let made = api.make(&tasks(700)).await;
        assert_eq!(made["layers"][0]["tasks"].as_array().map(Vec::len), Some(700));
    })
    .await;
}
