//! What is measured: the name, labels, unit and meaning of every metric, and how they are kept. Where they move is their owners' affair.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;

/// A gauge that nobody sets for so long is not shown any more: of a type that is not served, of a term that is over.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Stands somewhere.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As Prometheus knows it; what counts seconds ends so, or in `_total` of a counter.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels: each from a closed set, but for the queue and the type.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Every metric of the operator and of the API, by name.
pub const METRICS: &[Metric] = &[
    counter_of("igor_api_writes_total", &["kind", "verb"], "Writes to the API server"),
    counter_of(
        "igor_commands_total",
        &["verb", "result"],
        "Commands that were carried out (done) or could not be (refused), whoever asked",
    ),
    counter_of("igor_events_lost_total", &[], "Events that were not written because too many waited"),
    histogram_of("igor_http_seconds", &["route", "method", "status"], "Requests to the HTTP API, until their answer begins"),
    gauge_of("igor_jobs", &["phase"], "Jobs in the cluster by phase; New has no status yet, Unreadable is of another version"),
    histogram_of(
        "igor_layer_advance_seconds",
        &[],
        "From the result that ended a layer to the first tasks of the layer behind it in Redis",
    ),
    gauge_of("igor_leader", &[], "1 for the operator that leads, 0 for one that waits"),
    counter_of("igor_leases_expired_total", &[], "Attempts whose worker was lost"),
    counter_of("igor_loop_failures_total", &["loop"], "Failures of the operator's loops; each is run again"),
    counter_of("igor_lost_entries_total", &[], "Attempts that Redis lost and that were waited for or pushed again"),
    gauge_of(
        "igor_outbox_lag_seconds",
        &[],
        "For how long the oldest committed change has not been relayed to Redis, to within five seconds",
    ),
    counter_of("igor_panics_total", &[], "Panics over one object; it is tried again"),
    gauge_of("igor_queue_depth", &["queue", "type"], "Tasks that are ready and that no worker has: in Redis, and in open layers"),
    gauge_of("igor_queue_oldest_seconds", &["queue", "type"], "For how long the oldest task in Redis that no worker has lies there"),
    histogram_of("igor_reconcile_seconds", &["stage"], "Stages of the reconcile of a job"),
    counter_of("igor_refused_results_total", &[], "Results that the ledger cannot store; their tasks end as Unstorable"),
    counter_of("igor_stale_results_total", &[], "Results that changed nothing: repeated, or of an attempt that is over"),
    histogram_of("igor_store_seconds", &["transaction"], "Transactions of the ledger, failed ones included"),
    histogram_of("igor_task_run_seconds", &[], "How long tasks ran, as their workers say"),
    histogram_of(
        "igor_task_wait_seconds",
        &[],
        "How long attempts took from Redis and back beside their run: the wait for a worker, for the rest of a batch, and for the ledger",
    ),
    counter_of("igor_tasks_total", &["outcome"], "Tasks that ended by what their worker did"),
    counter_of("igor_unreadable_results_total", &[], "Entries of a results stream that are not of the contract"),
    gauge_of("igor_workers", &["queue", "type"], "Workers that serve a type"),
];

const fn counter_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram_of(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help }
}

impl Metric {
    /// Seconds, or a number of things.
    pub fn unit(&self) -> Unit {
        if self.name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count }
    }

    fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.unit(), self.help),
            Kind::Gauge => describe_gauge!(self.name, self.unit(), self.help),
            Kind::Histogram => describe_histogram!(self.name, self.unit(), self.help),
        }
    }
}

/// Starts to keep metrics; what is returned renders them, and wants its upkeep run now and then: until then each value of a histogram
/// takes memory.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    // From a millisecond to ten minutes: layers advance in milliseconds, frames render for minutes.
    const SECONDS: [f64; 14] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 600.0];
    let builder = PrometheusBuilder::new().set_buckets(&SECONDS)?.idle_timeout(MetricKindMask::GAUGE, Some(FORGOTTEN));
    let handle = builder.install_recorder()?;
    for metric in METRICS {
        metric.describe();
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            // One that begins to be there when it is 1 has never increased.
            counter!(metric.name).increment(0);
        }
    }
    Ok(handle)
}
