//! The worker that comes with Igor: built-in types, or any program by exec mode; from options to the end.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::builder::{BuildError, Builder, Worker};
use super::builtin;
use super::exec::{self, Program};
use super::task::Task;
use crate::queue::Settings;

/// What a ready-made worker is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where Redis is.
    pub redis: Settings,
    /// The queue: `<namespace>.<queue>`, or the name of a shared one.
    pub queue: String,
    /// The types to serve; none: all built-in ones.
    pub types: Vec<String>,
    /// How many handler calls run at once.
    pub slots: usize,
    /// The most tasks of one handler call; 1 for a program.
    pub batch: usize,
    /// How long running tasks may go on after SIGTERM.
    pub shutdown_grace: Duration,
    /// The program that runs the types and its arguments; empty: they are built in.
    pub exec: Vec<OsString>,
}

/// Why a ready-made worker does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A type is not built in, and no program is given.
    #[error("there is no built-in type {0:?}: give a program for it, or one of {list}", list = builtin::TYPES.join(", "))]
    NotBuiltIn(String),
    /// The program is not there.
    #[error("cannot find the program {0:?}")]
    NoProgram(OsString),
    /// A program without types.
    #[error("a program needs at least one task type to serve")]
    NoTypes,
    /// Programs take one task each.
    #[error("a program takes one task at a time: a batch of {0} is for built-in types")]
    BatchOfPrograms(usize),
    /// The options do not make a worker.
    #[error("cannot make a worker of these options")]
    Build(#[source] BuildError),
    /// The process cannot listen to signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

/// Runs a ready-made worker until SIGTERM or SIGINT.
pub async fn serve(options: Options) -> Result<(), ServeError> {
    let worker = worker(options)?;
    let shutdown = CancellationToken::new();
    let mut term = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    worker.run(shutdown).await;
    Ok(())
}

fn worker(options: Options) -> Result<Worker, ServeError> {
    let builder = Worker::builder("").settings(options.redis).queue(options.queue);
    let builder = builder.slots(options.slots).shutdown_grace(options.shutdown_grace);
    let mut words = options.exec.into_iter();
    let builder = match words.next() {
        Some(command) => {
            if !exec::is_there(&command) {
                return Err(ServeError::NoProgram(command));
            }
            let program = Program { command, arguments: words.collect() };
            programs(builder, options.types, &Arc::new(program), options.batch)?
        }
        None => built_in(builder, options.types, options.batch)?,
    };
    builder.build().map_err(ServeError::Build)
}

fn programs(mut builder: Builder, types: Vec<String>, program: &Arc<Program>, batch: usize) -> Result<Builder, ServeError> {
    if types.is_empty() {
        return Err(ServeError::NoTypes);
    }
    if batch > 1 {
        return Err(ServeError::BatchOfPrograms(batch));
    }
    for kind in types {
        let run = (program.clone(), kind.clone());
        builder = builder.task(kind, move |task: Task| {
            let (program, kind) = run.clone();
            async move { exec::run(&program, &kind, &task).await }
        });
    }
    Ok(builder)
}

fn built_in(mut builder: Builder, types: Vec<String>, batch: usize) -> Result<Builder, ServeError> {
    let types = if types.is_empty() { builtin::TYPES.map(str::to_owned).to_vec() } else { types };
    for kind in types {
        let known = builtin::TYPES.into_iter().find(|known| *known == kind).ok_or(ServeError::NotBuiltIn(kind))?;
        builder = builtin::add(builder, known, batch);
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(types: &[&str]) -> Options {
        Options {
            redis: Settings::new("redis://127.0.0.1:6379", "igor"),
            queue: "film.default".into(),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            slots: 1,
            batch: 1,
            shutdown_grace: Duration::from_secs(30),
            exec: Vec::new(),
        }
    }

    #[test]
    fn options_that_make_no_worker_say_why() {
        let exec = vec!["true".into()];
        let message = |options| worker(options).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            message(options(&["rendr"])),
            "there is no built-in type \"rendr\": give a program for it, or one of noop, sleep, echo, fail, flaky, sha256"
        );
        assert_eq!(message(Options { exec: exec.clone(), ..options(&[]) }), "a program needs at least one task type to serve");
        assert_eq!(
            message(Options { exec, batch: 5, ..options(&["render"]) }),
            "a program takes one task at a time: a batch of 5 is for built-in types"
        );
        assert!(worker(options(&[])).is_ok());
    }
}
