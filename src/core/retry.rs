//! What becomes of a task when an attempt has ended: done, another attempt and when, or the end.

use std::time::Duration;

use super::fold::Said;
use super::status::Status;

/// Losses after which a task is taken for the cause.
pub const POISON_LOSSES: u32 = 3;

/// The wait after a worker could not read a task: time for a rolling upgrade to bring one that can.
const UNREADABLE: Backoff = Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(600) };

/// How often an unreadable task is sent before it ends: with `UNREADABLE` about five minutes.
const UNREADABLE_TRIES: u32 = 6;

/// The reason of a task that no worker could read.
pub const REASON_UNREADABLE: &str = "Unreadable";
/// The reason of a task that waits for another attempt because its worker died.
pub const REASON_LOST: &str = "Lost";
/// The reason of a task whose workers kept dying.
pub const REASON_POISON: &str = "Poison";
/// The reason of a task whose result the ledger cannot store.
pub const REASON_UNSTORABLE: &str = "Unstorable";
/// The reason of a task that failed and said nothing more special.
pub const REASON_FAILED: &str = "Failed";

/// How long to wait between attempts: doubling from `initial` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub initial: Duration,
    /// Never longer.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial: Duration::from_secs(10), max: Duration::from_secs(3600) }
    }
}

impl Backoff {
    /// The wait after the `failures`th failure (from 1), 50-100 % of it as `jitter` (any bits) says.
    pub fn delay(&self, failures: u32, jitter: u16) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        let half = full / 2;
        half + half.mul_f64(f64::from(jitter) / f64::from(u16::MAX))
    }
}

/// What the ledger knows of a task when its attempt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Failed attempts so far.
    pub failures: u32,
    /// Attempts lost with their worker so far.
    pub lost: u32,
    /// The failure that ends the task: retries + 1.
    pub max_failures: u32,
    /// How its job waits between attempts.
    pub backoff: Backoff,
}

/// What is written for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its next status.
    pub to: Status,
    /// Its failures from now on.
    pub failures: u32,
    /// Its losses from now on.
    pub lost: u32,
    /// How long the next attempt waits.
    pub wait: Duration,
    /// Why, unless the worker gave a reason of its own.
    pub reason: Option<&'static str>,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What was said of it.
    pub said: Said,
    /// Its worker could not read the task.
    pub unreadable: bool,
    /// Its worker asks to wait at least so long.
    pub at_least: Duration,
    /// Its worker asks for no other attempt.
    pub last: bool,
}

/// What becomes of a task of that `standing` whose attempt `ended` so; `None` when nothing is to be written (`Cancelled`).
pub fn decide(standing: Standing, ended: Ended, jitter: u16) -> Option<Verdict> {
    let same = Verdict { to: Status::Pending, failures: standing.failures, lost: standing.lost, wait: Duration::ZERO, reason: None };
    Some(match ended.said {
        Said::Cancelled => return None,
        Said::Running => Verdict { to: Status::Running, ..same },
        Said::Completed => Verdict { to: Status::Completed, ..same },
        Said::Skipped => Verdict { to: Status::Skipped, ..same },
        Said::Released if ended.unreadable => {
            failed(standing, UNREADABLE, UNREADABLE_TRIES.max(standing.max_failures), REASON_UNREADABLE, ended, jitter)
        }
        Said::Released => Verdict { wait: ended.at_least, ..same },
        Said::Errored => failed(standing, standing.backoff, standing.max_failures, REASON_FAILED, ended, jitter),
        Said::Lost => {
            let lost = standing.lost.saturating_add(1);
            let poison = lost >= POISON_LOSSES;
            let to = if poison { Status::Errored } else { Status::Pending };
            Verdict { to, lost, reason: Some(if poison { REASON_POISON } else { REASON_LOST }), ..same }
        }
    })
}

fn failed(standing: Standing, backoff: Backoff, limit: u32, reason: &'static str, ended: Ended, jitter: u16) -> Verdict {
    let failures = standing.failures.saturating_add(1);
    if ended.last || failures >= limit {
        return Verdict { to: Status::Errored, failures, lost: standing.lost, wait: Duration::ZERO, reason: Some(reason) };
    }
    let wait = backoff.delay(failures, jitter).max(ended.at_least);
    Verdict { to: Status::Pending, failures, lost: standing.lost, wait, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRESH: Standing = Standing {
        failures: 0,
        lost: 0,
        max_failures: 3,
        backoff: Backoff { initial: Duration::from_secs(10), max: Duration::from_secs(60) },
    };

    const fn ended(said: Said) -> Ended {
        Ended { said, unreadable: false, at_least: Duration::ZERO, last: false }
    }

    const fn verdict(to: Status, failures: u32, lost: u32, wait: u64, reason: Option<&'static str>) -> Verdict {
        Verdict { to, failures, lost, wait: Duration::from_secs(wait), reason }
    }

    #[test]
    fn what_is_said_decides() {
        let full = u16::MAX;
        let table = [
            (FRESH, ended(Said::Running), verdict(Status::Running, 0, 0, 0, None)),
            (FRESH, ended(Said::Completed), verdict(Status::Completed, 0, 0, 0, None)),
            (FRESH, ended(Said::Skipped), verdict(Status::Skipped, 0, 0, 0, None)),
            (FRESH, ended(Said::Released), verdict(Status::Pending, 0, 0, 0, None)),
            (FRESH, ended(Said::Errored), verdict(Status::Pending, 1, 0, 10, Some(REASON_FAILED))),
            (Standing { failures: 1, ..FRESH }, ended(Said::Errored), verdict(Status::Pending, 2, 0, 20, Some(REASON_FAILED))),
            (Standing { failures: 2, ..FRESH }, ended(Said::Errored), verdict(Status::Errored, 3, 0, 0, Some(REASON_FAILED))),
            (FRESH, Ended { last: true, ..ended(Said::Errored) }, verdict(Status::Errored, 1, 0, 0, Some(REASON_FAILED))),
            (
                FRESH,
                Ended { at_least: Duration::from_secs(90), ..ended(Said::Errored) },
                verdict(Status::Pending, 1, 0, 90, Some(REASON_FAILED)),
            ),
            (FRESH, Ended { unreadable: true, ..ended(Said::Released) }, verdict(Status::Pending, 1, 0, 10, Some(REASON_UNREADABLE))),
            (FRESH, ended(Said::Lost), verdict(Status::Pending, 0, 1, 0, Some(REASON_LOST))),
            (Standing { lost: 2, ..FRESH }, ended(Said::Lost), verdict(Status::Errored, 0, 3, 0, Some(REASON_POISON))),
        ];
        for (standing, ended, expected) in table {
            assert_eq!(decide(standing, ended, full), Some(expected), "{standing:?} {ended:?}");
        }
    }

    #[test]
    fn the_first_failure_of_a_task_without_retries_is_its_end() {
        let none = Standing { max_failures: 1, ..FRESH };
        assert_eq!(decide(none, ended(Said::Errored), 0), Some(verdict(Status::Errored, 1, 0, 0, Some(REASON_FAILED))));
    }

    #[test]
    fn what_was_stopped_on_command_writes_nothing() {
        assert_eq!(decide(FRESH, ended(Said::Cancelled), 0), None);
    }

    #[test]
    fn an_unreadable_task_ends_after_some_tries_whatever_its_retries() {
        let last = Standing { failures: UNREADABLE_TRIES - 1, max_failures: 1, ..FRESH };
        let verdict = decide(last, Ended { unreadable: true, ..ended(Said::Released) }, 0).expect("a verdict");
        assert_eq!((verdict.to, verdict.reason), (Status::Errored, Some(REASON_UNREADABLE)));
    }

    proptest! {
        #[test]
        fn a_wait_is_half_to_all_of_the_doubled_one_and_bounded(failures in 1..1000u32, jitter: u16) {
            let wait = FRESH.backoff.delay(failures, jitter);
            let full = Duration::from_secs(10).saturating_mul(1 << (failures - 1).min(31)).min(Duration::from_secs(60));
            prop_assert!(wait >= full / 2 && wait <= full);
        }
    }
}
