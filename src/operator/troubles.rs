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

/// The loops that fail, and what was made of it.
#[derive(Debug, Default)]
struct Known {
    /// By the loop's name.
    failing: BTreeMap<&'static str, Failing>,
    /// The reason that people were told last. Time alone makes a failure one to tell, so what was shown before a call says nothing.
    told: Option<&'static str>,
}

impl Known {
    /// Whether people are to be told something else from now on.
    fn is_news(&mut self) -> bool {
        let reason = shown(&self.failing).map(|trouble| trouble.reason);
        std::mem::replace(&mut self.told, reason) != reason
    }
}

/// Troubles of the loops; shared.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(Arc<Mutex<Known>>);

impl Troubles {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A loop failed; whether people are to be told something else from now on.
    pub(super) fn failed(&self, work: &'static str, error: &Error) -> bool {
        let mut known = self.known();
        let trouble = Trouble::of(error);
        let first = Failing { times: 0, since: Instant::now(), trouble: trouble.clone() };
        let failing = known.failing.entry(work).or_insert(first);
        (failing.times, failing.trouble) = (failing.times + 1, trouble);
        known.is_news()
    }

    /// A loop works; whether people are to be told something else from now on.
    pub(super) fn fine(&self, work: &'static str) -> bool {
        let mut known = self.known();
        known.failing.remove(work).is_some() && known.is_news()
    }

    /// What people are told.
    pub(super) fn shown(&self) -> Option<Trouble> {
        shown(&self.known().failing)
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
        // Time alone makes it lasting: the next failure tells, once.
        assert!(troubles.failed("dispatcher", &error) && !troubles.failed("dispatcher", &error));
        let told = Trouble { reason: "ReconcileError", message: "the cache of jobs is gone".to_owned() };
        assert_eq!(troubles.shown(), Some(told));
        assert!(!troubles.fine("collector"));
        assert!(troubles.fine("dispatcher"));
        assert_eq!(troubles.shown(), None);
    }
}
