//! Each wait in one sentence with its numbers, and its reason as the condition has it.

use std::fmt::{Display, Formatter, Result};

use super::{AtWork, Commonest, Limit, Wait};
use crate::core::words::{Moment, counted, number, tasks};

impl Wait {
    /// The reason of the condition `Progressing`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Loading { .. } => "Loading",
            Self::Paused { .. } | Self::TasksPaused { .. } => "Paused",
            Self::Held { .. } => "HeldOnFailure",
            Self::NoWorkers { .. } => "NoWorkers",
            Self::Backoff { .. } => "Backoff",
            Self::Limit { .. } => "LimitReached",
            Self::Command(_) | Self::Silent { .. } | Self::Queued { .. } | Self::Room { .. } | Self::Next { .. } | Self::Ahead { .. } => {
                "LayerRunning"
            }
        }
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Paused { layer, by, words } => {
                layer.as_ref().map_or(Ok(()), |layer| write!(f, "{layer}: "))?;
                write!(f, "paused {}", Pauser(by))?;
                words.as_ref().map_or(Ok(()), |words| write!(f, ": {words}"))
            }
            Self::Command(None) => f.write_str("a command is at work"),
            Self::Command(Some(AtWork { verb, done, all })) => {
                write!(f, "a {verb} is at work, {} of {} looked at", number(*done), tasks(*all))
            }
            Self::Loading { layer, loaded, expected } => write!(f, "{layer}: {} of {} loaded", number(*loaded), tasks(*expected)),
            Self::Held { layer, errored, total, said } => held(f, layer, *errored, *total, said.as_ref()),
            Self::NoWorkers { layer, kind, tasks, meant } => {
                write!(f, "{layer}: {} queued, no worker serves type {kind}", number(*tasks))?;
                meant.as_ref().map_or(Ok(()), |meant| write!(f, "; did you mean {meant}?"))
            }
            Self::Silent { layer, worker, seconds } => {
                write!(f, "{layer}: worker {worker} does not answer, others get its tasks within {seconds} s")
            }
            Self::TasksPaused { layer, paused, left } => {
                let are = if *paused == 1 { "is" } else { "are" };
                write!(f, "{layer}: {} of {} left {are} paused", number(*paused), tasks(*left))
            }
            Self::Limit { layer, limit, waiting } => limited(f, layer.as_deref(), *limit, *waiting),
            Self::Backoff { layer, tasks: waiting, until_ms } => backoff(f, layer, *waiting, *until_ms),
            Self::Queued { layer, tasks: queued } => write!(f, "{layer}: {} on the way to a worker", tasks(*queued)),
            Self::Room { layer, tasks: pending } => {
                let wait = if *pending == 1 { "waits" } else { "wait" };
                write!(f, "{layer}: {} {wait} to be handed out", tasks(*pending))
            }
            Self::Next { layer: Some(layer) } => write!(f, "{layer}: about to begin"),
            Self::Next { layer: None } => f.write_str("about to go on or to end"),
            Self::Ahead { layer, ahead, more, left, total } => {
                let more = if *more > 0 { format!(" and {}", counted(*more, "more layer")) } else { String::new() };
                write!(f, "{layer} waits for {ahead}{more}: {} of {} left", number(*left), tasks(*total))
            }
        }
    }
}

fn backoff(f: &mut Formatter<'_>, layer: &str, waiting: u32, until_ms: i64) -> Result {
    let wait = if waiting == 1 { "waits for its next attempt" } else { "wait for their next attempt, the first" };
    write!(f, "{layer}: {} {wait} at {}", tasks(waiting), Moment(until_ms))
}

fn held(f: &mut Formatter<'_>, layer: &str, errored: u32, total: u32, said: Option<&Commonest>) -> Result {
    write!(f, "{layer}: {} of {} errored", number(errored), tasks(total))?;
    match said {
        None => f.write_str("; retry or skip them"),
        Some(Commonest { text, .. }) if errored == 1 => write!(f, ": {text}"),
        Some(Commonest { text, times, of }) if *of < errored => {
            write!(f, ", {} of the first {}: {text}", number(*times), number(*of))
        }
        Some(Commonest { text, times, .. }) => write!(f, ", {} of them: {text}", number(*times)),
    }
}

fn limited(f: &mut Formatter<'_>, layer: Option<&str>, limit: Limit, waiting: u32) -> Result {
    if let Some(layer) = layer {
        write!(f, "{layer}: ")?;
    }
    let Limit { most, in_flight } = limit;
    let wait = if waiting == 1 { "waits" } else { "wait" };
    let whose = if layer.is_some() { "the layer" } else { "the job" };
    if most == 0 && in_flight == 0 {
        return write!(f, "drained, maxInFlight of {whose} is 0 and {} {wait}", tasks(waiting));
    }
    write!(f, "{} in flight, maxInFlight of {whose} is {}, {} {wait}", number(in_flight), number(most), tasks(waiting))
}

/// Who paused, as people know him.
struct Pauser<'a>(&'a str);

impl Display for Pauser<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            "spec" => f.write_str("by the spec"),
            "annotation" => f.write_str("by the annotation igor/pause"),
            "restore" => f.write_str("by restore: the ledger is younger than the object, its tasks may have run already"),
            who => write!(f, "by {who}"),
        }
    }
}
