//! What the definitions do not say: conditions with their reasons, annotations, labels.

/// A condition of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The kind that has it.
    pub kind: &'static str,
    /// Its type.
    pub type_: &'static str,
    /// What is so when it is True.
    pub means: &'static str,
    /// The reasons that it may then have.
    pub when_true: &'static [&'static str],
    /// The reasons that it may have else.
    pub when_false: &'static [&'static str],
}

/// All conditions, in the order in which objects show them.
pub const CONDITIONS: &[Condition] = &[
    Condition {
        kind: "IgorJob",
        type_: "Accepted",
        means: "The plan is valid and in the ledger.",
        when_true: &["Accepted"],
        when_false: &[
            "Loading",
            "InvalidSpec",
            "DuplicateTaskName",
            "TooLarge",
            "TasksFromNotFound",
            "TasksFromForbidden",
            "ImmutablePlan",
            "QueueForbidden",
            "HistoryArchived",
        ],
    },
    Condition {
        kind: "IgorJob",
        type_: "Progressing",
        means: "Work moves. False: the message says what it waits for.",
        when_true: &["LayerRunning"],
        when_false: &["Loading", "Paused", "HeldOnFailure", "NoWorkers", "Backoff", "LimitReached", "Finished"],
    },
    Condition {
        kind: "IgorJob",
        type_: "Paused",
        means: "Nothing new is handed to workers.",
        when_true: &["PausedBySpec", "PausedByAnnotation", "PausedByCommand", "PausedByRestore", "Draining"],
        when_false: &["NotPaused"],
    },
    Condition {
        kind: "IgorJob",
        type_: "Stalled",
        means: "Igor itself cannot act on the job; it tries again.",
        when_true: &["LedgerUnavailable", "QueueUnavailable", "ReconcileError"],
        when_false: &["Working"],
    },
    Condition {
        kind: "IgorJob",
        type_: "Complete",
        means: "Every layer is done.",
        when_true: &["AllLayersFinished", "SomeSkipped"],
        when_false: &["NotFinished", "Held", "TaskFailures", "Killed", "DeadlineExceeded"],
    },
    Condition {
        kind: "IgorJob",
        type_: "Failed",
        means: "Failed tasks hold the job, or it ended with them. False again after a retry or a skip.",
        when_true: &["TaskFailures", "Killed", "DeadlineExceeded"],
        when_false: &["NotFinished", "AllLayersFinished", "SomeSkipped"],
    },
    Condition { kind: "IgorLayer", type_: "Started", means: "It has begun.", when_true: &["Started"], when_false: &["NotStarted"] },
    Condition {
        kind: "IgorLayer",
        type_: "Paused",
        means: "It hands out nothing new.",
        when_true: &["PausedBySpec", "PausedByAnnotation", "PausedByCommand"],
        when_false: &["NotPaused"],
    },
    Condition {
        kind: "IgorLayer",
        type_: "Complete",
        means: "All its tasks are done.",
        when_true: &["AllTasksFinished", "SomeSkipped", "Skipped"],
        when_false: &["NotFinished", "TaskFailures"],
    },
    Condition {
        kind: "IgorLayer",
        type_: "Failed",
        means: "It ended with failed tasks.",
        when_true: &["TaskFailures"],
        when_false: &["NotFinished", "AllTasksFinished", "SomeSkipped", "Skipped"],
    },
];

/// Annotations that people set: name, where, value, what it does.
pub const ANNOTATIONS: &[[&str; 4]] = &[
    [
        "`igor/pause`",
        "job, layer, task",
        "`true` or `false`",
        "A level: pauses, or goes on. Its removal lets go on what the spec does not pause.",
    ],
    ["`igor/pause-tasks`", "job, layer", "a selector", "Once: the tasks are passed over until they are unpaused."],
    ["`igor/kill`", "job, layer, task", "a selector", "Once: what is unfinished ends errored, what runs is stopped."],
    ["`igor/skip`", "job, layer, task", "a selector", "Once: what is unfinished or errored counts as done, what runs is stopped."],
    ["`igor/retry`", "job, layer, task", "a selector", "Once: what is errored runs again; what is skipped or completed when it is named."],
    ["`igor/unpause-tasks`", "job, layer", "a selector", "Once: the tasks are handed out again."],
    [
        "`igor/reason`",
        "job, layer, task",
        "text, at most 500 characters",
        "Why: goes to the audit with the next command, and is removed with it.",
    ],
    ["`igor.dev/traceparent`", "job", "a W3C `traceparent`", "Whoever wanted the job: its trace is linked to that one."],
];

/// Labels: name, where, what it says.
pub const LABELS: &[[&str; 3]] = &[
    ["`igor.dev/job`", "layers, tasks", "The name of the job. Written by the operator."],
    ["`igor.dev/layer`", "tasks", "The name of the layer. Written by the operator."],
    ["`igor.dev/origin`", "tasks", "`handle`: the operator made it to see and steer a failed task."],
    ["`igor.dev/tasks`", "ConfigMaps", "Jobs of the namespace may read tasks from it, whatever the value. Yours to set."],
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::core::command::Verb;
    use crate::crd;

    /// Where the reasons of conditions stand as words.
    const SOURCES: [&str; 4] = [
        include_str!("../status/conditions.rs"),
        include_str!("../../core/wait/words.rs"),
        include_str!("../../core/plan/fault.rs"),
        include_str!("../../operator/error.rs"),
    ];

    /// The words in quotes that look like reasons.
    fn quoted(source: &str) -> impl Iterator<Item = &str> {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let is_reason = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(char::is_alphanumeric);
        code.split('"').skip(1).step_by(2).filter(is_reason)
    }

    #[test]
    fn the_reasons_are_those_that_the_code_gives() {
        let given: BTreeSet<&str> = SOURCES.into_iter().flat_map(quoted).collect();
        let listed: BTreeSet<&str> = CONDITIONS
            .iter()
            .flat_map(|condition| condition.when_true.iter().chain(condition.when_false).chain([&condition.type_]))
            .copied()
            .collect();
        assert_eq!(given.difference(&listed).collect::<Vec<_>>(), [&""; 0], "given and not listed");
        assert_eq!(listed.difference(&given).collect::<Vec<_>>(), [&""; 0], "listed and never given");
    }

    #[test]
    fn every_verb_that_is_an_annotation_is_listed() {
        let listed: BTreeSet<String> = ANNOTATIONS.iter().map(|row| row[0].replace('`', "")).collect();
        let verbs = Verb::ONE_SHOTS.map(|verb| format!("igor/{verb}"));
        let others = [crd::ANNOTATION_PAUSE, crd::ANNOTATION_REASON, crd::ANNOTATION_TRACEPARENT].map(str::to_owned);
        assert_eq!(listed, verbs.into_iter().chain(others).collect());
    }

    #[test]
    fn every_label_is_listed() {
        let listed: Vec<String> = LABELS.iter().map(|row| row[0].replace('`', "")).collect();
        assert_eq!(listed, [crd::LABEL_JOB, crd::LABEL_LAYER, crd::LABEL_ORIGIN, crd::LABEL_TASKS]);
    }
}
