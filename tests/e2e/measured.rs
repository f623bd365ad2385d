//! What the operator tells Prometheus of a real run.

use std::collections::BTreeMap;

use igor::telemetry::{Kind, METRICS};

use crate::support::process::Process;
use crate::support::until;
use crate::world::{SOON, Setup, world};

const STEPS: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: steps}
spec:
  layers:
  - {name: first, tasks: [{name: a, type: noop, count: 20}, {name: slow, type: sleep, args: '0.3'}]}
  - {name: second, priority: 10, tasks: [{name: b, type: noop, count: 5}, {name: bad, type: fail}]}
";
const UNSERVED: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: unserved}
spec:
  layers: [{name: a, tasks: [{name: x, type: nobodys, count: 700}]}]
";
/// What moves only when something is broken; other tests break it.
const OF_TROUBLE: [&str; 9] = [
    "igor_events_lost_total",
    "igor_http_seconds",
    "igor_leases_expired_total",
    "igor_loop_failures_total",
    "igor_lost_entries_total",
    "igor_panics_total",
    "igor_refused_results_total",
    "igor_stale_results_total",
    "igor_unreadable_results_total",
];

/// The series that a process shows, each with its value.
async fn series(process: &Process) -> Result<BTreeMap<String, f64>, String> {
    let printed = process.printed();
    let line = printed.lines().find(|line| line.contains("serving probes and metrics")).ok_or("it serves no metrics yet")?;
    let address = line.split("address=").nth(1).ok_or("no address")?.trim();
    let text = reqwest::get(format!("http://{address}/metrics")).await.map_err(|error| error.to_string())?;
    let text = text.text().await.map_err(|error| error.to_string())?;
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    Ok(samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}

/// The largest value among the series of a metric, of a histogram how much it counted; nothing without a series.
fn largest(series: &BTreeMap<String, f64>, name: &str, kind: Kind) -> Option<f64> {
    let shown = if kind == Kind::Histogram { format!("{name}_count") } else { name.to_owned() };
    let of_it = series.iter().filter(|(series, _)| series.split('{').next() == Some(&shown));
    of_it.map(|(_, value)| *value).reduce(f64::max)
}

#[tokio::test]
async fn every_metric_is_there_and_moves_with_the_work() {
    world("measured", Setup::default(), |world, running| async move {
        let running = running.lock().await;
        let operator = &running.operators[0];
        world.apply(STEPS);
        world.apply(UNSERVED);
        world.until_phase("steps", &["Errored"]).await;
        world.annotate("steps", "igor/skip=failed");
        world.until_phase("steps", &["Completed"]).await;
        until("every metric has moved", SOON, || async {
            let series = series(operator).await?;
            let still = METRICS.iter().filter(|metric| !OF_TROUBLE.contains(&metric.name) && metric.name != "igor_outbox_lag_seconds");
            let still: Vec<_> =
                still.filter(|metric| largest(&series, metric.name, metric.kind).is_none_or(|value| value <= 0.0)).collect();
            if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
        })
        .await;
        let queue = format!("{}.default", world.namespace());
        let of_type = |name: &str, kind: &str| format!("{name}{{queue=\"{queue}\",type=\"{kind}\"}}");
        // 200 lie in Redis, the others wait in the ledger; nobody serves them.
        until("the backlog and the jobs are told", SOON, || async {
            let series = series(operator).await?;
            let told = [
                of_type("igor_queue_depth", "nobodys"),
                of_type("igor_workers", "nobodys"),
                of_type("igor_workers", "noop"),
                of_type("igor_queue_depth", "noop"),
                "igor_jobs{phase=\"Completed\"}".to_owned(),
                "igor_jobs{phase=\"Running\"}".to_owned(),
                "igor_jobs{phase=\"Paused\"}".to_owned(),
                "igor_outbox_lag_seconds".to_owned(),
                "igor_leader".to_owned(),
            ];
            let told = told.map(|name| series.get(&name).copied());
            let wanted = [700.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0].map(Some);
            if told == wanted { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
        let series = series(operator).await.expect("metrics");
        let counted = |name: &str| series.get(name).copied();
        assert_eq!(counted("igor_tasks_total{outcome=\"COMPLETED\"}"), Some(26.0));
        assert_eq!(counted("igor_tasks_total{outcome=\"ERRORED\"}"), Some(1.0));
        assert_eq!(counted("igor_task_run_seconds_count"), Some(27.0));
        assert_eq!(counted("igor_task_wait_seconds_count"), Some(27.0));
        assert_eq!(counted("igor_layer_advance_seconds_count"), Some(1.0));
        assert_eq!(counted("igor_commands_total{verb=\"skip\",result=\"done\"}"), Some(1.0));
        // An alert on an increase sees the first one only of what was shown before it.
        let of_trouble = METRICS.iter().filter(|metric| metric.kind == Kind::Counter && metric.labels.is_empty());
        assert!(of_trouble.clone().count() > 5 && of_trouble.clone().all(|metric| counted(metric.name).is_some()), "{series:?}");
    })
    .await;
}

#[tokio::test]
async fn a_type_without_work_and_workers_is_told_no_more() {
    world("measured_types", Setup { task_lease: 3.0, ..Setup::default() }, |world, running| async move {
        let mut running = running.lock().await;
        world.apply(&STEPS.replace("steps", "brief"));
        world.until_phase("brief", &["Errored"]).await;
        let served = |series: &BTreeMap<String, f64>| series.keys().filter(|name| name.starts_with("igor_workers")).count();
        until("its types are told", SOON, || async {
            let series = series(&running.operators[0]).await?;
            if served(&series) >= 3 { Ok(()) } else { Err(format!("{series:?}")) }
        })
        .await;
        running.workers.clear();
        until("nothing of them is told any more", 2 * SOON, || async {
            let series = series(&running.operators[0]).await?;
            if served(&series) == 0 { Ok(()) } else { Err(format!("{series:?}")) }
        })
        .await;
    })
    .await;
}
