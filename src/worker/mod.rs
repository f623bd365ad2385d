//! The SDK for workers: takes tasks from the queue, runs a handler, reports what became of them.
//!
//! ```no_run
//! use igor::worker::{Batch, Failure, Task, Worker};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let shutdown = CancellationToken::new();
//! Worker::builder("redis://127.0.0.1:6379")
//!     .queue("film.default")
//!     .slots(8)
//!     .task("render", |task: Task| async move {
//!         let frame = task.text()?.to_owned();
//!         tokio::select! {
//!             () = task.cancelled() => Err(Failure::new("stopped")),
//!             done = tokio::fs::write(format!("{frame}.png"), b"...") => Ok(done?),
//!         }
//!     })
//!     .batch("thumb", 100, |batch: Batch| async move {
//!         for item in &batch {
//!             if item.begin() {
//!                 item.complete(format!("thumbnail of {}", item.name()));
//!             }
//!         }
//!         Ok::<_, Failure>(())
//!     })
//!     .build()?
//!     .run(shutdown)
//!     .await;
//! # Ok(())
//! # }
//! ```
//!
//! What it promises, and what it asks:
//! - A task is run by one worker at a time while its lease lasts, and again when its worker is gone: handlers should not mind running
//!   twice. A lease is renewed for as long as the process lives and reaches Redis.
//! - Cancellation is a token ([`Task::cancelled`]): a kill, a timeout, a deadline or a shutdown fires it. A handler that does not
//!   return is dropped at its next `await` after the stop grace. A handler that never awaits cannot be stopped: use [`exec`].
//! - Results are kept and sent again until Redis has them. Without contact a worker runs on for the type's grace.
//! - A panic fails its task (in a batch: those without a status), never the worker.
//!
//! This module speaks the wire contract of [`queue`](crate::queue) and knows nothing of Kubernetes, SQL or the operator.

mod builder;
pub mod builtin;
mod control;
pub mod exec;
mod fetch;
mod heartbeat;
mod held;
mod outcome;
mod report;
mod run;
mod serve;
mod shared;
mod task;

pub use builder::{BuildError, Builder, Worker};
pub use outcome::{Failure, Outcome};
pub use serve::{Options, ServeError, serve};
pub use task::{Batch, BatchItem, Task};
