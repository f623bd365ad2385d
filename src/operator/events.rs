//! Writes Events beside the reconciles: telling people is no reason to keep work waiting.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::{Mutex, mpsc};

use super::Error;
use super::term::Term;

/// Events that may wait to be written; what comes on top is lost.
const WAITING: usize = 4096;
/// Events written at the same time.
const AT_ONCE: usize = 8;
/// What is left when a term ends gets so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The way of events from whoever tells to whoever writes.
pub(super) struct Events {
    sender: mpsc::Sender<Event>,
    receiver: Mutex<mpsc::Receiver<Event>>,
}

impl Events {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(receiver) }
    }

    /// Hands an event over to be written.
    pub(super) fn tell(&self, event: Event) {
        if let Err(error) = self.sender.try_send(event) {
            metrics::counter!("igor_events_lost_total").increment(1);
            tracing::warn!(%error, "an event is lost");
        }
    }
}

/// Writes what is told until the term is over, and then what was told before.
pub(super) async fn run(term: Arc<Term>) -> Result<(), Error> {
    let mut receiver = term.context.events.receiver.lock().await;
    let client = &term.context.client;
    let told = futures::stream::poll_fn(|context| receiver.poll_recv(context));
    tokio::select! {
        () = told.for_each_concurrent(AT_ONCE, |event| write(client, event)) => return Ok(()),
        () = term.stop.cancelled() => {}
    }
    let left = futures::stream::iter(std::iter::from_fn(|| receiver.try_recv().ok()));
    tokio::time::timeout(LAST_WORDS, left.for_each_concurrent(AT_ONCE, |event| write(client, event))).await.ok();
    Ok(())
}

/// One that cannot be written is lost.
async fn write(client: &Client, event: Event) {
    metrics::counter!("igor_api_writes_total", "kind" => "Event", "verb" => "create").increment(1);
    let api: Api<Event> = Api::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or("default"));
    if let Err(error) = api.create(&PostParams::default(), &event).await {
        tracing::warn!(reason = event.reason, note = event.note, error = &error as &dyn std::error::Error, "an event is lost");
    }
}
