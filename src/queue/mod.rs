//! The queue: the wire contract v1 between the operator and its workers, over Redis or Valkey.
//!
//! Redis is a shallow window in front of the ledger: it holds tasks that are about to run and results on their way back, and may be
//! lost at any time. This module knows keys, envelopes and scripts. It knows no SQL and no Kubernetes, and decides nothing about
//! jobs: what to admit, revoke or believe is the operator's business. `docs/queue-contract.md` tells the same to people who write a
//! worker in another language.
//!
//! Every key, what it is, and who moves what when (`P` = prefix, `Q/T` = [`TypeKey`]; the braces keep a type's keys in one slot):
//!
//! | key | kind | moved by |
//! |---|---|---|
//! | `P:install` | string | operator at start: the id of the ledger this Redis belongs to ([`Client::install`]) |
//! | `P:types` | set | operator: the types that were made ready, `Q/T` ([`Client::types_with_entries`]) |
//! | `P:{Q/T}:q0` `q1` `q2` | stream, group `igor` | tasks of the high, normal, low [`Lane`]. The operator adds ([`Client::admit`]) and deletes ([`Client::remove`], [`Client::recall`], [`Client::settle`]); workers read through the group and renew by `XCLAIM`; nobody else acks |
//! | `P:{Q/T}:r` | stream, no group | results. Workers add; the operator reads ([`ResultStream`]) and deletes after its commit ([`Client::settle`]) |
//! | `P:{Q/T}:meta` | hash | the type's settings, `owner` (the leader's fence) and `gen` (new whenever the data is); written by [`Client::prepare`], read by workers |
//! | `P:{Q/T}:ctl` | pub/sub | the operator tells which attempts to stop ([`Client::publish_kill`]) |
//! | `P:w:<worker id>` | hash with TTL = lease | a worker's card, written at each heartbeat, read by [`Client::workers`] |

mod client;
pub mod envelope;
mod error;
mod key;
mod link;
mod producer;
mod registry;
pub(crate) mod reply;
mod results;
mod settings;
mod window;

pub use client::{Client, Found, Meta};
pub use envelope::{Entry, Header};
pub use error::Error;
pub use key::{EntryId, EntryRef, Keys, Lane, Owner, TypeKey};
pub(crate) use link::{Link, timed_out};
pub use producer::{Settled, Stored};
pub use registry::{Backlog, Card, Pending, WorkerInfo};
pub use results::{ResultBatch, ResultStream};
pub use settings::{Settings, Tls};
pub use window::{WINDOW_BYTES, WINDOW_MAX, WINDOW_MIN, WINDOWS_MAX, window};

/// The version of the contract that is spoken here: `v` in headers, meta and cards.
pub const CONTRACT: u32 = 1;

/// The consumer group on each lane.
pub const GROUP: &str = "igor";

/// Most items of one result entry, and most ids of one kill message.
pub const ITEMS_MAX: usize = 1000;

/// Most bytes of one result entry.
pub const RESULT_BYTES_MAX: usize = 256 * 1024;
