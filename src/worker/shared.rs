//! What the parts of a worker share: who it is, the types it serves and how they stand, the tasks in hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::held::Table;
use super::outcome::{Failure, Outcome};
use super::task::{Batch, Task};
use crate::queue::{CONTRACT, Keys, Settings, TypeKey};

/// Calls a handler with one task or with a batch.
pub(super) enum Handler {
    One(Box<dyn Fn(Task) -> BoxFuture<'static, Result<Outcome, Failure>> + Send + Sync>),
    Batch(Box<dyn Fn(Batch) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>),
}

/// A type that the worker serves.
pub(super) struct Kind {
    pub(super) key: TypeKey,
    pub(super) handler: Handler,
    /// The most tasks that the handler wants at once.
    pub(super) batch: usize,
    standing: Mutex<Standing>,
}

/// A type's meta as last read; the defaults of the contract where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether there is meta of a contract that is spoken here.
    pub(super) known: bool,
    pub(super) generation: Option<String>,
    pub(super) lease: Duration,
    pub(super) grace: Duration,
    pub(super) batch_max: usize,
    pub(super) batch_delay: Duration,
    /// 0: no limit.
    pub(super) share: usize,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            known: false,
            generation: None,
            lease: Duration::from_secs(30),
            grace: Duration::from_mins(10),
            batch_max: 100,
            batch_delay: Duration::ZERO,
            share: 0,
        }
    }
}

impl Standing {
    /// Reads meta; a field that is missing or does not parse has its default.
    pub(super) fn from_fields(fields: &[(String, String)]) -> Self {
        let default = Self::default();
        let text = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let millis = |name: &str, default: Duration| number(name).map_or(default, Duration::from_millis);
        let size = |name: &str, default: usize| number(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(default);
        Self {
            known: number("v") == Some(u64::from(CONTRACT)),
            generation: text("gen").map(str::to_owned),
            lease: millis("lease_ms", default.lease).max(SHORTEST_LEASE),
            grace: millis("grace_ms", default.grace),
            batch_max: size("batch_max", default.batch_max).max(1),
            batch_delay: millis("batch_delay_ms", default.batch_delay),
            share: size("share", default.share),
        }
    }
}

/// Below this a heartbeat every sixth of it would be a busy loop.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

impl Kind {
    pub(super) fn new(key: TypeKey, batch: usize, handler: Handler) -> Self {
        Self { key, handler, batch, standing: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub(super) fn set_standing(&self, standing: Standing) {
        *self.lock() = standing;
    }

    /// The most tasks of one handler call, as of now.
    pub(super) fn batch_now(&self) -> usize {
        self.batch.min(self.lock().batch_max)
    }
}

/// The worker's own times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// How long running tasks may go on after the shutdown began.
    pub(super) shutdown_grace: Duration,
    /// How long a handler may take to stop once told so, before it is dropped.
    pub(super) stop_grace: Duration,
}

pub(super) struct Shared {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) version: String,
    pub(super) settings: Arc<Settings>,
    pub(super) keys: Keys,
    pub(super) kinds: Vec<Kind>,
    pub(super) slot_count: usize,
    pub(super) times: Times,
    pub(super) started_ms: i64,
    pub(super) table: Table,
    pub(super) slots: Arc<Semaphore>,
    /// Woken when a task leaves the table.
    pub(super) left: Notify,
    /// Asks for a heartbeat now.
    pub(super) renew: Notify,
    /// Fires when the shutdown begins: what is not begun inside a running batch is given back.
    pub(super) draining: CancellationToken,
    /// When Redis last answered a heartbeat.
    pub(super) contact: watch::Sender<Instant>,
    pub(super) done: AtomicU64,
    pub(super) errs: AtomicU64,
}

impl Shared {
    /// The shortest lease of its types: the heart beats for the most demanding one.
    pub(super) fn shortest_lease(&self) -> Duration {
        self.kinds.iter().map(|kind| kind.lock().lease).min().unwrap_or(Standing::default().lease)
    }

    /// How long the worker's card stays without a heartbeat. A type that never had a job has no say: its lease is a guess, and a card
    /// that outlives the true ones makes a dead worker look alive.
    pub(super) fn longest_lease(&self) -> Duration {
        let standings: Vec<Standing> = self.kinds.iter().map(Kind::standing).collect();
        let longest = |known| standings.iter().filter(|standing| standing.known == known).map(|standing| standing.lease).max();
        longest(true).or_else(|| longest(false)).unwrap_or(Standing::default().lease)
    }

    pub(super) fn count(&self, failed: bool) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.errs.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

/// Unix milliseconds by this machine's clock.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Waits that double, for as long as something fails.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(2);

    pub(super) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(super) fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// The next wait: between half of the step and all of it, so that many workers do not come back at once.
    pub(super) fn step(&mut self) -> Duration {
        let wait = self.next.mul_f64(0.5 + 0.5 * rand::random::<f64>());
        self.next = (self.next * 2).min(Self::MOST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_that_is_missing_or_of_another_contract_leaves_the_defaults() {
        assert_eq!(Standing::from_fields(&[]), Standing::default());
        let fields = [("v", "2"), ("lease_ms", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(Standing::from_fields(&fields), Standing::default());
    }

    #[test]
    fn meta_is_read_field_by_field() {
        let fields =
            [("v", "1"), ("gen", "g"), ("lease_ms", "600"), ("grace_ms", "5"), ("batch_max", "0"), ("batch_delay_ms", "7"), ("share", "9")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = Standing {
            known: true,
            generation: Some("g".into()),
            lease: Duration::from_millis(600),
            grace: Duration::from_millis(5),
            batch_max: 1,
            batch_delay: Duration::from_millis(7),
            share: 9,
        };
        assert_eq!(Standing::from_fields(&fields), expected);
    }

    #[test]
    fn waits_double_up_to_two_seconds() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..8).map(|_| backoff.step()).collect();
        assert!(waits[0] >= Duration::from_millis(50) && waits[0] <= Duration::from_millis(100));
        assert!(waits[7] >= Duration::from_secs(1) && waits[7] <= Duration::from_secs(2));
    }
}
