//! Asks for a job's reconcile when the ledger has moved: at once when something shows first or it ends, now and then otherwise.
//!
//! Thousands of results a second must not become thousands of reconciles: what comes meanwhile is taken together.

use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::time::DelayQueue;
use tokio_util::time::delay_queue::Key;

use super::Job;

/// Between two reconciles of a job whose phase or layers move, while few jobs do.
const AFTER_CHANGE: Duration = Duration::from_millis(250);
/// For each so many jobs that move at a time that pause is as long once more, up to the longest: all of them together must not take
/// the machine from the tasks.
const CROWD: usize = 25;
const LONGEST: u32 = 8;
/// Between two reconciles of a job whose counters move.
const AFTER_COUNT: Duration = Duration::from_secs(1);
/// A job that nobody poked for so long is forgotten.
const FORGET: Duration = Duration::from_secs(10);

/// What moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// The job was accepted, in a reconcile that says itself when to look again.
    Begin,
    /// The job ended: people and programs wait for that.
    End,
    /// A layer or the job opened, ended, held.
    Change,
    /// Only counters.
    Count,
}

/// Where pokes are sent to: by namespace, or all to one when the whole cluster is watched.
#[derive(Debug, Default)]
pub(super) struct Poker {
    whole: Option<mpsc::UnboundedSender<(ObjectRef<Job>, Moved)>>,
    namespaces: HashMap<String, mpsc::UnboundedSender<(ObjectRef<Job>, Moved)>>,
}

impl Poker {
    /// A new stream of pokes, of one namespace or of all.
    pub(super) fn stream(&mut self, namespace: Option<&str>) -> Pokes {
        let (sender, incoming) = mpsc::unbounded_channel();
        match namespace {
            None => self.whole = Some(sender),
            Some(namespace) => drop(self.namespaces.insert(namespace.to_owned(), sender)),
        }
        Pokes { incoming, due: DelayQueue::new(), waiting: HashMap::new() }
    }

    /// Asks for a reconcile of the job. Without a listener (the term is over, the namespace is not watched) nothing happens.
    pub(super) fn poke(&self, job: ObjectRef<Job>, moved: Moved) {
        let listener = job.namespace.as_deref().and_then(|namespace| self.namespaces.get(namespace)).or(self.whole.as_ref());
        if let Some(listener) = listener {
            listener.send((job, moved)).ok();
        }
    }
}

/// The pokes that are due, as a stream for the controller.
pub(super) struct Pokes {
    incoming: mpsc::UnboundedReceiver<(ObjectRef<Job>, Moved)>,
    due: DelayQueue<ObjectRef<Job>>,
    waiting: HashMap<ObjectRef<Job>, Waiting>,
}

struct Waiting {
    /// When it was last let through.
    last: Option<Instant>,
    /// What is planned: a poke, or else that the job is forgotten.
    key: Key,
    poke: bool,
    at: Instant,
}

impl Pokes {
    fn take(&mut self, job: ObjectRef<Job>, moved: Moved) {
        let now = Instant::now();
        let crowd = u32::try_from(self.waiting.len() / CROWD).unwrap_or(LONGEST).clamp(1, LONGEST);
        let (pause, first) = match moved {
            Moved::Begin => return self.passed(job, now),
            Moved::End => (Duration::ZERO, now),
            Moved::Change => (AFTER_CHANGE * crowd, now),
            Moved::Count => (AFTER_COUNT, now + AFTER_COUNT),
        };
        match self.waiting.get_mut(&job) {
            None => {
                let at = first;
                let key = self.due.insert_at(job.clone(), at);
                self.waiting.insert(job, Waiting { last: None, key, poke: true, at });
            }
            Some(known) => {
                let at = known.last.map_or(first, |last| (last + pause).max(now));
                if !known.poke || at < known.at {
                    self.due.reset_at(&known.key, at);
                    (known.poke, known.at) = (true, at);
                }
            }
        }
    }

    /// It is let through just now, or as good as: the next look has a moment.
    fn passed(&mut self, job: ObjectRef<Job>, now: Instant) {
        let at = now + FORGET;
        if let Some(known) = self.waiting.remove(&job) {
            self.due.remove(&known.key);
        }
        let key = self.due.insert_at(job.clone(), at);
        self.waiting.insert(job, Waiting { last: Some(now), key, poke: false, at });
    }

    /// A planned moment has come: the job to poke, or nothing when it is only forgotten.
    fn let_through(&mut self, job: ObjectRef<Job>) -> Option<ObjectRef<Job>> {
        let known = self.waiting.remove(&job)?;
        if !known.poke {
            return None;
        }
        self.passed(job.clone(), Instant::now());
        Some(job)
    }
}

impl Stream for Pokes {
    type Item = ObjectRef<Job>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.incoming.poll_recv(context) {
                Poll::Ready(Some((job, moved))) => this.take(job, moved),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        loop {
            match this.due.poll_next_unpin(context) {
                Poll::Ready(Some(expired)) => {
                    if let Some(job) = this.let_through(expired.into_inner()) {
                        return Poll::Ready(Some(job));
                    }
                }
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> ObjectRef<Job> {
        ObjectRef::new(name).within("film")
    }

    /// How long until the next poke, by the paused clock.
    async fn next(pokes: &mut Pokes) -> (String, Duration) {
        let began = Instant::now();
        let poked = pokes.next().await.expect("a poke");
        (poked.name, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_at_once_and_the_next_a_little_later() {
        let mut poker = Poker::default();
        let mut pokes = poker.stream(None);
        poker.poke(job("a"), Moved::Change);
        assert_eq!(next(&mut pokes).await, ("a".to_owned(), Duration::ZERO));
        poker.poke(job("a"), Moved::Change);
        poker.poke(job("a"), Moved::Count);
        let (name, after) = next(&mut pokes).await;
        assert!(name == "a" && after >= AFTER_CHANGE && after < AFTER_COUNT, "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_does_not_wait_and_a_crowd_waits_longer() {
        let mut poker = Poker::default();
        let mut pokes = poker.stream(None);
        let names: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        for name in &names {
            poker.poke(job(name), Moved::Change);
        }
        for _ in &names {
            assert_eq!(next(&mut pokes).await.1, Duration::ZERO);
        }
        poker.poke(job("7"), Moved::Change);
        assert!(next(&mut pokes).await.1 >= AFTER_CHANGE * 4);
        poker.poke(job("7"), Moved::Change);
        poker.poke(job("7"), Moved::End);
        assert_eq!(next(&mut pokes).await, ("7".to_owned(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_began_is_looked_at_when_it_ends_or_a_little_later() {
        let mut poker = Poker::default();
        let mut pokes = poker.stream(None);
        poker.poke(job("a"), Moved::Begin);
        poker.poke(job("a"), Moved::Change);
        let (_, after) = next(&mut pokes).await;
        assert!(after >= AFTER_CHANGE && after < AFTER_COUNT, "{after:?}");
        poker.poke(job("b"), Moved::Begin);
        poker.poke(job("b"), Moved::Change);
        poker.poke(job("b"), Moved::End);
        assert_eq!(next(&mut pokes).await, ("b".to_owned(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_counts_are_one_poke_a_second() {
        let mut poker = Poker::default();
        let mut pokes = poker.stream(Some("film"));
        for _ in 0..1000 {
            poker.poke(job("a"), Moved::Count);
        }
        let (_, after) = next(&mut pokes).await;
        assert!(after >= AFTER_COUNT, "{after:?}");
        assert!(tokio::time::timeout(AFTER_COUNT * 3, pokes.next()).await.is_err(), "nothing more was to be told");
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_that_is_not_watched_is_not_told() {
        let mut poker = Poker::default();
        let mut pokes = poker.stream(Some("data"));
        poker.poke(job("a"), Moved::Change);
        assert!(tokio::time::timeout(AFTER_COUNT * 3, pokes.next()).await.is_err());
    }
}
