//! Small jobs through the API server, so many in flight: created, run, seen as Complete by a watch.

use std::collections::HashMap;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt, stream};
use igor::crd::IgorJob;
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use tokio::sync::{Mutex, oneshot};

use crate::Scale;
use crate::figure::{Figure, quantile};
use crate::meter::Meter;
use crate::site::{LIMIT, Site, layers};

const IN_FLIGHT: usize = 16;

type Waiting = std::sync::Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

pub(crate) async fn run(scale: Scale) -> Vec<Figure> {
    let jobs = scale.of(500, 100);
    let mut site = Site::new("small").await;
    site.work("noop", 4, 10);
    let waiting = Waiting::default();
    let watch = tokio::spawn(watch(site.jobs(), waiting.clone()));
    let (mut rates, mut tails, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=scale.runs {
        let before = Meter::read(&site).await;
        let began = Instant::now();
        let names = (0..jobs).map(|job| format!("run-{run}-{job}"));
        let took: Vec<f64> = stream::iter(names).map(|name| one(&site, &waiting, name)).buffer_unordered(IN_FLIGHT).collect().await;
        let seconds = began.elapsed().as_secs_f64();
        site.until_settled().await;
        let cost = Meter::read(&site).await.since(before);
        println!("  run {run}: {:.0} jobs/s", f64::from(jobs) / seconds);
        if run > 0 {
            rates.push(f64::from(jobs) / seconds);
            tails.push(tail(took));
            costs.push(cost);
        }
    }
    watch.abort();
    site.close().await;
    let per_job = |of: fn(&Meter) -> f64| costs.iter().map(|cost| of(cost) / f64::from(jobs)).collect::<Vec<f64>>();
    let millis = |name: &str, of: fn(&Meter) -> f64| Figure::of(name, "ms/job", per_job(of).into_iter().map(|cpu| cpu * 1e3).collect());
    vec![
        Figure::of("jobs done", "jobs/s", rates).at_least(100.0),
        Figure::of("create to Complete, p99", "ms", tails),
        Figure::of("API writes beside the create", "per job", per_job(|cost| cost.api_writes)).at_most(2.0).fixed(),
        Figure::of("Events", "per job", per_job(|cost| cost.events)).fixed(),
        Figure::of("SQL statements", "per job", per_job(|cost| cost.statements)).by_batch(),
        Figure::of("transactions", "per job", per_job(|cost| cost.transactions)).by_batch(),
        millis("API server and etcd CPU", |cost| cost.api_cpu),
        millis("Postgres CPU", |cost| cost.postgres_cpu),
        millis("operator CPU", |cost| cost.operator_cpu),
        millis("worker CPU", |cost| cost.worker_cpu),
        millis("Redis CPU", |cost| cost.redis_cpu),
        millis("this program's CPU", |cost| cost.own_cpu),
    ]
}

/// Creates a job and waits for its end; the milliseconds.
async fn one(site: &Site, waiting: &Waiting, name: String) -> f64 {
    let (told, complete) = oneshot::channel();
    waiting.lock().await.insert(name.clone(), told);
    let began = Instant::now();
    site.submit(&name, &layers("noop", 2, 1)).await;
    tokio::time::timeout(LIMIT, complete).await.expect("the job ends").expect("the watch goes on");
    began.elapsed().as_secs_f64() * 1e3
}

fn tail(mut took: Vec<f64>) -> f64 {
    took.sort_by(f64::total_cmp);
    quantile(&took, 0.99)
}

/// Tells whoever waits that a job is complete.
async fn watch(jobs: kube::Api<IgorJob>, waiting: Waiting) {
    let mut from = "0".to_owned();
    loop {
        let mut events = jobs.watch(&WatchParams::default(), &from).await.expect("a watch").boxed();
        while let Ok(Some(event)) = events.try_next().await {
            let (WatchEvent::Added(job) | WatchEvent::Modified(job)) = event else { continue };
            from = job.resource_version().unwrap_or(from);
            let is_complete = job.status.iter().flat_map(|status| &status.conditions);
            let is_complete =
                is_complete.clone().any(|condition| condition.type_ == "Complete" && format!("{:?}", condition.status) == "True");
            if is_complete && let Some(told) = waiting.lock().await.remove(&job.name_any()) {
                told.send(()).ok();
            }
        }
    }
}
