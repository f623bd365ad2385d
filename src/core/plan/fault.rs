//! What is wrong with a spec, and where.

/// Most faults that are kept of one spec: nobody reads more, and a list of a million wrong tasks must not fill the memory.
pub const MAX_FAULTS: usize = 1_000;

/// Why a spec is not accepted: the reasons of the condition `Accepted`, API for whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Something does not keep its rule.
    InvalidSpec,
    /// Two tasks of a layer have one name.
    DuplicateTaskName,
    /// More than Igor takes.
    TooLarge,
    /// A file of tasks is not there.
    TasksFromNotFound,
    /// A file of tasks may not be read.
    TasksFromForbidden,
    /// An edit of what was accepted.
    ImmutablePlan,
    /// The queue belongs to somebody else.
    QueueForbidden,
    /// The job ran, and its history was dropped.
    HistoryArchived,
}

impl Reason {
    /// The word in the condition.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidSpec => "InvalidSpec",
            Self::DuplicateTaskName => "DuplicateTaskName",
            Self::TooLarge => "TooLarge",
            Self::TasksFromNotFound => "TasksFromNotFound",
            Self::TasksFromForbidden => "TasksFromForbidden",
            Self::ImmutablePlan => "ImmutablePlan",
            Self::QueueForbidden => "QueueForbidden",
            Self::HistoryArchived => "HistoryArchived",
        }
    }
}

/// One thing that is wrong. Its text is `path: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Fault {
    /// Where, as `layers[2].tasks[17].type`.
    pub path: String,
    /// What kind of fault it is.
    pub reason: Reason,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Fault {
    /// A rule that is not kept.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), reason: Reason::InvalidSpec, message: message.into() }
    }
}

/// `faults` in at most `limit` bytes, a line each; those that do not fit are counted at the end.
pub fn describe(faults: &[Fault], limit: usize) -> String {
    /// For the line that counts.
    const ROOM: usize = 32;
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let all = lines.join("\n");
    if all.len() <= limit {
        return all;
    }
    let room = limit.saturating_sub(ROOM);
    let (mut length, mut shown) = (0, 0);
    for line in &lines {
        length += line.len() + 1;
        if length > room {
            break;
        }
        shown += 1;
    }
    match lines.len() - shown.max(1) {
        0 => all[..all.floor_char_boundary(limit)].to_owned(),
        more if shown == 0 => format!("{}\n… and {more} more", &all[..lines[0].floor_char_boundary(room)]),
        more => format!("{}\n… and {more} more", lines[..shown].join("\n")),
    }
}

/// The faults of a spec as they are found.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Takes a fault; `path` and `message` are built only while there is room.
    pub(super) fn push(&mut self, reason: Reason, path: impl FnOnce() -> String, message: impl FnOnce() -> String) {
        if !self.is_full() {
            self.0.push(Fault { path: path(), reason, message: message() });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }

    pub(super) fn or<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(count: usize) -> Vec<Fault> {
        (0..count).map(|at| Fault::invalid(format!("layers[{at}].name"), "is wrong")).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(describe(&faults(2), 1000), "layers[0].name: is wrong\nlayers[1].name: is wrong");
        assert_eq!(describe(&faults(9), 90), "layers[0].name: is wrong\nlayers[1].name: is wrong\n… and 7 more");
    }

    #[test]
    fn a_text_never_passes_its_limit() {
        for count in 1..60 {
            for limit in [40, 90, 200, 1024] {
                assert!(describe(&faults(count), limit).len() <= limit, "{count} {limit}");
            }
        }
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut faults = Faults::default();
        for _ in 0..MAX_FAULTS + 5 {
            faults.push(Reason::InvalidSpec, || "a".to_owned(), || "b".to_owned());
        }
        assert_eq!(faults.or(()).expect_err("faults").len(), MAX_FAULTS);
    }
}
