//! The reports of an attempt, reduced to one outcome.
//!
//! A batch read from the results streams may hold several reports of one attempt: it runs, it ended, the same again. The ledger
//! wants one row a task, so they are reduced here first, in stream order: the first that is not `Running` wins, and `Running`
//! counts only when it is alone.

use std::collections::BTreeMap;

use uuid::Uuid;

/// What a report says of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    /// It runs.
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Errored,
    /// The handler left it out.
    Skipped,
    /// Given back, not begun or cut off by a shutdown: neither a failure nor a loss.
    Released,
    /// Stopped on command: for metrics and logs only, it changes no state.
    Cancelled,
    /// Its worker is gone. Only the operator says this.
    Lost,
}

/// One report of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The task.
    pub task: Uuid,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// What is said of it.
    pub said: Said,
    /// For people; at most 4 KiB.
    pub message: Option<String>,
    /// Becomes the task's reason.
    pub why: Option<String>,
    /// Wait at least so many milliseconds before the next attempt.
    pub retry_ms: Option<u64>,
    /// The worker asks for no other attempt.
    pub last: bool,
    /// When it was said, unix milliseconds by the worker's clock.
    pub at_ms: i64,
    /// How long the handler ran, in milliseconds.
    pub run_ms: Option<u64>,
    /// The worker that says it.
    pub worker: Option<String>,
}

impl Report {
    /// That alone, and nothing more to tell.
    pub fn new(task: Uuid, attempt: u32, said: Said) -> Self {
        Self { task, attempt, said, message: None, why: None, retry_ms: None, last: false, at_ms: 0, run_ms: None, worker: None }
    }
}

/// Reduces reports, given in stream order, to at most one for each attempt, in the order of their first report.
pub fn fold(reports: impl IntoIterator<Item = Report>) -> Vec<Report> {
    let mut outcomes: Vec<Report> = Vec::new();
    let mut places: BTreeMap<(Uuid, u32), usize> = BTreeMap::new();
    for report in reports.into_iter().filter(|report| report.said != Said::Cancelled) {
        let place = *places.entry((report.task, report.attempt)).or_insert(outcomes.len());
        match outcomes.get_mut(place) {
            None => outcomes.push(report),
            Some(known) if known.said == Said::Running && report.said != Said::Running => *known = report,
            Some(_) => {}
        }
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(task: u128, attempt: u32, said: Said) -> Report {
        Report::new(Uuid::from_u128(task), attempt, said)
    }

    fn folded(reports: &[Report]) -> Vec<(u128, u32, Said)> {
        fold(reports.to_vec()).into_iter().map(|r| (r.task.as_u128(), r.attempt, r.said)).collect()
    }

    #[test]
    fn the_first_report_that_is_not_running_wins() {
        let said = [report(1, 1, Said::Running), report(1, 1, Said::Errored), report(1, 1, Said::Completed), report(1, 1, Said::Running)];
        assert_eq!(folded(&said), [(1, 1, Said::Errored)]);
    }

    #[test]
    fn running_counts_when_it_is_alone() {
        assert_eq!(folded(&[report(1, 1, Said::Running), report(1, 1, Said::Running)]), [(1, 1, Said::Running)]);
    }

    #[test]
    fn attempts_are_kept_apart_and_cancelled_is_left_out() {
        let said = [report(1, 1, Said::Lost), report(1, 2, Said::Completed), report(2, 1, Said::Cancelled)];
        assert_eq!(folded(&said), [(1, 1, Said::Lost), (1, 2, Said::Completed)]);
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once_and_each_attempt_is_there_once(
            raw in prop::collection::vec((0..4u128, 1..3u32, 0..7usize), 0..40)
        ) {
            let words = [Said::Running, Said::Completed, Said::Errored, Said::Skipped, Said::Released, Said::Cancelled, Said::Lost];
            let said: Vec<Report> = raw.into_iter().map(|(task, attempt, word)| report(task, attempt, words[word])).collect();
            let once = fold(said);
            prop_assert_eq!(&fold(once.clone()), &once);
            let keys: std::collections::BTreeSet<_> = once.iter().map(|r| (r.task, r.attempt)).collect();
            prop_assert_eq!(keys.len(), once.len());
        }
    }
}
