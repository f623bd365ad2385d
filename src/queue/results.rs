//! Results on their way to the ledger: reads the `r` streams of any number of types and parses them. Deletes nothing; what is
//! committed is deleted by [`Client::settle`].

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::Cmd;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::Client;
use super::link::{Link, RESPONSE_TIMEOUT};
use super::{EntryId, EntryRef, Error, Keys, TypeKey, envelope, reply};
use crate::core::fold::Report;

/// Most streams of one `XREAD`; the server looks at each of them when it wakes.
const SHARD_MAX: usize = 128;

/// How long one read waits in the server. A read that is away for much longer has lost its connection.
const BLOCK: Duration = Duration::from_secs(5);

/// Reads that wait for the collector; beyond, Redis holds them.
const READ_AHEAD: usize = 4;

/// Entries of all streams of one read, roughly. An entry holds at most 1,000 reports and 256 KiB, so a read holds 16 MiB at the worst.
const ENTRIES_PER_READ: usize = 64;

/// The wait after the first failed read; it doubles up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// One result entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultBatch {
    /// The type whose stream held it. A report about a task of another type is not to be believed.
    pub key: TypeKey,
    /// The entry, to be settled after the commit.
    pub id: EntryId,
    /// The worker that wrote it, by its own word.
    pub worker: String,
    /// What it says, in order, each with the task's entry; or why it cannot be read. The task is nil and the attempt 0 when the
    /// worker could not read the task's header: then the entry tells whose it was.
    pub reports: Result<Vec<(EntryRef, Report)>, String>,
}

/// The results of all followed types, as they come.
///
/// Each stream is read from its beginning after a connection was lost, since what is committed is deleted: the same entry may come
/// twice. Reads never poll: they wait in the server.
pub struct ResultStream {
    client: Client,
    shards: Mutex<Vec<Shard>>,
    sender: mpsc::Sender<Result<Vec<ResultBatch>, Error>>,
    receiver: mpsc::Receiver<Result<Vec<ResultBatch>, Error>>,
}

struct Shard {
    types: watch::Sender<BTreeSet<TypeKey>>,
    reader: JoinHandle<()>,
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl ResultStream {
    /// A stream that follows no type yet.
    pub fn open(client: &Client) -> Self {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        Self { client: client.clone(), shards: Mutex::default(), sender, receiver }
    }

    /// Also reads the results of this type from now on.
    pub fn follow(&self, key: TypeKey) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if shards.iter().any(|shard| shard.types.borrow().contains(&key)) {
            return;
        }
        match shards.iter().find(|shard| shard.types.borrow().len() < SHARD_MAX) {
            Some(shard) => shard.types.send_modify(|types| {
                types.insert(key);
            }),
            None => shards.push(self.shard(key)),
        }
    }

    /// The next read's entries, of one or more types. An error is told once for each failed try; reading goes on by itself.
    pub async fn next(&mut self) -> Result<Vec<ResultBatch>, Error> {
        self.receiver.recv().await.expect("the stream holds a sender itself")
    }

    /// Entries that are read already and wait here; `None` when there are none.
    pub fn try_next(&mut self) -> Option<Result<Vec<ResultBatch>, Error>> {
        self.receiver.try_recv().ok()
    }

    fn shard(&self, key: TypeKey) -> Shard {
        let (types, followed) = watch::channel(BTreeSet::from([key]));
        let reader = Reader {
            link: Link::new(self.client.settings.clone(), &format!("igor-results:{}", self.client.settings.prefix), None),
            keys: self.client.keys.clone(),
            followed,
            positions: HashMap::new(),
            sender: self.sender.clone(),
        };
        Shard { types, reader: tokio::spawn(reader.run()) }
    }
}

/// Reads up to [`SHARD_MAX`] streams over a connection of its own.
struct Reader {
    link: Link,
    keys: Arc<Keys>,
    followed: watch::Receiver<BTreeSet<TypeKey>>,
    /// By stream: its type and the last entry read.
    positions: HashMap<Vec<u8>, (TypeKey, EntryId)>,
    sender: mpsc::Sender<Result<Vec<ResultBatch>, Error>>,
}

impl Reader {
    async fn run(mut self) {
        let mut backoff = BACKOFF.0;
        loop {
            self.take_up_types();
            let command = self.command();
            let outcome = tokio::select! {
                changed = self.followed.changed() => match changed {
                    // A blocking read cannot be amended: give it up with its connection. It took nothing away.
                    Ok(()) => { self.link.reset().await; continue }
                    Err(_) => return,
                },
                read = read(&self.link, command) => read,
            };
            let outcome = outcome.and_then(|streams| self.parse(streams));
            let failed = outcome.is_err();
            let nothing = outcome.as_ref().is_ok_and(Vec::is_empty);
            if !nothing && self.sender.send(outcome).await.is_err() {
                return;
            }
            if failed {
                self.positions.clear();
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
            } else {
                backoff = BACKOFF.0;
            }
        }
    }

    fn take_up_types(&mut self) {
        let types = self.followed.borrow_and_update();
        self.positions.retain(|_, (key, _)| types.contains(key));
        if self.positions.len() < types.len() {
            for key in types.iter() {
                self.positions.entry(self.keys.results(key).into_bytes()).or_insert_with(|| (key.clone(), EntryId::ZERO));
            }
        }
    }

    fn command(&self) -> Cmd {
        let count = (ENTRIES_PER_READ / self.positions.len().max(1)).max(4);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(count).arg("BLOCK").arg(BLOCK.as_millis().to_string()).arg("STREAMS");
        for stream in self.positions.keys() {
            command.arg(stream.as_slice());
        }
        for (_, last) in self.positions.values() {
            command.arg(last.to_string());
        }
        command
    }

    fn parse(&mut self, streams: reply::Streams) -> Result<Vec<ResultBatch>, Error> {
        let mut batches = Vec::new();
        for (stream, raws) in streams {
            let Some((key, last)) = self.positions.get_mut(&stream) else {
                return Err(Error::Unreadable { act: READING, what: String::from_utf8_lossy(&stream).into_owned() });
            };
            for raw in raws {
                *last = raw.id;
                batches.push(batch(key, raw));
            }
        }
        Ok(batches)
    }
}

const READING: &str = "reading results";

async fn read(link: &Link, command: Cmd) -> Result<reply::Streams, Error> {
    reply::streams(READING, link.command_within(BLOCK + RESPONSE_TIMEOUT, READING, &command).await?)
}

fn batch(key: &TypeKey, mut raw: reply::Raw) -> ResultBatch {
    let worker = String::from_utf8_lossy(&raw.take(b"w").unwrap_or_default()).into_owned();
    let worker = envelope::cut(worker, WORKER_BYTES_MAX);
    let reports = match raw.take(b"r") {
        Some(json) => envelope::items(&json).map(|items| items.into_iter().map(|item| item.into_report(&worker)).collect()),
        None => Err("there is no field r".to_owned()),
    };
    ResultBatch { key: key.clone(), id: raw.id, worker, reports }
}

/// A worker's id as the contract forms it is shorter than this.
const WORKER_BYTES_MAX: usize = 300;
