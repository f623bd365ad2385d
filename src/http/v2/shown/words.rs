//! The small parts of what is shown: words, moments, numbers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::core::job::Counters;

/// Where a task, a layer or a job stands. Layers and jobs are never QUEUED.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "the words of the document; the core's status is what is written")]
pub(in crate::http::v2) enum StatusWord {
    Pending,
    Queued,
    Running,
    Completed,
    Errored,
    Skipped,
}

/// What an errored layer does to those behind it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the words of the document; the core's are what is written")]
pub(in crate::http::v2) enum OnFailureWord {
    Hold,
    Continue,
}

/// A moment as RFC 3339 has it, to the millisecond.
pub(in crate::http::v2) fn moment(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map(|at| format!("{at:.3}")).unwrap_or_default()
}

/// Tasks by status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::v2) struct Counts {
    /// All that the plan announces.
    total: u32,
    /// Not begun, or given back.
    pending: u32,
    /// Handed to the queue.
    queued: u32,
    /// Known to run.
    running: u32,
    /// Done.
    completed: u32,
    /// Ended without success.
    errored: u32,
    /// Left out on purpose.
    skipped: u32,
    /// Attempts that failed and were given another.
    retried: u32,
}

impl Counts {
    pub(super) fn of(expected: u32, tasks: &Counters) -> Self {
        Self {
            total: expected.max(tasks.total()),
            pending: tasks.pending,
            queued: tasks.queued,
            running: tasks.running,
            completed: tasks.completed,
            errored: tasks.errored,
            skipped: tasks.skipped,
            retried: tasks.retried,
        }
    }
}

/// How the tasks of a job are weighed against those of others.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::v2) enum Lane {
    High,
    Normal,
    Low,
}
