//! Reads of what a ledger has gathered: by its own statements, and through the HTTP API.

use std::process::Command;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;

use super::reads;
use crate::Scale;
use crate::figure::{Figure, quantile};
use crate::support::process::Process;
use crate::support::{from_rig, stores, until};

/// How many ask at once.
const READERS: usize = 8;

/// Ten million tasks in thirty days.
pub(crate) async fn reads(scale: Scale) -> Vec<Figure> {
    let database = stores::database().await;
    reads::fill(&database.url, scale.of(10_000_000, 300_000)).await;
    let read = reads::run(&database.url, 1_000).await;
    database.remove().await;
    read.into_iter()
        .flat_map(|read| {
            println!("  {}: at most {:.1} ms, {:.0} rows", read.what, read.most, read.rows);
            let of = |part: &str, value| Figure::one(format!("{}, {part}", read.what), "ms", value);
            [of("p50", read.p50), of("p99", read.p99).at_most(50.0)]
        })
        .collect()
}

/// Pages of tasks over a ledger of a million, through `igor api`.
pub(crate) async fn http(scale: Scale) -> Vec<Figure> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let database = stores::database().await;
    reads::fill(&database.url, scale.of(1_000_000, 100_000)).await;
    let layers: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT j.namespace, j.name, l.name FROM igor.layers l JOIN igor.jobs j ON j.id = l.job_id AND j.created_at = l.created_at
         ORDER BY l.n_loaded DESC LIMIT 100",
    )
    .fetch_all(&database.pool)
    .await
    .expect("layers");
    let (_process, address) = serve(&database.url).await;
    let client = reqwest::Client::new();
    let readers = (0..READERS).map(|reader| {
        let (client, address, layers) = (client.clone(), address.clone(), layers.clone());
        tokio::spawn(async move { read(&client, &address, &layers, reader).await })
    });
    let mut took: Vec<f64> = join_all(readers).await.into_iter().flat_map(|took| took.expect("a reader")).collect();
    database.remove().await;
    took.sort_by(f64::total_cmp);
    let of = |part: &str, value| Figure { runs: took.len(), ..Figure::one(format!("a page of 100 tasks, {part}"), "ms", value) };
    vec![of("p50", quantile(&took, 0.5)), of("p99", quantile(&took, 0.99)).at_most(50.0)]
}

/// Five pages of one layer after the other; the milliseconds of each.
async fn read(client: &reqwest::Client, address: &str, layers: &[(String, String, String)], reader: usize) -> Vec<f64> {
    let mut took = Vec::new();
    for request in 0..50 {
        let (namespace, job, layer) = &layers[(reader + request * READERS) % layers.len()];
        let mut page = format!("{address}/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks?limit=100");
        for _ in 0..5 {
            let began = Instant::now();
            let answer = client.get(&page).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{page}: {}", answer.status());
            let answer: Value = answer.json().await.expect("JSON");
            took.push(began.elapsed().as_secs_f64() * 1e3);
            let Some(next) = answer["next"].as_str() else { break };
            page = format!("{address}/api/v2/namespaces/{namespace}/jobs/{job}/layers/{layer}/tasks?limit=100&after={next}");
        }
    }
    took
}

/// Serves the API over that ledger, without its limits on one caller.
async fn serve(ledger: &str) -> (Process, String) {
    let folder = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench/logs/http");
    std::fs::create_dir_all(&folder).expect("a folder");
    let settings = folder.join("api.yaml");
    std::fs::write(&settings, "limits: {requestsPerSecond: 1000000, burst: 1000000, atOnce: 64}\n").expect("settings");
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
    command
        .args(["api", "--auth", "none", "--metrics-addr", "127.0.0.1:0", "--listen", &format!("127.0.0.1:{port}"), "--config"])
        .arg(settings);
    command.env("KUBECONFIG", from_rig("IGOR_TEST_OPERATOR_KUBECONFIG")).env("DATABASE_URL", ledger).env("REDIS_URL", stores::redis_url());
    command.env("IGOR_PREFIX", crate::support::unique("bench-http"));
    let process = Process::start(&folder, "api", &mut command);
    let address = format!("http://127.0.0.1:{port}");
    until("the API serves", Duration::from_secs(60), || async {
        reqwest::get(format!("{address}/healthz")).await.map_err(|error| error.to_string())
    })
    .await;
    (process, address)
}
