//! Why nothing moves, in words with the numbers.
//!
//! An unfinished job that does nothing always has at least one [`Wait`]; the status shows the first.

use std::collections::BTreeMap;

use super::job::{Counters, Job, Layer};
use super::status::Status;

/// Something that an unfinished job waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Its plan is not yet wholly in the ledger.
    Loading {
        /// The layer that is loading.
        layer: String,
        /// Rows that are in.
        loaded: u32,
        /// Rows that the plan announces.
        expected: u32,
    },
    /// A person paused the job, or one of its layers.
    Paused {
        /// The layer, or the whole job.
        layer: Option<String>,
        /// Who did.
        by: String,
    },
    /// An errored layer holds the job until a person decides.
    Held {
        /// The errored layer.
        layer: String,
        /// Its errored tasks.
        errored: u32,
        /// All its tasks.
        total: u32,
        /// What one of them said.
        message: Option<String>,
    },
    /// Tasks are queued and nobody takes them.
    NoWorkers {
        /// Their layer.
        layer: String,
        /// Their type.
        kind: String,
        /// How many there are.
        tasks: u32,
    },
    /// Everything left waits for its next attempt.
    Backoff {
        /// The layer.
        layer: String,
        /// Tasks that wait.
        tasks: u32,
        /// When the first is due, unix milliseconds.
        until_ms: i64,
    },
    /// No more tasks may be in flight.
    Limit {
        /// The layer whose limit it is, or the whole job.
        layer: Option<String>,
        /// The limit.
        limit: u32,
    },
    /// A large command is at work.
    Command,
    /// Tasks are on their way to a worker.
    Queued {
        /// Their layer.
        layer: String,
        /// How many there are.
        tasks: u32,
    },
    /// Tasks are not yet handed to the queue.
    Room {
        /// Their layer.
        layer: String,
        /// How many there are.
        tasks: u32,
    },
}

impl Wait {
    /// The reason of the condition `Progressing`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Loading { .. } => "Loading",
            Self::Paused { .. } => "Paused",
            Self::Held { .. } => "HeldOnFailure",
            Self::NoWorkers { .. } => "NoWorkers",
            Self::Backoff { .. } => "Backoff",
            Self::Limit { .. } => "LimitReached",
            Self::Command | Self::Queued { .. } | Self::Room { .. } => "LayerRunning",
        }
    }

    /// Whether work moves all the same: this is on its way, not stopped.
    pub const fn is_moving(&self) -> bool {
        matches!(self, Self::Command | Self::Queued { .. } | Self::Room { .. })
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loading { layer, loaded, expected } => write!(f, "{layer}: {loaded} of {expected} tasks loaded"),
            Self::Paused { layer: None, by } => write!(f, "paused by {by}"),
            Self::Paused { layer: Some(layer), by } => write!(f, "{layer}: paused by {by}"),
            Self::Held { layer, errored, total, message } => {
                write!(f, "{layer}: {errored} of {total} tasks errored, retry or skip them")?;
                message.as_ref().map_or(Ok(()), |message| write!(f, " ({message})"))
            }
            Self::NoWorkers { layer, kind, tasks } => write!(f, "{layer}: {tasks} queued, no worker serves type {kind}"),
            Self::Backoff { layer, tasks, until_ms } => {
                write!(f, "{layer}: {tasks} wait for their next attempt, the first at {}", Moment(*until_ms))
            }
            Self::Limit { layer: None, limit } => write!(f, "maxInFlight of the job is {limit}"),
            Self::Limit { layer: Some(layer), limit } => write!(f, "{layer}: maxInFlight of the layer is {limit}"),
            Self::Command => f.write_str("a command is at work"),
            Self::Queued { layer, tasks } => write!(f, "{layer}: {tasks} on their way to a worker"),
            Self::Room { layer, tasks } => write!(f, "{layer}: {tasks} wait to be handed out"),
        }
    }
}

/// What the queue and the ledger know of an open layer's tasks that do not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standstill {
    /// Queued tasks by type that no worker serves.
    pub unserved: BTreeMap<String, u32>,
    /// Tasks waiting for their next attempt, and when the first is due (unix milliseconds).
    pub backoff: Option<(u32, i64)>,
    /// The limit that stops its dispatch: the layer's own, or the job's.
    pub limit: Option<(bool, u32)>,
    /// What one of its errored tasks said.
    pub message: Option<String>,
}

/// What `job` waits for, the weightiest first. `standstills` is by layer name; a layer that is not in it stands freely.
pub fn waits(job: &Job, standstills: &BTreeMap<String, Standstill>) -> Vec<Wait> {
    if job.finished {
        return Vec::new();
    }
    let mut waits = Vec::new();
    waits.extend(job.layers.iter().filter(|layer| layer.is_loading()).map(|layer| Wait::Loading {
        layer: layer.name.clone(),
        loaded: layer.loaded,
        expected: layer.expected,
    }));
    if let Some(by) = &job.paused_by {
        waits.push(Wait::Paused { layer: None, by: by.clone() });
    }
    if job.gated {
        waits.push(Wait::Command);
    }
    let free = Standstill::default();
    for layer in frontier(job) {
        layer_waits(layer, standstills.get(&layer.name).unwrap_or(&free), &mut waits);
    }
    waits
}

/// The layers that are at work or next in turn.
fn frontier(job: &Job) -> impl Iterator<Item = &Layer> {
    let open = |layer: &&Layer| !layer.status.is_done();
    let first = job.layers.iter().filter(open).map(|layer| layer.priority).min();
    job.layers.iter().filter(open).filter(move |layer| Some(layer.priority) == first || layer.status == Status::Running)
}

fn layer_waits(layer: &Layer, still: &Standstill, waits: &mut Vec<Wait>) {
    let name = || layer.name.clone();
    if let Some(by) = &layer.paused_by {
        waits.push(Wait::Paused { layer: Some(name()), by: by.clone() });
    }
    if layer.gated {
        waits.push(Wait::Command);
    }
    if layer.status == Status::Errored {
        let (errored, total) = (layer.tasks.errored, layer.tasks.total());
        waits.push(Wait::Held { layer: name(), errored, total, message: still.message.clone() });
    }
    waits.extend(still.unserved.iter().map(|(kind, tasks)| Wait::NoWorkers { layer: name(), kind: kind.clone(), tasks: *tasks }));
    if let Some((tasks, until_ms)) = still.backoff
        && tasks >= layer.tasks.unfinished()
    {
        waits.push(Wait::Backoff { layer: name(), tasks, until_ms });
    }
    if let Some((own, limit)) = still.limit {
        waits.push(Wait::Limit { layer: own.then(name), limit });
    }
    let Counters { pending, queued, running, .. } = layer.tasks;
    if running == 0 && layer.status == Status::Running {
        if queued > 0 {
            waits.push(Wait::Queued { layer: name(), tasks: queued });
        } else if pending > 0 {
            waits.push(Wait::Room { layer: name(), tasks: pending });
        }
    }
}

/// A point in time, unix milliseconds, shown as RFC 3339 in UTC.
struct Moment(i64);

impl std::fmt::Display for Moment {
    /// Days to a civil date as by Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.div_euclid(1000);
        let (days, of_day) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::OnFailure;

    fn job(layers: Vec<Layer>) -> Job {
        Job { status: Status::Running, accepted: true, finished: false, paused_by: None, gated: false, on_failure: OnFailure::Hold, layers }
    }

    fn layer(name: &str, priority: i32, status: Status, tasks: Counters) -> Layer {
        let total = tasks.total();
        Layer { name: name.to_owned(), priority, status, run: 1, paused_by: None, gated: false, expected: total, loaded: total, tasks }
    }

    fn said(job: &Job, standstills: &BTreeMap<String, Standstill>) -> Vec<String> {
        waits(job, standstills).iter().map(ToString::to_string).collect()
    }

    const QUEUED: Counters = Counters { pending: 0, queued: 12, running: 0, completed: 228, errored: 0, skipped: 0, retried: 0 };

    #[test]
    fn a_type_without_workers_is_named_with_its_numbers() {
        let job = job(vec![layer("render", 0, Status::Running, QUEUED), layer("join", 1, Status::Pending, Counters::default())]);
        let still = Standstill { unserved: BTreeMap::from([("rendr".to_owned(), 12)]), ..Standstill::default() };
        let said = said(&job, &BTreeMap::from([("render".to_owned(), still)]));
        assert_eq!(said, ["render: 12 queued, no worker serves type rendr", "render: 12 on their way to a worker"]);
    }

    #[test]
    fn a_held_layer_says_what_one_task_said() {
        let failed = Counters { errored: 2, completed: 3, ..Counters::default() };
        let job = job(vec![layer("render", 0, Status::Errored, failed)]);
        let still = Standstill { message: Some("no licence".to_owned()), ..Standstill::default() };
        let said = said(&job, &BTreeMap::from([("render".to_owned(), still)]));
        assert_eq!(said, ["render: 2 of 5 tasks errored, retry or skip them (no licence)"]);
    }

    #[test]
    fn pauses_come_first_and_say_who() {
        let mut job = job(vec![layer("render", 0, Status::Running, QUEUED)]);
        job.paused_by = Some("annotation".to_owned());
        job.layers[0].paused_by = Some("spec".to_owned());
        let said = said(&job, &BTreeMap::new());
        assert_eq!(said[..2], ["paused by annotation", "render: paused by spec"]);
    }

    #[test]
    fn a_moment_reads_as_people_write_it() {
        let shown: Vec<String> = [0, 951_782_400_000, 1_795_533_276_999].into_iter().map(|ms| Moment(ms).to_string()).collect();
        assert_eq!(shown, ["1970-01-01T00:00:00Z", "2000-02-29T00:00:00Z", "2026-11-24T15:14:36Z"]);
    }

    #[test]
    fn a_finished_job_waits_for_nothing() {
        let job = Job { finished: true, ..job(vec![layer("render", 0, Status::Errored, Counters { errored: 1, ..Counters::default() })]) };
        assert_eq!(waits(&job, &BTreeMap::new()), []);
    }

    /// Invariant 7, over every mix of counters of an open layer at rest.
    #[test]
    fn an_unfinished_job_in_which_nothing_runs_always_waits_for_something() {
        for (pending, queued, errored) in [(1, 0, 0), (0, 1, 0), (1, 1, 1), (0, 0, 1)] {
            let tasks = Counters { pending, queued, errored, ..Counters::default() };
            let status = if pending + queued > 0 { Status::Running } else { Status::Errored };
            assert_ne!(waits(&job(vec![layer("a", 0, status, tasks)]), &BTreeMap::new()), [], "{tasks:?}");
        }
    }
}
