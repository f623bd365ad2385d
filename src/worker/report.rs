//! Results on their way out: gathers them, writes them as few entries, and repeats until Redis has stored them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::held::{Held, Stop};
use super::outcome::{Failure, Outcome};
use super::shared::{Backoff, Shared, now_ms};
use crate::core::fold::Said;
use crate::queue::envelope::{Item, MESSAGE_BYTES_MAX, cut};
use crate::queue::{EntryRef, ITEMS_MAX, Link, RESULT_BYTES_MAX};
use crate::trace::{self, Kind, Span};

/// The span of a handler's work on a task.
pub(super) const RUN: &str = "run";

/// Something to be said of a task; the last word on it takes it out of the worker's hands once it is stored.
pub(super) struct Outgoing {
    held: Arc<Held>,
    item: Item,
    last_word: bool,
}

/// Where the other parts of a worker put what is to be said.
#[derive(Clone)]
pub(super) struct Reporter {
    sender: mpsc::UnboundedSender<Outgoing>,
}

/// How a task ended, where its handler did not say so itself.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The handler returned well.
    Returned,
    /// The handler failed.
    Failed(Failure),
    /// The handler panicked.
    Panicked(String),
    /// The handler was dropped, or never called.
    Cut,
}

impl Reporter {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender }, receiver)
    }

    /// Says that a task runs; as an announcement this is its lease.
    pub(super) fn running(&self, held: &Arc<Held>) {
        self.send(held, item(held, Said::Running), false);
    }

    /// Says how a task ended, once; later calls for it do nothing.
    pub(super) fn ended(&self, shared: &Shared, held: &Arc<Held>, end: &End) {
        if !held.take_report() {
            return;
        }
        match conclude(held, end) {
            Some(item) => {
                tell_trace(shared, held, &item);
                if matches!(item.said, Said::Completed | Said::Errored | Said::Skipped) {
                    shared.count(item.said == Said::Errored);
                }
                self.send(held, item, true);
            }
            None => leave(shared, held),
        }
    }

    /// Gives back a task that was not begun.
    pub(super) fn release(&self, held: &Arc<Held>, why: &str, message: Option<String>) {
        if held.take_report() {
            let item = Item { why: Some(why.to_owned()), message, ..item(held, Said::Released) };
            self.send(held, item, true);
        }
    }

    /// Gives back an entry whose header cannot be read.
    pub(super) fn unreadable(&self, held: &Arc<Held>, message: String) {
        self.release(held, "Unreadable", Some(message));
    }

    fn send(&self, held: &Arc<Held>, item: Item, last_word: bool) {
        // The receiver lives as long as the worker; after that nobody is left to be told.
        self.sender.send(Outgoing { held: held.clone(), item, last_word }).ok();
    }
}

/// Sends the span of a run that was begun.
fn tell_trace(shared: &Shared, held: &Held, item: &Item) {
    let (Some(attempt), Some(began)) = (held.attempt_span, held.began()) else { return };
    let began = trace::at(began.into_std());
    let key = &shared.kinds[held.kind].key;
    trace::send(Span {
        kind: Kind::Consumer,
        // The handler's own word may have come before the others of its batch.
        ended: item.run_ms.map_or_else(SystemTime::now, |ms| began + Duration::from_millis(ms)),
        failed: (item.said == Said::Errored).then(|| item.why.clone().unwrap_or_else(|| "ERRORED".to_owned()).into()),
        attributes: vec![
            ("igor.task.id", held.task.to_string()),
            ("igor.attempt", held.attempt.to_string()),
            ("igor.queue", key.queue.clone()),
            ("igor.type", key.kind.clone()),
            ("igor.worker", shared.id.clone()),
        ],
        ..Span::step(RUN, attempt, began)
    });
}

fn item(held: &Held, said: Said) -> Item {
    let EntryRef { lane, id: entry } = held.entry;
    Item {
        entry,
        lane,
        id: held.task,
        attempt: held.attempt,
        said,
        message: None,
        at_ms: now_ms(),
        run_ms: None,
        why: None,
        retry_ms: None,
        last: false,
    }
}

/// The handler's own word counts most, then why it was stopped, then how it ended. `None`: nobody wants to hear of it any more.
fn conclude(held: &Held, end: &End) -> Option<Item> {
    let ran = held.began().map(|began| began.elapsed());
    if held.stopped() == Some(Stop::NoContact) {
        return None;
    }
    if let Some((verdict, took)) = held.verdict() {
        return Some(spoken(held, verdict, Some(took)));
    }
    let said = match end {
        End::Failed(failure) => Some(failure.message.clone()),
        End::Panicked(message) => Some(format!("panicked: {message}")),
        End::Returned | End::Cut => None,
    };
    let stopped = |said_status, why: &str, message: Option<String>| {
        let message = message.map(|message| cut(message, MESSAGE_BYTES_MAX));
        Some(Item { why: Some(why.to_owned()), message, run_ms: ran.map(millis), ..item(held, said_status) })
    };
    match held.stopped() {
        Some(Stop::Killed) => stopped(Said::Cancelled, "Killed", said),
        Some(Stop::Timeout) => {
            let limit = held.timeout.unwrap_or_default();
            stopped(Said::Errored, "Timeout", Some(said.unwrap_or_else(|| format!("ran longer than its timeout of {limit:?}"))))
        }
        Some(Stop::Deadline) => stopped(Said::Errored, "Deadline", Some(said.unwrap_or_else(|| "ran into its deadline".to_owned()))),
        Some(Stop::Shutdown) => stopped(Said::Released, "Shutdown", None),
        Some(Stop::NoContact) => None,
        None => match end {
            End::Returned => Some(spoken(held, Ok(Outcome::default()), ran)),
            End::Failed(failure) => Some(spoken(held, Err(failure.clone()), ran)),
            End::Panicked(_) => stopped(Said::Errored, "Panic", said),
            End::Cut => stopped(Said::Released, "Cut", None),
        },
    }
}

fn spoken(held: &Held, verdict: Result<Outcome, Failure>, took: Option<Duration>) -> Item {
    let run_ms = took.map(millis);
    let short = |message: String| cut(message, MESSAGE_BYTES_MAX);
    match verdict {
        Ok(outcome) => {
            let said = if outcome.skipped { Said::Skipped } else { Said::Completed };
            Item { message: outcome.message.map(short), run_ms, ..item(held, said) }
        }
        Err(failure) if failure.put_off => Item {
            message: Some(short(failure.message)),
            run_ms,
            why: Some("PutOff".to_owned()),
            retry_ms: failure.retry_after.map(millis),
            ..item(held, Said::Released)
        },
        Err(failure) => Item {
            message: Some(short(failure.message)),
            run_ms,
            retry_ms: failure.retry_after.map(millis),
            last: failure.last,
            ..item(held, Said::Errored)
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A task leaves the worker's hands.
pub(super) fn leave(shared: &Shared, held: &Held) {
    shared.table.remove(held);
    shared.left.notify_waiters();
}

/// Writes results until `closing` fires and none are left; what Redis does not take is kept and tried again.
pub(super) async fn write(shared: Arc<Shared>, link: Link, mut queue: mpsc::UnboundedReceiver<Outgoing>, closing: CancellationToken) {
    let mut waiting: Vec<Outgoing> = Vec::new();
    let mut backoff = Backoff::new();
    let mut contact = shared.contact.subscribe();
    loop {
        if waiting.is_empty() {
            tokio::select! {
                biased;
                got = queue.recv_many(&mut waiting, ITEMS_MAX) => if got == 0 { return },
                () = closing.cancelled() => return,
            }
        } else {
            while let Ok(more) = queue.try_recv() {
                waiting.push(more);
            }
        }
        waiting.retain(|outgoing| outgoing.held.stopped() != Some(Stop::NoContact));
        contact.mark_unchanged();
        waiting = store(&shared, &link, waiting).await;
        if waiting.is_empty() {
            backoff.reset();
        } else {
            // What Redis forgot is given to others unless it is announced soon: not a moment after it answers again.
            tokio::select! {
                () = tokio::time::sleep(backoff.step()) => {}
                _ = contact.changed() => {}
            }
        }
    }
}

/// One try; returns what is not known to be stored.
async fn store(shared: &Shared, link: &Link, waiting: Vec<Outgoing>) -> Vec<Outgoing> {
    let mut by_kind: Vec<Vec<Outgoing>> = shared.kinds.iter().map(|_| Vec::new()).collect();
    for outgoing in waiting {
        by_kind[outgoing.held.kind].push(outgoing);
    }
    let mut pipeline = redis::pipe();
    let mut entries: Vec<Vec<Outgoing>> = Vec::new();
    for (kind, outgoing) in by_kind.into_iter().enumerate() {
        let stream = shared.keys.results(&shared.kinds[kind].key);
        for (json, outgoing) in packed(outgoing) {
            pipeline.cmd("XADD").arg(&stream).arg("*").arg("w").arg(&shared.id).arg("r").arg(json);
            entries.push(outgoing);
        }
    }
    match link.pipeline("writing results", &pipeline).await {
        Ok(answers) => {
            let mut left = Vec::new();
            for (answer, outgoing) in answers.into_iter().zip(entries) {
                match answer {
                    Ok(_) => outgoing.iter().filter(|outgoing| outgoing.last_word).for_each(|outgoing| leave(shared, &outgoing.held)),
                    Err(error) => {
                        warn!(%error, "Redis does not take results; they are kept");
                        left.extend(outgoing);
                    }
                }
            }
            left
        }
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "results are kept until Redis is back");
            entries.into_iter().flatten().collect()
        }
    }
}

/// Items as JSON arrays, each within the bounds of one entry.
fn packed(outgoing: Vec<Outgoing>) -> Vec<(Vec<u8>, Vec<Outgoing>)> {
    let mut entries: Vec<(Vec<u8>, Vec<Outgoing>)> = Vec::new();
    for outgoing in outgoing {
        let json = serde_json::to_vec(&outgoing.item).expect("an item has only text keys");
        match entries.last_mut() {
            Some((array, inside)) if inside.len() < ITEMS_MAX && array.len() + json.len() + 2 <= RESULT_BYTES_MAX => {
                array.push(b',');
                array.extend(json);
                inside.push(outgoing);
            }
            _ => {
                let mut array = vec![b'['];
                array.extend(json);
                entries.push((array, vec![outgoing]));
            }
        }
    }
    for (array, _) in &mut entries {
        array.push(b']');
    }
    entries
}

#[cfg(test)]
mod tests;
