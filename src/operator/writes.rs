//! A limit on status writes, over all objects.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Gives turns, evenly spaced.
#[derive(Debug)]
pub(super) struct Writes {
    apart: Duration,
    next: Mutex<Instant>,
}

impl Writes {
    pub(super) fn new(per_second: u32) -> Self {
        Self { apart: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the next turn.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.apart;
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}
