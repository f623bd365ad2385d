//! How quickly no-op tasks are done, from the creation of their jobs to the last durable COMPLETED, and what each costs.

use std::time::Instant;

use futures::future::join_all;

use crate::Scale;
use crate::figure::Figure;
use crate::meter::{Meter, per_task};
use crate::site::{Site, layers as plan};

/// One job of one layer.
pub(crate) async fn noop(scale: Scale) -> Vec<Figure> {
    let tasks = scale.of(200_000, 20_000);
    let mut site = Site::new("noop").await;
    site.work("noop", 4, 100);
    let runs = drain(&site, &scale, 1, &plan("noop", 1, tasks), tasks).await;
    site.close().await;
    figures(runs, tasks, 20_000.0, !scale.quick)
}

/// A hundred jobs of ten layers.
pub(crate) async fn layers(scale: Scale) -> Vec<Figure> {
    let jobs = scale.of(100, 20);
    let mut site = Site::new("layers").await;
    site.work("noop", 4, 100);
    let runs = drain(&site, &scale, jobs, &plan("noop", 10, 100), jobs * 1000).await;
    site.close().await;
    figures(runs, jobs * 1000, 10_000.0, false)
}

/// Handlers that take one task.
pub(crate) async fn single(scale: Scale) -> Vec<Figure> {
    let tasks = scale.of(50_000, 5_000);
    let mut site = Site::new("single").await;
    site.work("noop", 16, 1);
    let runs = drain(&site, &scale, 1, &plan("noop", 1, tasks), tasks).await;
    site.close().await;
    figures(runs, tasks, 5_000.0, false)
}

/// Ten layers of one task: latency alone.
pub(crate) async fn chain(scale: Scale) -> Vec<Figure> {
    let mut site = Site::new("chain").await;
    site.work("noop", 4, 1);
    let scale = Scale { runs: scale.runs * 4, ..scale };
    let runs = drain(&site, &scale, 1, &plan("noop", 10, 1), 10).await;
    site.close().await;
    vec![Figure::of("create to done", "s", runs.iter().map(|(seconds, _)| *seconds).collect()).at_most(0.1)]
}

/// Runs so many jobs of a plan at once, again and again; the seconds of each run, and its cost.
async fn drain(site: &Site, scale: &Scale, jobs: u32, plan: &serde_json::Value, tasks: u32) -> Vec<(f64, Meter)> {
    let mut runs = Vec::new();
    let mut done = 0;
    // The first meets cold caches and a type that Redis does not know.
    for run in 0..=scale.runs {
        let before = Meter::read(site).await;
        let began = Instant::now();
        let names: Vec<String> = (0..jobs).map(|job| format!("run-{run}-{job}")).collect();
        join_all(names.iter().map(|name| site.submit(name, plan))).await;
        done += jobs;
        site.until_finished(i64::from(done)).await;
        let seconds = began.elapsed().as_secs_f64();
        site.until_settled().await;
        let cost = Meter::read(site).await.since(before);
        println!("  run {run}: {:.0} tasks/s", f64::from(tasks) / seconds);
        if run > 0 {
            runs.push((seconds, cost));
        }
    }
    runs
}

fn figures(runs: Vec<(f64, Meter)>, tasks: u32, reach: f64, with_cost: bool) -> Vec<Figure> {
    let tasks = f64::from(tasks);
    let rates = runs.iter().map(|(seconds, _)| tasks / seconds).collect();
    let costs: Vec<Meter> = runs.into_iter().map(|(_, cost)| cost).collect();
    let mut figures = vec![Figure::of("tasks done", "tasks/s", rates).at_least(reach)];
    figures.extend(per_task(&costs, tasks, with_cost));
    figures
}
