//! The verbs by which people steer, what a command is addressed to, and which tasks of it are meant.

mod one_shot;
mod selector;

pub use one_shot::{OneShot, Token, parse_level};
pub use selector::{Fault, Numbers, Pattern, Pick, Selector, Tasks};

use super::status::{KILL, Move, RETRY_NAMED, SKIP, Status};

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Nothing new is dispatched.
    Pause,
    /// Single tasks are passed over.
    PauseTasks,
    /// Unfinished tasks end errored.
    Kill,
    /// Unfinished and errored tasks count as done.
    Skip,
    /// Errored tasks run again; skipped and completed ones too when they are named.
    Retry,
    /// Single tasks are no longer passed over.
    UnpauseTasks,
    /// Dispatch goes on.
    Unpause,
    /// The job's time is over.
    Deadline,
    /// The job's object is gone.
    Delete,
}

impl Verb {
    /// Every verb, in the order in which several at once act.
    pub const ALL: [Self; 9] = [
        Self::Pause,
        Self::PauseTasks,
        Self::Kill,
        Self::Skip,
        Self::Retry,
        Self::UnpauseTasks,
        Self::Unpause,
        Self::Deadline,
        Self::Delete,
    ];

    /// Those that are given as one-shot annotations, in the order in which several at once act.
    pub const ONE_SHOTS: [Self; 5] = [Self::PauseTasks, Self::Kill, Self::Skip, Self::Retry, Self::UnpauseTasks];

    /// The word in the ledger and in annotations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::PauseTasks => "pause-tasks",
            Self::Kill => "kill",
            Self::Skip => "skip",
            Self::Retry => "retry",
            Self::UnpauseTasks => "unpause-tasks",
            Self::Unpause => "unpause",
            Self::Deadline => "deadline",
            Self::Delete => "delete",
        }
    }

    /// The reason that what it moves then carries.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Pause | Self::PauseTasks => "Paused",
            Self::Unpause | Self::UnpauseTasks => "Unpaused",
            Self::Kill => "Killed",
            Self::Skip => "Skipped",
            Self::Retry => "Retried",
            Self::Deadline => "DeadlineExceeded",
            Self::Delete => "Deleted",
        }
    }

    /// The verb that a word names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }

    /// What becomes of a task of each status, when tasks are meant so closely. Empty for verbs that move no task.
    pub fn moves(self, meant: Meant, failed_only: bool) -> Vec<Move> {
        let all = match self {
            Self::Kill | Self::Deadline | Self::Delete => KILL,
            Self::Skip => SKIP,
            Self::Retry => RETRY_NAMED,
            Self::Pause | Self::Unpause | Self::PauseTasks | Self::UnpauseTasks => &[],
        };
        let reaches = |from: Status| match (self, from) {
            _ if failed_only => from == Status::Errored,
            (Self::Retry, Status::Errored) => true,
            (Self::Retry, Status::Skipped) => meant >= Meant::Matched,
            (Self::Retry, _) => meant == Meant::Named,
            _ => true,
        };
        all.iter().copied().filter(|(from, _)| reaches(*from)).collect()
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How closely a task is meant: retry runs what is done again only when it was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meant {
    /// As one of all of an object.
    Among,
    /// By a pattern with `*`.
    Matched,
    /// By its name or number.
    Named,
}

impl Meant {
    /// From the loosest to the closest.
    pub const ALL: [Self; 3] = [Self::Among, Self::Matched, Self::Named];
}

/// What a command is addressed to: the object that carries the annotation, or that a URL names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// The job.
    Job,
    /// One of its layers, by name.
    Layer(String),
    /// One of its tasks.
    Task {
        /// The layer's name.
        layer: String,
        /// The task's name.
        task: String,
    },
}

impl std::fmt::Display for Object {
    /// As it enters the ids of commands; no layer is called `job/…`, names hold no slash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Job => f.write_str("job"),
            Self::Layer(layer) => write!(f, "layer/{layer}"),
            Self::Task { layer, task } => write!(f, "task/{layer}/{task}"),
        }
    }
}

impl Object {
    /// The object that a text of [`Object::to_string`] names.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, '/');
        match (words.next()?, words.next(), words.next()) {
            ("job", None, None) => Some(Self::Job),
            ("layer", Some(layer), None) => Some(Self::Layer(layer.to_owned())),
            ("task", Some(layer), Some(task)) => Some(Self::Task { layer: layer.to_owned(), task: task.to_owned() }),
            _ => None,
        }
    }
}

/// Why a verb cannot be asked of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// To skip a whole job would say that all of it was done.
    #[error("a job is not skipped as a whole: name layers, as in igor/skip=LAYER, or failed")]
    SkipOfJob,
    /// A task is paused as a whole.
    #[error("a task is paused by igor/pause=true")]
    TasksOfTask,
}

/// Reads what is asked of an object; the fault says where and what to write instead.
pub fn read(verb: Verb, object: &Object, selector: &str) -> Result<Selector, CommandFault> {
    let selector = Selector::parse(selector, object).map_err(CommandFault::Selector)?;
    match (verb, object, &selector) {
        (Verb::Skip, Object::Job, Selector::All) => Err(CommandFault::Unfit(Unfit::SkipOfJob)),
        (Verb::PauseTasks | Verb::UnpauseTasks, Object::Task { .. }, _) => Err(CommandFault::Unfit(Unfit::TasksOfTask)),
        _ => Ok(selector),
    }
}

/// A command that cannot be carried out as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    /// The selector does not parse.
    #[error(transparent)]
    Selector(Fault),
    /// The verb does not go with the object.
    #[error(transparent)]
    Unfit(Unfit),
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Completed, Errored, Pending, Queued, Running, Skipped};

    #[test]
    fn words_of_verbs_and_objects_read_back() {
        for verb in Verb::ALL {
            assert_eq!(Verb::parse(verb.as_str()), Some(verb));
        }
        let task = Object::Task { layer: "render".to_owned(), task: "frame-17".to_owned() };
        for object in [Object::Job, Object::Layer("render".to_owned()), task] {
            assert_eq!(Object::parse(&object.to_string()), Some(object));
        }
        assert_eq!(Object::parse("layer"), None);
    }

    #[test]
    fn a_kill_ends_what_is_unfinished_however_it_is_meant() {
        for meant in Meant::ALL {
            assert_eq!(Verb::Kill.moves(meant, false), [(Pending, Errored), (Queued, Errored), (Running, Errored)]);
            assert_eq!(Verb::Kill.moves(meant, true), []);
        }
    }

    #[test]
    fn a_retry_reaches_the_further_the_closer_a_task_is_named() {
        let from = |meant, failed| Verb::Retry.moves(meant, failed).into_iter().map(|(from, _)| from).collect::<Vec<_>>();
        assert_eq!(from(Meant::Among, false), [Errored]);
        assert_eq!(from(Meant::Matched, false), [Errored, Skipped]);
        assert_eq!(from(Meant::Named, false), [Errored, Skipped, Queued, Running, Completed]);
        assert_eq!(from(Meant::Named, true), [Errored]);
    }

    #[test]
    fn a_skip_of_what_failed_leaves_the_rest() {
        assert_eq!(Verb::Skip.moves(Meant::Among, true), [(Errored, Skipped)]);
        assert_eq!(Verb::Skip.moves(Meant::Among, false).len(), 4);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_write() {
        let task = Object::Task { layer: "a".to_owned(), task: "t".to_owned() };
        let said = |verb, object: &Object, text| read(verb, object, text).map_err(|fault| fault.to_string());
        assert_eq!(
            said(Verb::Skip, &Object::Job, "true"),
            Err("a job is not skipped as a whole: name layers, as in igor/skip=LAYER, or failed".to_owned())
        );
        assert_eq!(said(Verb::Skip, &Object::Job, "failed"), Ok(Selector::Failed));
        assert_eq!(said(Verb::Skip, &Object::Layer("a".to_owned()), "true"), Ok(Selector::All));
        assert_eq!(said(Verb::PauseTasks, &task, "true"), Err("a task is paused by igor/pause=true".to_owned()));
    }
}
