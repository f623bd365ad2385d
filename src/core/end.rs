//! Why an ended job ended as it did, in words.

use super::job::{Job, Layer};
use super::status::Status;
use super::words::{Moment, counted, number, tasks};

/// What is known of the command that ended a job before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Who gave it.
    pub by: String,
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// Why, in the person's words.
    pub words: Option<String>,
    /// Tasks that it stopped.
    pub stopped: u32,
}

/// The reason of a job that a person killed.
pub const KILLED: &str = "Killed";
/// The reason of a job whose time was over.
pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

/// Why `job`, which stands as it does for `reason`, ended; `None` while it is not ended, or when all of it is done.
pub fn ended(job: &Job, reason: Option<&str>, end: Option<&End>) -> Option<String> {
    if !job.finished || job.status != Status::Errored {
        return None;
    }
    let said = match (reason, end) {
        (Some(KILLED), Some(end)) => killed(end),
        (Some(KILLED), None) => "killed".to_owned(),
        (Some(DEADLINE_EXCEEDED), Some(end)) => {
            format!("activeDeadlineSeconds was over at {}, {} stopped", Moment(end.at_ms), tasks(end.stopped))
        }
        (Some(DEADLINE_EXCEEDED), None) => "activeDeadlineSeconds was over".to_owned(),
        _ => errors(&job.layers),
    };
    Some(said)
}

fn killed(end: &End) -> String {
    let by = if end.by == "annotation" { "the annotation igor/kill" } else { &end.by };
    let words = end.words.as_deref().map(|words| format!(": {words}")).unwrap_or_default();
    format!("killed by {by} at {}{words} ({} stopped)", Moment(end.at_ms), tasks(end.stopped))
}

/// `render: 2 of 240 tasks errored`, for each errored one of some layers.
pub fn errors(layers: &[Layer]) -> String {
    const SHOWN: usize = 5;
    let errored: Vec<&Layer> = layers.iter().filter(|layer| layer.status == Status::Errored).collect();
    let said = |layer: &&Layer| format!("{}: {} of {} errored", layer.name, number(layer.tasks.errored), tasks(layer.tasks.total()));
    let shown: Vec<String> = errored.iter().take(SHOWN).map(said).collect();
    let more = u32::try_from(errored.len().saturating_sub(SHOWN)).unwrap_or(u32::MAX);
    let more = if more > 0 { format!("; and {}", counted(more, "more layer")) } else { String::new() };
    format!("{}{more}", shown.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::{Counters, OnFailure};

    fn job(finished: bool, status: Status) -> Job {
        let tasks = Counters { completed: 239, errored: 1, ..Counters::default() };
        let layer = Layer {
            name: "render".to_owned(),
            priority: 0,
            status: Status::Errored,
            run: 1,
            paused_by: None,
            gated: false,
            expected: 240,
            loaded: 240,
            tasks,
        };
        Job { status, accepted: true, finished, paused_by: None, gated: false, on_failure: OnFailure::Hold, layers: vec![layer] }
    }

    fn end(by: &str, words: Option<&str>) -> End {
        End { by: by.to_owned(), at_ms: 1_795_533_276_999, words: words.map(str::to_owned), stopped: 1 }
    }

    #[test]
    fn a_killed_job_says_who_when_why_and_how_much() {
        let said = |reason, end: Option<&End>| ended(&job(true, Status::Errored), reason, end).expect("words");
        let by_name = end("mara", Some("wrong scene"));
        assert_eq!(said(Some(KILLED), Some(&by_name)), "killed by mara at 2026-11-24T15:14:36Z: wrong scene (1 task stopped)");
        let by_annotation = end("annotation", None);
        assert_eq!(said(Some(KILLED), Some(&by_annotation)), "killed by the annotation igor/kill at 2026-11-24T15:14:36Z (1 task stopped)");
        let by_deadline = end("igor-operator", Some(DEADLINE_EXCEEDED));
        assert_eq!(
            said(Some(DEADLINE_EXCEEDED), Some(&by_deadline)),
            "activeDeadlineSeconds was over at 2026-11-24T15:14:36Z, 1 task stopped"
        );
        assert_eq!(said(None, None), "render: 1 of 240 tasks errored");
    }

    #[test]
    fn a_job_that_is_at_work_or_done_has_no_such_words() {
        assert_eq!(ended(&job(false, Status::Errored), None, None), None);
        assert_eq!(ended(&job(true, Status::Completed), None, None), None);
    }
}
