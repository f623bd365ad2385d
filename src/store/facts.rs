//! What the ledger takes and gives, as plain values.
//!
//! Every id is a uuid whose first 48 bits are its job's creation time, so no value here carries a day beside an id. All times are
//! unix milliseconds by the database's clock. Nothing here knows SQL, Kubernetes or Redis.

mod audit;
mod growth;
mod job;
mod lists;
mod plain;
mod results;
mod view;
mod work;

pub use audit::{Event, Given, Moved, TaskPage, TaskPlace, TaskView};
pub use growth::{Added, Adding, Addition, NotAdded};
pub use job::{
    Accepted, Command, Done, Guarded, Identity, JobChange, LiveJob, Paused, Progress, Refusal, Sighting, Source, Standing, Would,
};
pub use lists::{AttemptRow, JobFilter, JobRow, LayerView, Moment, OpenWork, Order, Page, TaskFilter, TaskRow, TransitionRow};
pub use plain::{Filter, Found, PlainJob, PlainLayer, PlainTask, Seen};
pub use results::{Applied, Collected, LayerCount, Outcome, Overdue};
pub use view::{FailedTask, Failure, LayerFacts, Snapshot, TaskFacts};
pub use work::{Attempt, Change, Dispatch, Dispatched, Filled, OpenType, OutboxRow, Outstanding, Recalled, Scope, Want};

/// A leader's number. Writes of an earlier leader are refused with [`super::Error::Fenced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(super) i64);

impl Epoch {
    /// The number itself: the owner's token in Redis.
    pub fn number(self) -> i64 {
        self.0
    }
}
