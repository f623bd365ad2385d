//! An operator's stand-in: admits tasks, believes every report, settles what has ended. And workers as processes.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use igor::core::fold::{Report, Said};
use igor::queue::{Client, Entry, EntryId, EntryRef, Header, Lane, Meta, ResultStream, Settled, TypeKey, WorkerInfo};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::rig::{OWNER, client, raw, redis_url, until};
use crate::support::from_rig;
use crate::support::process::Process;

/// A report as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The result entry that held it.
    pub(crate) result: EntryId,
    pub(crate) entry: EntryRef,
    pub(crate) report: Report,
}

/// The operator's side of one test.
pub(crate) struct StandIn {
    pub(crate) client: Client,
    seen: Arc<Mutex<Vec<Seen>>>,
    follow: mpsc::UnboundedSender<TypeKey>,
    reader: JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A task to be admitted.
pub(crate) fn task(args: &str) -> Entry {
    Entry { header: Header::new(Uuid::from_u128(rand::random()), 1), args: args.into() }
}

/// The same task, the next attempt.
pub(crate) fn again(entry: &Entry) -> Entry {
    Entry { header: Header { attempt: entry.header.attempt + 1, ..entry.header.clone() }, args: entry.args.clone() }
}

impl StandIn {
    pub(crate) async fn new() -> Self {
        let client = client().await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (follow, followed) = mpsc::unbounded_channel();
        let reader = tokio::spawn(collect(client.clone(), followed, seen.clone()));
        Self { client, seen, follow, reader }
    }

    /// A type of the queue `film.default`, ready for tasks.
    pub(crate) async fn prepare(&self, kind: &str, meta: &Meta) -> TypeKey {
        let key = TypeKey::new("film.default", kind);
        self.client.prepare(&key, meta, OWNER).await.expect("a prepared type");
        self.follow.send(key.clone()).expect("a reader");
        key
    }

    pub(crate) async fn admit(&self, key: &TypeKey, lane: Lane, entries: &[Entry]) -> Vec<EntryRef> {
        let ids = self.client.admit(key, lane, entries, OWNER).await.expect("admitted");
        ids.into_iter().map(|id| EntryRef { lane, id }).collect()
    }

    /// One task on the normal lane.
    pub(crate) async fn give(&self, key: &TypeKey, entry: &Entry) -> EntryRef {
        self.admit(key, Lane::Normal, std::slice::from_ref(entry)).await[0]
    }

    pub(crate) async fn remove(&self, key: &TypeKey, entry: EntryRef) {
        assert_eq!(self.client.remove(key, &[entry], OWNER).await.expect("removed"), 1);
    }

    /// All that was reported so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic inside").clone()
    }

    /// What was said of an attempt so far.
    pub(crate) fn said(&self, entry: &Entry) -> Vec<Report> {
        let of = |report: &Report| (report.task, report.attempt) == (entry.header.id, entry.header.attempt);
        self.seen().into_iter().map(|seen| seen.report).filter(of).collect()
    }

    /// Waits until something in particular is said of an attempt.
    pub(crate) async fn until_said(&self, entry: &Entry, said: Said) -> Report {
        until(&format!("{said:?} of {}", String::from_utf8_lossy(&entry.args)), || async {
            self.said(entry).into_iter().find(|report| report.said == said).ok_or_else(|| self.said(entry))
        })
        .await
    }

    /// Waits until an attempt has ended, however.
    pub(crate) async fn until_ended(&self, entry: &Entry) -> Report {
        until(&format!("the end of {}", String::from_utf8_lossy(&entry.args)), || async {
            self.said(entry).into_iter().find(|report| report.said != Said::Running).ok_or_else(|| self.said(entry))
        })
        .await
    }

    /// Waits until a worker of a type, other than those `known`, has its card there.
    pub(crate) async fn until_worker(&self, key: &TypeKey, known: &[&str]) -> WorkerInfo {
        until("a worker with a card", || async {
            let workers = self.client.workers(key).await.expect("the workers");
            let new = workers.iter().find(|worker| worker.card.is_some() && !known.contains(&worker.id.as_str())).cloned();
            new.ok_or(workers)
        })
        .await
    }

    /// Kills all connections of a worker; how many there were.
    pub(crate) async fn cut(&self, worker: &str) -> usize {
        let mut connection = raw().await;
        let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.expect("a list");
        let name = format!(" name={worker}.");
        let mut killed = 0;
        for line in list.lines().filter(|line| line.contains(&name)) {
            let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).expect("an id");
            killed += redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async::<usize>(&mut connection).await.expect("a count");
        }
        killed
    }
}

async fn collect(client: Client, mut followed: mpsc::UnboundedReceiver<TypeKey>, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut results = ResultStream::open(&client);
    loop {
        let batches = tokio::select! {
            Some(key) = followed.recv() => {
                results.follow(key);
                continue;
            }
            batches = results.next() => batches.expect("results"),
        };
        for batch in batches {
            let reports = batch.reports.expect("results that can be read");
            let ended = reports.iter().filter(|(_, report)| report.said != Said::Running).map(|(entry, _)| *entry);
            let settled = Settled { key: batch.key.clone(), entries: ended.collect(), results: vec![batch.id] };
            let of_batch = reports.into_iter().map(|(entry, report)| Seen { result: batch.id, entry, report });
            seen.lock().expect("no panic inside").extend(of_batch);
            // A test may have taken the type away meanwhile.
            client.settle(&[settled], OWNER).await.ok();
        }
    }
}

/// Whose worker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
}

/// How a worker is started, besides what all have.
pub(crate) struct Start<'a> {
    pub(crate) types: &'a [&'a str],
    pub(crate) batch: usize,
    pub(crate) shutdown_grace: &'a str,
    /// User and password, if not the rig's own.
    pub(crate) user: Option<(&'a str, &'a str)>,
}

impl Default for Start<'_> {
    fn default() -> Self {
        Self { types: &["noop"], batch: 1, shutdown_grace: "30", user: None }
    }
}

impl Start<'_> {
    /// Starts a worker with one slot.
    pub(crate) fn worker(&self, language: Language, of: &StandIn) -> Process {
        let mut command = match language {
            Language::Rust => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
                command.arg("worker");
                command
            }
            Language::Python => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                let mut command = Command::new("python3");
                command.arg(root.join("examples/python/worker.py"));
                let package = root.join("clients/python/src");
                command.env("PYTHONPATH", format!("{}:{}", package.display(), from_rig("IGOR_TEST_PYTHONPATH")));
                command
            }
        };
        command.args(["--namespace", "film", "--queue", "default"]);
        for kind in self.types {
            command.args(["--type", kind]);
        }
        command.args(["--batch", &self.batch.to_string(), "--shutdown-grace", self.shutdown_grace]);
        let url = self.user.map_or_else(redis_url, |(user, password)| with_user(&redis_url(), user, password));
        command.env("REDIS_URL", url).env("IGOR_PREFIX", &of.client.settings().prefix);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("queue").join(&of.client.settings().prefix);
        Process::start(&folder, &format!("{language:?}"), &mut command)
    }
}

/// `redis://…@host:port/db` with another user.
fn with_user(url: &str, user: &str, password: &str) -> String {
    let address = url.strip_prefix("redis://").expect("the rig's Redis speaks plainly");
    let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
    format!("redis://{user}:{password}@{address}")
}
