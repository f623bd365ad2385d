//! Jobs as they come, as they are known, and what a transaction changed in them.

use uuid::Uuid;

use super::OpenType;
use crate::core::command::{Object, Selector, Verb};
use crate::core::id;
use crate::core::plan::Fault;
use crate::core::status::Status;

/// Which object a plan belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The object's uid: the idempotency key.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its creation, unix milliseconds: the day of the whole job.
    pub created_ms: i64,
    /// Its generation: live fields of a later one are taken over.
    pub generation: i64,
    /// Where it was made: `kubectl`, `api` …
    pub origin: String,
    /// The pause levels seen on it, taken inside the first transaction.
    pub levels: Vec<Sighting>,
    /// The object was known before to a ledger that is gone: it begins paused by `restore`.
    pub restored: bool,
}

/// Where a pause level is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `spec.paused` or `spec.layers[].paused`.
    Spec,
    /// The annotation `igor/pause`.
    Annotation,
    /// The same, which igor itself took away because it was not true any more: nobody asks for anything by that.
    Untrue,
}

/// A pause level as it was seen on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The object it is about.
    pub object: Object,
    /// Where it stands.
    pub source: Source,
    /// What it says; `None` = the annotation is not there, so the spec counts.
    pub paused: Option<bool>,
    /// The object's resourceVersion: older sightings than the last one change nothing.
    pub version: u64,
}

/// What accepting a plan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The job.
    pub job_id: Uuid,
    /// How the ledger knows it.
    pub standing: Standing,
    /// Whether this transaction wrote the job's row, and with it the pause levels of its object.
    pub inserted: bool,
    /// Why the plan given cannot take the place of the accepted one; the job runs on with that one.
    pub refused: Vec<Fault>,
    /// What began with it.
    pub change: JobChange,
}

/// How the ledger knows a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Made, or loaded to its end, by this call.
    Fresh,
    /// Loaded before; at work or held.
    Known,
    /// Ended.
    Ended,
    /// Its object is being deleted because its time to live is over.
    Expired,
    /// Its object was deleted.
    Deleted,
}

/// What a transaction changed in a job beyond its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobChange {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Types of layers that may now be dispatched.
    pub opened: Vec<OpenType>,
    /// Layers with nothing left to dispatch.
    pub closed: Vec<Uuid>,
    /// Layers that moved, and where to.
    pub layers: Vec<(String, Status)>,
    /// Where the job moved to, if it did.
    pub status: Option<Status>,
    /// Whether it ended with this transaction.
    pub finished: bool,
}

/// A job that is accepted and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveJob {
    /// The job.
    pub job_id: Uuid,
    /// Its object.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it is to be killed; `None` = never, or not while it is paused.
    pub deadline_ms: Option<i64>,
    /// Another process changed it and nobody looked yet.
    pub dirty: bool,
}

/// A command: acts once, however often it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id, from `core::id::command`.
    pub id: Uuid,
    /// The job it is about.
    pub job_id: Uuid,
    /// What it is asked of.
    pub object: Object,
    /// What is asked.
    pub verb: Verb,
    /// Of which of the object's tasks.
    pub selector: Selector,
    /// Who asks.
    pub actor: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

impl Command {
    /// That a job's object is gone: kills it and marks it deleted; later commands on it change nothing.
    pub fn deletion(job_id: Uuid, actor: &str) -> Self {
        let created_ms = id::created_ms(job_id);
        Self {
            id: id::command(created_ms, &job_id.to_string(), "job", Verb::Delete.as_str(), "gone"),
            job_id,
            object: Object::Job,
            verb: Verb::Delete,
            selector: Selector::All,
            actor: actor.to_owned(),
            reason: None,
        }
    }
}

/// Why a command did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its object is gone.
    #[error("the job was deleted")]
    Deleted,
    /// Its object is being deleted because its time to live is over.
    #[error("the job's time to live is over")]
    Expired,
    /// It ended before all of it was loaded: there is nothing that could go on.
    #[error("the job ended before it was loaded")]
    NeverLoaded,
    /// What it is about is still being loaded: it is to be given again afterwards.
    #[error("its tasks are still being loaded")]
    Loading,
}

/// What a command did, the first time or any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Tasks that it was about: those named, or else those that it moved.
    pub matched: u32,
    /// Tasks that it moved; of a pause, what it paused.
    pub changed: u32,
    /// Nothing was done, because of this.
    pub refused: Option<Refusal>,
    /// It had been done before.
    pub again: bool,
    /// What moved with it. Dispatch of the job may have changed: read its open types again.
    pub change: JobChange,
}

/// How far a command has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is done.
    Done(Done),
    /// It is large: what was queued or running is stopped, the job stands still, and the rest follows step by step.
    More(JobChange),
}

/// What came of a command that was given for an object as somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// Its first step was done.
    Step(Progress),
    /// The object has another version, this one, or is not there: nothing was done.
    Moved(Option<i64>),
}

/// What a command would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Would {
    /// Nothing, because of this.
    pub refused: Option<Refusal>,
    /// Tasks that it would move.
    pub matched: u32,
    /// Whether that is their number, and not only as far as they were counted.
    pub exact: bool,
    /// Some of them.
    pub sample: Vec<Uuid>,
}

/// What pause levels changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// The objects that are paused or unpaused now, with whether they are.
    pub moved: Vec<(Object, bool)>,
    /// The ledger has every level as it was seen: the same levels need not be told again.
    pub settled: bool,
    /// What moved with it. Dispatch of the job may have changed when `moved` is not empty: read its open types again.
    pub change: JobChange,
}
