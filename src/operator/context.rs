//! What lives as long as the process: connections, settings, and what is remembered of each object.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::Client;
use tokio::time::Instant;

use super::Error;
use super::clients::Clients;
use super::events::Events;
use super::reconcile::{Level, Read, Refused, Shown};
use super::writes::Writes;
use crate::crd::{IgorJobStatus, IgorTaskStatus};
use crate::{config, queue, store};

/// What was told of an object and is not told again.
const TOLD: usize = 32;

/// The parts that every stage may use.
pub(super) struct Context {
    /// For calls that ask one thing.
    pub(super) client: Client,
    pub(super) watch_client: Client,
    pub(super) lease_client: Client,
    pub(super) store: store::Store,
    pub(super) queue: queue::Client,
    pub(super) config: config::Operator,
    /// This process, as leases and events name it.
    pub(super) identity: String,
    /// Whose ledger this is: the stamp in Redis.
    install: String,
    pub(super) writes: Writes,
    pub(super) events: Events,
    memories: Mutex<HashMap<String, Memory>>,
}

/// What is remembered of an object, by uid. Losing it costs a write or a look, nothing else.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Failed reconciles in a row.
    pub(super) failures: u32,
    /// The status that was written last, and when.
    pub(super) written: Option<(IgorJobStatus, Instant)>,
    /// The version that our own last write made; the cache is stale until it shows it or a newer one.
    pub(super) version: Option<(u64, Instant)>,
    /// When this process looked at it first.
    pub(super) seen: Option<Instant>,
    /// Pause levels that the ledger has just so.
    pub(super) levels: Option<Vec<Level>>,
    /// The handles of its layers.
    pub(super) layers: Option<Shown>,
    /// What was last written of the objects of its tasks, and when.
    pub(super) tasks: BTreeMap<String, (IgorTaskStatus, Instant)>,
    /// Of each layer the run and the number of errors at which its newest failures were read, and when.
    pub(super) failures_shown: BTreeMap<String, ((u32, u32), Instant)>,
    /// Of each layer the tasks of those failures.
    pub(super) newest_failures: BTreeMap<String, BTreeSet<String>>,
    /// When a foreign object stood where a handle was to be made.
    pub(super) foreign: Option<Instant>,
    /// What was wrong with an edit of the accepted plan.
    pub(super) refused: Option<Refused>,
    /// Values of annotations that were told in an Event.
    pub(super) told: Vec<String>,
    /// What failed tasks of its held layers said.
    pub(super) failures_read: Vec<Read>,
    /// Kinds of standstill that were told in an Event, and when.
    pub(super) stood: HashMap<&'static str, Instant>,
}

impl Memory {
    /// Only the last few matter: the same mistake made again much later may be told again.
    pub(super) fn tell(&mut self, note: String) {
        self.told.push(note);
        if self.told.len() > TOLD {
            self.told.remove(0);
        }
    }

    /// What the status of a layer's handle acknowledges.
    pub(super) fn acknowledged_on(&self, layer: &str) -> BTreeMap<String, String> {
        let shown = self.layers.as_ref().and_then(|layers| layers.get(layer)).and_then(Option::as_ref);
        shown.map(|(status, _)| status.last_handled.clone()).unwrap_or_default()
    }
}

impl Context {
    pub(super) fn new(
        clients: Clients,
        store: store::Store,
        queue: queue::Client,
        config: config::Operator,
        identity: String,
        install: String,
    ) -> Self {
        let writes = Writes::new(config.watch.writes_per_second);
        let Clients { calls: client, watches: watch_client, lease: lease_client } = clients;
        let (events, memories) = (Events::new(), Mutex::default());
        Self { client, watch_client, lease_client, store, queue, config, identity, install, writes, events, memories }
    }

    /// Makes sure that Redis is this ledger's: one that lost its data is stamped anew, another install's is left alone unless it is
    /// to be adopted.
    pub(super) async fn stamp_redis(&self, adopt: bool) -> Result<(), Error> {
        match self.queue.install().await? {
            Some(owner) if owner == self.install => Ok(()),
            Some(owner) if !adopt => Err(Error::OtherInstall { owner, ours: self.install.clone() }),
            _ => Ok(self.queue.set_install(&self.install).await?),
        }
    }

    fn memories(&self) -> MutexGuard<'_, HashMap<String, Memory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is remembered of an object.
    pub(super) fn memory<T>(&self, uid: &str, read: impl FnOnce(&Memory) -> T) -> T {
        match self.memories().get(uid) {
            Some(memory) => read(memory),
            None => read(&Memory::default()),
        }
    }

    pub(super) fn remember(&self, uid: &str, change: impl FnOnce(&mut Memory)) {
        change(self.memories().entry(uid.to_owned()).or_default());
    }

    /// When this process looked at the object first: now, if it never did.
    pub(super) fn first_seen(&self, uid: &str) -> Instant {
        *self.memories().entry(uid.to_owned()).or_default().seen.get_or_insert_with(Instant::now)
    }

    /// Forgets what was written last, of all objects: another leader may have written since.
    pub(super) fn forget_writes(&self) {
        for memory in self.memories().values_mut() {
            (memory.written, memory.version, memory.layers, memory.levels) = (None, None, None, None);
        }
    }

    pub(super) fn forget(&self, uid: &str) {
        self.memories().remove(uid);
    }
}
