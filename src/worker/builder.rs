//! Putting a worker together, and running it from its first read to its last result.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::fetch::{Fetcher, READ_TIMEOUT};
use super::held::{Stop, Table};
use super::outcome::{Failure, Outcome};
use super::report::{Reporter, write};
use super::shared::{Handler, Kind, Shared, Times, now_ms};
use super::task::{Batch, Task};
use super::{control, heartbeat};
use crate::queue::{Keys, Link, Settings, TypeKey};

/// How long the last results may take to be written.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A worker in the making.
pub struct Builder {
    settings: Settings,
    queue: String,
    slots: usize,
    times: Times,
    version: String,
    handlers: Vec<(String, usize, Handler)>,
}

/// What is wrong with a worker in the making.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It serves no type.
    #[error("a worker needs at least one task type")]
    NoTypes,
    /// A type has two handlers.
    #[error("the task type {0:?} has two handlers")]
    TwoHandlers(String),
    /// A type's name cannot be one.
    #[error("the task type {0:?} may hold letters, digits, . _ - and begins with a letter or digit; at most 100 characters")]
    BadType(String),
    /// A queue's name cannot be one.
    #[error("the queue {0:?} is <namespace>.<queue>, or the name of a shared queue")]
    BadQueue(String),
    /// A number that must not be 0.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// The settings for Redis do not fit together.
    #[error("{0}")]
    Settings(String),
}

impl Builder {
    /// All about the connection; [`Worker::builder`] sets the URL.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The first part of every key; `igor` if not said otherwise.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// The queue: `<namespace>.<queue>` for a namespace's own, its name for a shared one.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self
    }

    /// How many handler calls run at once, over all types; 1 if not said otherwise.
    #[must_use]
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// How long running tasks may go on once the shutdown began, before they are given back; 30 s if not said otherwise. Keep it below
    /// the pod's.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.times.shutdown_grace = grace;
        self
    }

    /// How long a handler may take to return once its token fired, before it is dropped; 10 s if not said otherwise.
    #[must_use]
    pub fn stop_grace(mut self, grace: Duration) -> Self {
        self.times.stop_grace = grace;
        self
    }

    /// The version of the program, for people who look at its card.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Serves a type, one task a call.
    #[must_use]
    pub fn task<F, Run, O, E>(mut self, kind: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Task) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<O, E>> + Send + 'static,
        O: Into<Outcome>,
        E: Into<Failure>,
    {
        let handler = Handler::One(Box::new(move |task| {
            let run = handler(task);
            Box::pin(async move { run.await.map(Into::into).map_err(Into::into) })
        }));
        self.handlers.push((kind.into(), 1, handler));
        self
    }

    /// Serves a type, up to `most` tasks a call. The type's own bound, `batch_max`, may be lower.
    #[must_use]
    pub fn batch<F, Run, E>(mut self, kind: impl Into<String>, most: usize, handler: F) -> Self
    where
        F: Fn(Batch) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Failure>,
    {
        let handler = Handler::Batch(Box::new(move |batch| {
            let run = handler(batch);
            Box::pin(async move { run.await.map_err(Into::into) })
        }));
        self.handlers.push((kind.into(), most, handler));
        self
    }

    /// Checks everything; connects to nothing.
    pub fn build(self) -> Result<Worker, BuildError> {
        self.check()?;
        let host = host();
        let id = format!("{host}-{}-{:06x}", std::process::id(), rand::random::<u32>() & 0xFF_FFFF);
        let queue = self.queue;
        let kinds = self.handlers.into_iter().map(|(kind, most, handler)| Kind::new(TypeKey::new(queue.clone(), kind), most, handler));
        let shared = Shared {
            id,
            host,
            version: self.version,
            keys: Keys::new(self.settings.prefix.clone()),
            settings: Arc::new(self.settings),
            kinds: kinds.collect(),
            slot_count: self.slots,
            times: self.times,
            started_ms: now_ms(),
            table: Table::default(),
            slots: Arc::new(Semaphore::new(self.slots)),
            left: Notify::new(),
            renew: Notify::new(),
            draining: CancellationToken::new(),
            contact: watch::Sender::new(Instant::now()),
            done: AtomicU64::new(0),
            errs: AtomicU64::new(0),
        };
        Ok(Worker { shared: Arc::new(shared) })
    }

    fn check(&self) -> Result<(), BuildError> {
        if self.handlers.is_empty() {
            return Err(BuildError::NoTypes);
        }
        if self.slots == 0 {
            return Err(BuildError::Zero("slots"));
        }
        if !is_name(&self.queue, 200) {
            return Err(BuildError::BadQueue(self.queue.clone()));
        }
        let mut seen = BTreeSet::new();
        for (kind, most, _) in &self.handlers {
            if !is_name(kind, 100) {
                return Err(BuildError::BadType(kind.clone()));
            }
            if *most == 0 {
                return Err(BuildError::Zero("a batch"));
            }
            if !seen.insert(kind) {
                return Err(BuildError::TwoHandlers(kind.clone()));
            }
        }
        self.settings.client().map(drop).map_err(|error| BuildError::Settings(error.to_string()))
    }
}

/// `[A-Za-z0-9][A-Za-z0-9._-]*`, at most so long.
fn is_name(name: &str, most: usize) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && name.len() <= most
}

/// The machine's name, made fit for a worker's id.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).take(100).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// A worker that is ready to run.
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// A worker on the Redis at `url`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder {
            settings: Settings::new(url, "igor"),
            queue: String::new(),
            slots: 1,
            times: Times { shutdown_grace: Duration::from_secs(30), stop_grace: Duration::from_secs(10) },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            handlers: Vec::new(),
        }
    }

    /// `<host>-<pid>-<6 hex>`, new with each worker.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Works until `shutdown` fires and all is given back or finished. Redis need not be there: it is waited for.
    ///
    /// On shutdown nothing new is taken, what was not begun is given back, the rest has the shutdown grace to end, and what is left
    /// then is given back too.
    pub async fn run(self, shutdown: CancellationToken) {
        let shared = self.shared;
        let link = |role: &str, timeout| Link::new(shared.settings.clone(), &format!("{}.{role}", shared.id), timeout);
        let (reporter, results) = Reporter::new();
        let closing = CancellationToken::new();
        let beat_link = link("beat", None);
        info!(worker = shared.id, "working");
        // Known before it reads, so that nobody finds a consumer without a card.
        if let Err(error) = heartbeat::renew_once(&shared, &beat_link, &reporter).await {
            warn!(error = &error as &dyn std::error::Error, "Redis does not answer yet");
        }
        let mut parts = JoinSet::new();
        parts.spawn(heartbeat::beat(shared.clone(), beat_link, reporter.clone(), closing.clone()));
        parts.spawn(control::listen(shared.clone(), closing.clone()));
        parts.spawn(write(shared.clone(), link("results", Some(LAST_WORDS)), results, closing.clone()));
        let fetcher = Fetcher::new(shared.clone(), link("tasks", Some(READ_TIMEOUT)), reporter.clone(), shutdown);
        let running = fetcher.run().await;
        info!(running = running.len(), "shutting down");
        drain(&shared, running).await;
        last_words(&shared).await;
        closing.cancel();
        while parts.join_next().await.is_some() {}
        info!(worker = shared.id, "done");
    }
}

/// Lets running calls end within the shutdown grace, then stops them.
async fn drain(shared: &Shared, mut running: JoinSet<()>) {
    shared.draining.cancel();
    let all_ended = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(shared.times.shutdown_grace, all_ended).await.is_ok() {
        return;
    }
    for held in shared.table.all() {
        held.stop(Stop::Shutdown);
    }
    let all_stopped = async { while running.join_next().await.is_some() {} };
    let patience = shared.times.stop_grace + Duration::from_secs(2);
    if tokio::time::timeout(patience, all_stopped).await.is_err() {
        warn!("some handlers do not stop; their tasks will be found lost");
    }
}

/// Waits until all results are stored, for a while.
async fn last_words(shared: &Shared) {
    let stored = async {
        loop {
            let left = shared.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if shared.table.len() == 0 {
                return;
            }
            left.await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, stored).await.is_err() {
        warn!(tasks = shared.table.len(), "some results could not be stored; their tasks will be found lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Worker::builder("redis://127.0.0.1:6379").queue("film.default")
    }

    async fn nothing(_: Task) -> Result<(), Failure> {
        Ok(())
    }

    #[test]
    fn a_worker_says_what_is_wrong_with_it() {
        let faults = [
            (builder(), BuildError::NoTypes),
            (builder().slots(0).task("a", nothing), BuildError::Zero("slots")),
            (builder().queue("film/x").task("a", nothing), BuildError::BadQueue("film/x".into())),
            (builder().task("ren der", nothing), BuildError::BadType("ren der".into())),
            (builder().task("a", nothing).task("a", nothing), BuildError::TwoHandlers("a".into())),
            (builder().batch("a", 0, |_| async { Ok::<_, Failure>(()) }), BuildError::Zero("a batch")),
        ];
        for (builder, fault) in faults {
            assert_eq!(builder.build().err(), Some(fault));
        }
        assert!(builder().task("a", nothing).build().is_ok());
    }

    #[test]
    fn each_worker_has_an_id_of_its_own() {
        let ids: BTreeSet<String> = (0..3).map(|_| builder().task("a", nothing).build().unwrap().id().to_owned()).collect();
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.contains(&format!("-{}-", std::process::id()))));
    }
}
