//! Many jobs that wait: what they take while nothing happens, and whether one that runs notices them.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use serde_json::json;

use super::advance::{measure, shown, start_marker};
use crate::Scale;
use crate::figure::Figure;
use crate::meter::Meter;
use crate::processes;
use crate::site::Site;

pub(crate) async fn run(scale: Scale) -> Vec<Figure> {
    let jobs = scale.of(10_000, 1_000);
    let mut site = Site::new("idle").await;
    start_marker(&mut site);
    let paused = json!({"paused": true, "layers": [{"name": "l0", "tasks": [{"name": "t", "type": "mark", "count": 10}]}]});
    let began = Instant::now();
    stream::iter((0..jobs).map(|job| format!("idle-{job}")))
        .for_each_concurrent(16, |name| {
            let (site, paused) = (&site, &paused);
            async move { site.submit(&name, paused).await }
        })
        .await;
    site.until_number("SELECT count(*) FROM igor.jobs WHERE loaded_at IS NOT NULL", i64::from(jobs)).await;
    println!("  {jobs} jobs created and accepted in {:.0} s", began.elapsed().as_secs_f64());
    site.until_quiet().await;
    let before = Meter::read(&site).await;
    let watched = Duration::from_secs(if scale.quick { 5 } else { 30 });
    tokio::time::sleep(watched).await;
    let idle = Meter::read(&site).await.since(before);
    let (resident, most) = processes::resident(site.operator_pid());
    let waits = measure(&site, "runs", u32::try_from(scale.runs).unwrap_or(1), 0).await;
    site.close().await;
    let mut figures = vec![
        Figure::one("API writes while idle", "", idle.api_writes + idle.events).at_most(0.0),
        Figure::one("operator, resident", "MB", resident).at_most(300.0),
        Figure::one("operator, resident at most", "MB", most),
        Figure::one("operator CPU while idle", "% of one", idle.operator_cpu * 100.0 / watched.as_secs_f64()),
        Figure::one("Postgres CPU while idle", "% of one", idle.postgres_cpu * 100.0 / watched.as_secs_f64()),
    ];
    figures.extend(shown("advance", &waits, Some(10.0), 50.0));
    figures
}
