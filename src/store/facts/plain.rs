//! Jobs, layers and tasks as plain rows for lists.

use uuid::Uuid;

use crate::core::command::Object;
use crate::core::status::Status;

/// Which rows of a list: what is empty or `None` lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of these namespaces; `None` = of all.
    pub namespaces: Option<Vec<String>>,
    /// Of these jobs.
    pub jobs: Vec<Uuid>,
    /// Of these layers.
    pub layers: Vec<Uuid>,
    /// Of these tasks.
    pub tasks: Vec<Uuid>,
    /// That stand so; an empty list is none.
    pub statuses: Option<Vec<Status>>,
    /// Or, of tasks, that were killed.
    pub killed: bool,
    /// Created in a second before this one.
    pub created_before: Option<i64>,
    /// Created in a second after this one.
    pub created_after: Option<i64>,
    /// Last written in a second before this one.
    pub updated_before: Option<i64>,
    /// Last written in a second after this one.
    pub updated_after: Option<i64>,
    /// At most so many.
    pub limit: u32,
    /// Without so many of the newest.
    pub offset: u32,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainJob {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub title: String,
    /// Where it stands; RUNNING from its acceptance on.
    pub status: Status,
    /// Its version.
    pub version: u64,
    /// Its creation, unix milliseconds.
    pub created_ms: i64,
    /// When it was last written.
    pub updated_ms: i64,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainLayer {
    /// Its id.
    pub id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// What people call it.
    pub title: String,
    /// Its place in the order.
    pub priority: i32,
    /// Where it stands; one whose turn it is and that is paused is RUNNING.
    pub status: Status,
    /// Its version.
    pub version: u64,
    /// Since when it is paused.
    pub paused_ms: Option<i64>,
    /// Its job's creation, unix milliseconds.
    pub created_ms: i64,
    /// When it was last written.
    pub updated_ms: i64,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainTask {
    /// Its id.
    pub id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// Its layer.
    pub layer_id: Uuid,
    /// What people call it.
    pub title: String,
    /// Its type.
    pub kind: String,
    /// Where it stands.
    pub status: Status,
    /// Its version.
    pub version: u64,
    /// Since when it is paused.
    pub paused_ms: Option<i64>,
    /// Its job's creation, unix milliseconds.
    pub created_ms: i64,
    /// When it was last written.
    pub updated_ms: i64,
    /// What its handler gets.
    pub args: Option<Vec<u8>>,
    /// The last attempt; 0 = none yet.
    pub attempt: u32,
    /// The failure that ends it.
    pub max_failures: u32,
    /// What its handler said last.
    pub message: Option<String>,
}

/// What an id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The id.
    pub id: Uuid,
    /// Its job.
    pub job_id: Uuid,
    /// The namespace of that job's object.
    pub namespace: String,
    /// The name of that job's object.
    pub job: String,
    /// What it is.
    pub object: Object,
}

/// An object in a state in which somebody saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The object.
    pub id: Uuid,
    /// Which state, from `core::id::etag`.
    pub etag: Uuid,
    /// Which object.
    pub object: Object,
}
