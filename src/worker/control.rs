//! Kills by message: quick, and only a hint, since a lost lease says the same.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use super::held::Stop;
use super::shared::{Backoff, Shared};
use crate::queue::Error;

#[derive(Deserialize)]
struct Control {
    #[serde(default)]
    kill: Vec<String>,
}

/// Listens on the channels of all types until `closing` fires.
pub(super) async fn listen(shared: Arc<Shared>, closing: CancellationToken) {
    let mut backoff = Backoff::new();
    loop {
        let ended = tokio::select! {
            () = closing.cancelled() => return,
            ended = listen_once(&shared, &mut backoff) => ended,
        };
        if let Err(error) = ended {
            debug!(error = &error as &dyn std::error::Error, "no kills by message until Redis is back");
        }
        tokio::select! {
            () = closing.cancelled() => return,
            () = tokio::time::sleep(backoff.step()) => {}
        }
    }
}

async fn listen_once(shared: &Shared, backoff: &mut Backoff) -> Result<(), Error> {
    let act = "listening for kills";
    let connection = shared.settings.client()?.get_async_pubsub().await.map_err(Error::Connect)?;
    let (mut sink, mut messages) = connection.split();
    for kind in &shared.kinds {
        sink.subscribe(shared.keys.control(&kind.key)).await.map_err(|source| Error::Refused { act, source })?;
    }
    backoff.reset();
    loop {
        match tokio::time::timeout(PING_EVERY, messages.next()).await {
            Ok(Some(message)) => obey(shared, message.get_payload_bytes()),
            Ok(None) => return Ok(()),
            Err(_) => {
                let ping = tokio::time::timeout(PING_EVERY, sink.ping::<redis::Value>());
                ping.await
                    .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
                    .map_err(|source| Error::Unknown { act, source })?;
            }
        }
    }
}

/// A channel on which nothing is said is probed: a half-open connection looks the same.
const PING_EVERY: Duration = Duration::from_secs(10);

fn obey(shared: &Shared, message: &[u8]) {
    let Ok(control) = serde_json::from_slice::<Control>(message) else { return };
    for attempt in &control.kill {
        if let Some((task, attempt)) = parse(attempt) {
            for held in shared.table.attempts(task, attempt) {
                held.stop(Stop::Killed);
            }
        }
    }
}

/// `<task id>.<attempt>`.
fn parse(attempt: &str) -> Option<(Uuid, u32)> {
    let (task, attempt) = attempt.rsplit_once('.')?;
    Some((task.parse().ok()?, attempt.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_a_task_and_a_number() {
        let task = Uuid::from_u128(7);
        assert_eq!(parse(&format!("{task}.3")), Some((task, 3)));
        for bad in ["", "7.3", "019a.1", &format!("{task}."), &task.to_string()] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
