//! Big jobs: how long their plan takes to be accepted, how large object and operator get, whether a pause takes hold in the middle.

use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::Scale;
use crate::figure::Figure;
use crate::processes;
use crate::site::{Site, layers};

/// An array of a million.
pub(crate) async fn million(scale: Scale) -> Vec<Figure> {
    let tasks = scale.of(1_000_000, 100_000);
    big("million", layers("noop", 1, tasks), Vec::new(), tasks).await
}

/// Distinct tasks, listed in ConfigMaps.
pub(crate) async fn distinct(scale: Scale) -> Vec<Figure> {
    // As many as a ConfigMap holds, about.
    const EACH: u32 = 14_000;
    let tasks = scale.of(200_000, 20_000);
    let lists: Vec<(String, String)> = (0..tasks.div_ceil(EACH))
        .map(|list| {
            let line = |task| format!("{}\n", json!({"name": format!("shot-{task}"), "type": "noop", "args": format!("shots/{task}.usd")}));
            (format!("tasks-{list}"), (list * EACH..tasks.min((list + 1) * EACH)).map(line).collect())
        })
        .collect();
    let from: Vec<Value> = lists.iter().map(|(name, _)| json!({"configMapKeyRef": {"name": name, "key": "tasks.ndjson"}})).collect();
    big("distinct", json!({"layers": [{"name": "l0", "tasksFrom": from}]}), lists, tasks).await
}

async fn big(row: &str, spec: Value, lists: Vec<(String, String)>, tasks: u32) -> Vec<Figure> {
    let mut site = Site::new(row).await;
    site.work("noop", 4, 100);
    for (name, list) in lists {
        create_list(&site, name, list).await;
    }
    let size = tokio::spawn(largest(site.jobs()));
    let began = Instant::now();
    site.submit("big", &spec).await;
    site.until_number("SELECT count(*) FROM igor.jobs WHERE loaded_at IS NOT NULL", 1).await;
    let accepted = began.elapsed().as_secs_f64();
    println!("  accepted after {accepted:.1} s");
    site.until_number("SELECT coalesce(sum(n_completed), 0)::int8 FROM igor.layers", i64::from(tasks / 4)).await;
    let hold = pause(&site).await;
    println!("  paused after {hold:.2} s");
    annotate(&site, &Value::Null).await;
    site.until_finished(1).await;
    let took = began.elapsed().as_secs_f64();
    site.until_settled().await;
    let (_, most) = processes::resident(site.operator_pid());
    size.abort();
    let size = size_of(&site).await.max(largest_seen());
    site.close().await;
    vec![
        Figure::one("accepted", "s", accepted).at_most(15.0),
        Figure::one("a pause in the middle takes hold", "s", hold).at_most(1.0),
        Figure::one("create to done, with that pause", "s", took),
        Figure::one("largest object", "KiB", size).at_most(64.0),
        Figure::one("operator, resident at most", "MB", most).at_most(200.0),
    ]
}

async fn create_list(site: &Site, name: String, list: String) {
    let labels = [("igor.dev/tasks".to_owned(), String::new())].into();
    let metadata = ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() };
    let map = ConfigMap { metadata, data: Some([("tasks.ndjson".to_owned(), list)].into()), ..ConfigMap::default() };
    let maps: Api<ConfigMap> = Api::namespaced(site.cluster.client.clone(), &site.cluster.namespace);
    maps.create(&PostParams::default(), &map).await.expect("a list");
}

/// Pauses the job; the seconds from the request until the last attempt that was still handed out.
async fn pause(site: &Site) -> f64 {
    let asked = site.float("SELECT extract(epoch FROM clock_timestamp())::float8").await;
    annotate(site, &json!("true")).await;
    site.until_number("SELECT sum((n_queued + n_running = 0)::int)::int8 FROM igor.layers", 1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let last = "SELECT extract(epoch FROM max(at))::float8 FROM igor.transitions WHERE \"to\" = 'QUEUED'";
    (site.float(last).await - asked).max(0.0)
}

async fn annotate(site: &Site, value: &Value) {
    let patch = json!({"metadata": {"annotations": {"igor/pause": value}}});
    site.jobs().patch("big", &PatchParams::default(), &Patch::Merge(&patch)).await.expect("an annotation");
}

static LARGEST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

fn largest_seen() -> f64 {
    kib(LARGEST.swap(0, std::sync::atomic::Ordering::Relaxed))
}

/// Notes the size of every version of the object.
async fn largest(jobs: Api<igor::crd::IgorJob>) {
    let mut events = kube::runtime::watcher(jobs, kube::runtime::watcher::Config::default()).boxed();
    while let Some(event) = events.next().await {
        if let Ok(kube::runtime::watcher::Event::Apply(job) | kube::runtime::watcher::Event::InitApply(job)) = event {
            LARGEST.fetch_max(serde_json::to_vec(&job).expect("json").len(), std::sync::atomic::Ordering::Relaxed);
        }
    }
}

async fn size_of(site: &Site) -> f64 {
    let job = site.jobs().get("big").await.expect("the job");
    kib(serde_json::to_vec(&job).expect("json").len())
}

#[expect(clippy::cast_precision_loss, reason = "the size of an object")]
fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0
}
