//! The ledger: all SQL lives here, as named transactions that may be called twice and by two callers at once.
//!
//! Knows the core and Postgres; nothing of Kubernetes or Redis. The job's row is the mutex of everything that belongs to the job; it is
//! locked in a statement of its own, so that the next one sees what the earlier holder wrote. Only dispatch and what collects results hold
//! it together. Locks are taken in one order: jobs by id; then dispatch takes the layers by id before all else, collection after its
//! tasks, none of which dispatch moves. What the operator writes is fenced by
//! its [`Epoch`]. Which moves are legal and what follows from them, the core decides; SQL stores it.

mod accept;
mod advance;
mod apply;
mod audit;
mod collect;
mod command;
mod connect;
mod days;
mod dispatch;
mod error;
mod facts;
mod grow;
mod levels;
mod lists;
mod live;
mod looks;
mod migrate;
mod open;
mod outbox;
mod outstanding;
mod overdue;
mod owner;
mod partitions;
mod plain;
mod plans;
mod rows;
mod settings;
mod time;
mod views;

pub use connect::Store;
pub use days::{Day, Days};
pub use error::{Class, Error};
pub use facts::*;
pub use grow::MAX_ADDED;
pub use migrate::migrate;
pub use settings::Settings;
