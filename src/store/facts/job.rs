//! Jobs as they come, as they are known, and what a transaction changed in them.

use uuid::Uuid;

use super::OpenType;
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
}

/// A pause level as it was seen on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The layer it is about; `None` = the job.
    pub layer: Option<String>,
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
    /// Layers whose accepted plan is another than the one given, by name; the job runs on with the accepted one.
    pub differs: Vec<String>,
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

/// A one-shot command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its id, from `core::id::command`: it acts once.
    pub id: Uuid,
    /// The job it is about.
    pub job_id: Uuid,
    /// Who asks.
    pub actor: String,
    /// Why, in a person's words.
    pub reason: Option<String>,
}

/// What a command did, the first time or any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Tasks that it was about.
    pub matched: u32,
    /// Tasks that it moved.
    pub changed: u32,
    /// The job is deleted, expired, or ended before it was loaded: nothing was done.
    pub refused: bool,
    /// What moved with it. Dispatch of the job may have changed: read its open types again.
    pub change: JobChange,
}

/// What a job's pause levels changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// The job and layers (by name) that are paused or unpaused now, with whether they are.
    pub moved: Vec<(Option<String>, bool)>,
    /// What moved with it. Dispatch of the job may have changed when `moved` is not empty: read its open types again.
    pub change: JobChange,
}
