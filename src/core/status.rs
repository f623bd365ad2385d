//! The states of tasks, layers and jobs, and the moves between them that are legal.
//!
//! The tables of moves are the only definition of the state machine: SQL takes its guards from them.

use serde::{Deserialize, Serialize};

/// Where a task, a layer or a job stands. Layers and jobs never are `Queued`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not begun, or given back.
    Pending,
    /// Handed to the queue, not known to run.
    Queued,
    /// A worker said that it runs.
    Running,
    /// Done.
    Completed,
    /// Ended without success; a person decides.
    Errored,
    /// Left out on purpose; counts as done.
    Skipped,
}

use Status::{Completed, Errored, Pending, Queued, Running, Skipped};

impl Status {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 6] = [Pending, Queued, Running, Completed, Errored, Skipped];

    /// The word that the ledger and the HTTP API use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pending => "PENDING",
            Queued => "QUEUED",
            Running => "RUNNING",
            Completed => "COMPLETED",
            Errored => "ERRORED",
            Skipped => "SKIPPED",
        }
    }

    /// The status that `word` names, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word))
    }

    /// Whether nothing more happens without a person.
    pub const fn is_finished(self) -> bool {
        matches!(self, Completed | Errored | Skipped)
    }

    /// Whether what comes behind may begin.
    pub const fn is_done(self) -> bool {
        matches!(self, Completed | Skipped)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A move from one status to another.
pub type Move = (Status, Status);

/// The dispatcher hands a task to the queue.
pub const DISPATCH: &[Move] = &[(Pending, Queued)];

/// What is queued and not delivered comes back: pause, or a lost Redis.
pub const RECALL: &[Move] = &[(Queued, Pending)];

/// What the report of an attempt may do.
pub const RESULT: &[Move] = &[
    (Queued, Running),
    (Queued, Completed),
    (Queued, Errored),
    (Queued, Skipped),
    (Queued, Pending),
    (Running, Completed),
    (Running, Errored),
    (Running, Skipped),
    (Running, Pending),
];

/// Kill, a deadline, a deletion.
pub const KILL: &[Move] = &[(Pending, Errored), (Queued, Errored), (Running, Errored)];

/// Skip.
pub const SKIP: &[Move] = &[(Pending, Skipped), (Queued, Skipped), (Running, Skipped), (Errored, Skipped)];

/// Retry of what is errored or skipped; queued and running tasks are killed first.
pub const RETRY: &[Move] = &[(Errored, Pending), (Skipped, Pending), (Queued, Pending), (Running, Pending)];

/// Retry of tasks that were named one by one.
pub const RETRY_NAMED: &[Move] = &[(Errored, Pending), (Skipped, Pending), (Queued, Pending), (Running, Pending), (Completed, Pending)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_in_any_case() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(Status::parse(&status.as_str().to_lowercase()), Some(status));
        }
        assert_eq!(Status::parse("KILLED"), None);
    }

    #[test]
    fn no_move_stands_still_and_only_a_person_leaves_a_finished_status() {
        let all = [DISPATCH, RECALL, RESULT, KILL, SKIP, RETRY, RETRY_NAMED].concat();
        assert!(all.iter().all(|(from, to)| from != to));
        let by_itself = [DISPATCH, RECALL, RESULT, KILL].concat();
        assert!(by_itself.iter().all(|(from, _)| !from.is_finished()));
    }
}
