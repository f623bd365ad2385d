//! A term of leadership: what its loops share, from taking the lease to losing it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::children::Children;
use super::context::Context;
use super::in_flight::InFlight;
use super::pokes::{Moved, Poker};
use super::traces::Traces;
use super::troubles::Troubles;
use super::types::Types;
use super::wakes::{Ticket, Wakes};
use super::{Error, Handle, Job};
use crate::queue::{Meta, Owner, TypeKey};
use crate::store::{Command, Done, Epoch, JobChange, Progress};

/// What the loops of a term share.
pub(super) struct Term {
    pub(super) context: Arc<Context>,
    pub(super) epoch: Epoch,
    pub(super) owner: Owner,
    /// Cancelled when the term is over.
    pub(super) stop: CancellationToken,
    pub(super) in_flight: InFlight,
    pub(super) wakes: Wakes,
    pub(super) types: Types,
    pub(super) troubles: Troubles,
    pub(super) traces: Traces,
    pub(super) children: Children,
    /// The types whose results are read.
    pub(super) followed: watch::Sender<BTreeSet<TypeKey>>,
    poker: Poker,
    handles: Mutex<Vec<Store<Handle>>>,
    jobs: Mutex<HashMap<Uuid, ObjectRef<Job>>>,
}

impl Term {
    pub(super) fn new(context: Arc<Context>, epoch: Epoch, stop: CancellationToken, poker: Poker) -> Self {
        Self {
            context,
            epoch,
            owner: Owner(epoch.number()),
            stop,
            in_flight: InFlight::default(),
            wakes: Wakes::default(),
            types: Types::default(),
            troubles: Troubles::default(),
            traces: Traces::default(),
            children: Children::default(),
            followed: watch::Sender::default(),
            poker,
            handles: Mutex::default(),
            jobs: Mutex::default(),
        }
    }

    /// How the workers of a type are to behave.
    pub(super) fn meta(&self) -> Meta {
        let tasks = &self.context.config.tasks;
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Meta { lease_ms: ms(tasks.lease), grace_ms: ms(tasks.grace), batch_max: tasks.batch_max, ..Meta::default() }
    }

    /// The type as Redis knows it; `None` when the namespace may not use the queue (any more).
    pub(super) fn key(&self, namespace: &str, queue: &str, kind: &str) -> Option<TypeKey> {
        Some(TypeKey::new(self.context.config.tasks.queue(namespace, queue)?, kind))
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<Uuid, ObjectRef<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a cache of handles.
    pub(super) fn add_handles(&self, cache: Store<Handle>) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }

    /// A layer's handle, as far as it was seen.
    pub(super) fn handle(&self, namespace: &str, name: &str) -> Option<Arc<Handle>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(|cache| cache.get(&reference))
    }

    /// Remembers which object a job is.
    pub(super) fn know(&self, job_id: Uuid, namespace: &str, name: &str) {
        self.jobs().insert(job_id, ObjectRef::new(name).within(namespace));
    }

    /// Forgets a job whose object is gone.
    pub(super) fn forget(&self, job_id: Uuid) {
        self.jobs().remove(&job_id);
    }

    /// Asks for the reconcile of a known job.
    pub(super) fn poke(&self, job_id: Uuid, moved: Moved) {
        if let Some(job) = self.jobs().get(&job_id).cloned() {
            self.poker.poke(job, moved);
        }
    }

    /// A loop failed: when that lasts, the jobs' statuses say so.
    pub(super) fn failed(&self, work: &'static str, error: &Error) {
        if self.troubles.failed(work, error) {
            self.poke_all();
        }
    }

    /// A loop works.
    pub(super) fn fine(&self, work: &'static str) {
        if self.troubles.fine(work) {
            self.poke_all();
        }
    }

    fn poke_all(&self) {
        let jobs: Vec<_> = self.jobs().values().cloned().collect();
        for job in jobs {
            self.poker.poke(job, Moved::Change);
        }
    }

    /// Tells the dispatcher and the publisher that a command was carried out on a job: its dispatch may have changed, and the outbox
    /// may hold revokes and recalls. The ticket is for who waits until those are done in Redis.
    pub(super) fn carried_out(&self, job_id: Uuid, change: &JobChange) -> Ticket {
        self.announce(change);
        self.wakes.jobs([job_id]);
        self.wakes.outbox()
    }

    /// Carries a command out to its end; what a large one stops with its first step is stopped for real meanwhile.
    pub(super) async fn carry_out(&self, command: &Command) -> Result<Done, Error> {
        loop {
            match self.context.store.command_step(Some(self.epoch), command).await? {
                Progress::More(change) => {
                    self.carried_out(command.job_id, &change);
                }
                Progress::Done(done) => {
                    self.carried_out(command.job_id, &done.change);
                    return Ok(done);
                }
            }
        }
    }

    /// Tells the dispatcher and the publisher what a transaction changed in a job.
    pub(super) fn announce(&self, change: &JobChange) {
        if change.job_id.is_nil() {
            return;
        }
        self.tell(change, Moved::Change);
    }

    /// The same of a job that was accepted just now: its reconcile is under way, and the first status has a moment.
    pub(super) fn begin(&self, change: &JobChange) {
        self.tell(change, Moved::Begin);
    }

    fn tell(&self, change: &JobChange, moved: Moved) {
        self.know(change.job_id, &change.namespace, &change.name);
        self.wakes.layers(change);
        self.traces.forget(change);
        self.poke(change.job_id, if change.finished { Moved::End } else { moved });
    }
}
