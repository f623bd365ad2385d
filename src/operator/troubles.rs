//! What keeps the operator itself from acting: the status of each unfinished job says so, as `Stalled`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;

/// Failures in a row that are no hiccup any more.
const FAILURES: u32 = 3;
/// And how long they must have lasted.
const LASTING: Duration = Duration::from_secs(3);

/// A store that cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The reason of the condition.
    pub(super) reason: &'static str,
    /// What fails, for people.
    pub(super) message: String,
}

impl Trouble {
    /// What an error means to people: the act that failed, and the first cause, which names what to mend.
    pub(super) fn of(error: &Error) -> Self {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let (act, cause) = (error.to_string(), cause.to_string());
        Self { reason: error.stalled_reason(), message: if act == cause { act } else { format!("{act}: {cause}") } }
    }
}

#[derive(Clone, Debug)]
struct Failing {
    times: u32,
    since: Instant,
    trouble: Trouble,
}

/// The loops that fail, by name; shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<&'static str, Failing>>>);

impl Troubles {
    fn failing(&self) -> MutexGuard<'_, BTreeMap<&'static str, Failing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop failed; whether that is what people are told from now on.
    pub(super) fn failed(&self, work: &'static str, error: &Error) -> bool {
        let mut failing = self.failing();
        let was = shown(&failing);
        let trouble = Trouble::of(error);
        let first = Failing { times: 0, since: Instant::now(), trouble: trouble.clone() };
        let known = failing.entry(work).or_insert(first);
        (known.times, known.trouble) = (known.times + 1, trouble);
        shown(&failing).map(|trouble| trouble.reason) != was.map(|trouble| trouble.reason)
    }

    /// A loop works; whether people were told otherwise.
    pub(super) fn fine(&self, work: &'static str) -> bool {
        let mut failing = self.failing();
        if failing.is_empty() {
            return false;
        }
        let was = shown(&failing);
        failing.remove(work);
        shown(&failing) != was
    }

    /// What people are told.
    pub(super) fn shown(&self) -> Option<Trouble> {
        shown(&self.failing())
    }
}

fn shown(failing: &BTreeMap<&'static str, Failing>) -> Option<Trouble> {
    let lasts = |failing: &&Failing| failing.times >= FAILURES && failing.since.elapsed() >= LASTING;
    failing.values().filter(lasts).min_by_key(|failing| failing.since).map(|failing| failing.trouble.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn three_failures_that_last_are_told_until_the_loop_works() {
        let troubles = Troubles::default();
        let error = Error::CacheGone;
        assert!(!troubles.failed("dispatcher", &error) && !troubles.failed("dispatcher", &error) && !troubles.failed("dispatcher", &error));
        assert_eq!(troubles.shown(), None);
        tokio::time::advance(LASTING).await;
        // Time alone makes it lasting: the next failure tells.
        troubles.failed("dispatcher", &error);
        let told = Trouble { reason: "ReconcileError", message: "the cache of jobs is gone".to_owned() };
        assert_eq!(troubles.shown(), Some(told));
        assert!(!troubles.fine("collector"));
        assert!(troubles.fine("dispatcher"));
        assert_eq!(troubles.shown(), None);
    }
}
