//! The ledger: all SQL lives here, as named transactions that may be called twice and by two callers at once.
//!
//! Knows the core and Postgres; nothing of Kubernetes or Redis.
//!
//! ```text
//! migrate(&Settings) -> Result<(), Error>                                              igor migrate
//! Store::connect(&Settings) -> Result<Store, Error>                                    Clone; checks the schema
//! Settings::new(url)                                                                   pub url, connections
//!
//! impl Store, all async, all -> Result<_, Error>:
//! ping() -> ()                                                                         readiness
//! ensure_partitions() -> ()                                                            at start and daily: yesterday .. +7
//! install(cluster_id: &str, adopt: bool) -> Uuid                                       the install id, for Redis
//! bump_epoch() -> Epoch                                                                a new leader begins
//! accept(epoch, &Identity, &Plan) -> Accepted
//! job_by_uid(created_ms, uid) -> Option<Uuid>
//! live_jobs() -> Vec<LiveJob>
//! take_dirty(epoch) -> Vec<LiveJob>                                                    and clears the mark
//! open_types() -> Vec<OpenType>           open_types_of(job_id) -> Vec<OpenType>       those that may be dispatched now
//! dispatch(epoch, &[Want]) -> Dispatch
//! outbox_read(after: i64, limit: u32) -> Vec<OutboxRow>    outbox_delete(&[i64]) -> ()
//! collect(epoch, Vec<Outcome>) -> Collected                                            <= 1000; Said::Lost too
//! recall_done(epoch, &[(Uuid job, Uuid task, u32 attempt)]) -> Vec<LayerCount>         QUEUED -> PENDING
//! observe(Option<Epoch>, job_id, &[Sighting]) -> Paused                                pause levels; a cheap read unless one is new
//! retry_failed(Option<Epoch>, &Command) -> Done
//! kill_job(Option<Epoch>, &Command, reason) -> Done                                    deadline
//! delete_job(Option<Epoch>, job_id, actor) -> Done                                     its object is gone
//! mark_expired(Option<Epoch>, job_id) -> bool                                          still finished: now delete the object
//! snapshot(job_id) -> Snapshot
//! failures(layer_id, limit) -> Vec<Failure>
//! overdue(slack: Duration, limit) -> Vec<Overdue>
//! ```

mod error;
mod facts;

pub use error::{Class, Error};
pub use facts::*;
