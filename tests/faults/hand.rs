//! The worker under test: a process of its own, whose handlers note what they do before and after their effect.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use igor::worker::{Batch, Failure, Outcome, Task, Worker};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::history::History;

/// What a task is told to do: its arguments.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Milliseconds, between these two; which is the task's own.
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// Attempts that fail, from the first.
    #[serde(default)]
    pub(crate) fails: u32,
    /// Milliseconds of every attempt behind the first, instead.
    #[serde(default)]
    pub(crate) later: Option<u64>,
}

impl Work {
    fn takes(&self, task: &Task) -> Duration {
        let spread = self.most.saturating_sub(self.least) + 1;
        let own = u64::from_be_bytes(task.id().as_bytes()[8..].try_into().expect("8 bytes"));
        let first = self.least + own % spread;
        Duration::from_millis(self.later.filter(|_| task.attempt() > 1).unwrap_or(first))
    }
}

/// Serves the types `step` and `pile` until SIGTERM. Arguments: queue, slots, the history's folder, the name to write it under.
pub(crate) async fn run(arguments: &[String]) {
    let [queue, slots, folder, who] = arguments else { panic!("worker QUEUE SLOTS FOLDER WHO") };
    tracing_subscriber::fmt().with_env_filter("info,igor=debug").init();
    rustls::crypto::ring::default_provider().install_default().ok();
    let history = Arc::new(History::open(&PathBuf::from(folder), who));
    let (single, many) = (history.clone(), history.clone());
    let worker = Worker::builder(std::env::var("REDIS_URL").expect("REDIS_URL"))
        .prefix(std::env::var("IGOR_PREFIX").expect("IGOR_PREFIX"))
        .queue(queue)
        .slots(slots.parse().expect("a number of slots"))
        .shutdown_grace(Duration::from_secs(5))
        .stop_grace(Duration::from_secs(2))
        .task("step", move |task| step(single.clone(), task))
        .batch("pile", 10, move |batch| pile(many.clone(), batch))
        .build()
        .expect("a worker");
    history.note("start", json!({"worker": worker.id(), "pid": std::process::id()}));
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("SIGTERM");
    tokio::spawn(async move {
        terminate.recv().await;
        told.cancel();
    });
    worker.run(stop).await;
}

async fn step(history: Arc<History>, task: Task) -> Result<Outcome, Failure> {
    attempt(&history, &task).await
}

async fn pile(history: Arc<History>, batch: Batch) -> Result<(), Failure> {
    for item in &batch {
        if !item.begin() {
            continue;
        }
        match attempt(&history, item).await {
            Ok(outcome) => item.complete(outcome),
            Err(_) if item.is_cancelled() => {}
            Err(failure) => item.fail(failure),
        }
    }
    Ok(())
}

/// One execution. What is noted as its end is its effect.
async fn attempt(history: &History, task: &Task) -> Result<Outcome, Failure> {
    let of = |said: &str| json!({"id": task.id(), "attempt": task.attempt(), "job": task.job(), "layer": task.layer(), "said": said});
    let work: Work = task.json()?;
    history.note("begin", of(""));
    tokio::select! {
        () = task.cancelled() => {
            history.note("stopped", of(""));
            return Err(Failure::new("stopped"));
        }
        () = tokio::time::sleep(work.takes(task)) => {}
    }
    if task.attempt() <= work.fails {
        history.note("end", of("ERRORED"));
        return Err(Failure::new(format!("told to fail {} times", work.fails)));
    }
    history.note("end", of("COMPLETED"));
    Ok(Outcome::default())
}
