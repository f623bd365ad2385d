//! How much may be asked for: the length and the time of a request, and each caller's share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use moka::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Api, Fault};
use crate::config::Limits;

/// Callers whose shares are remembered.
const CALLERS: u64 = 10_000;
/// How long a request waits for one of its caller's to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The shares of all callers.
#[derive(Clone)]
pub(super) struct Shares {
    limits: Limits,
    of: Cache<String, Arc<Share>>,
}

struct Share {
    left: Mutex<Bucket>,
    running: Arc<Semaphore>,
}

/// A bucket that fills at a steady pace; each request takes one out.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// Takes one out; else says after how long there is one.
    fn take(&mut self, limits: &Limits, now: Instant) -> Result<(), Duration> {
        let pace = f64::from(limits.requests_per_second);
        let filled = self.left + now.saturating_duration_since(self.at).as_secs_f64() * pace;
        *self = Self { left: filled.min(f64::from(limits.burst)), at: now };
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / pace));
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Shares {
    pub(super) fn new(limits: Limits) -> Self {
        // One that rests so long has a full bucket anyway.
        Self { limits, of: Cache::builder().max_capacity(CALLERS).time_to_idle(Duration::from_secs(600)).build() }
    }

    /// Takes a request's part of the caller's share, to be held until it is answered.
    pub(super) async fn take(&self, caller: &str) -> Result<OwnedSemaphorePermit, Fault> {
        let share = self.of.get_with_by_ref(caller, || {
            Arc::new(Share {
                left: Mutex::new(Bucket { left: f64::from(self.limits.burst), at: Instant::now() }),
                running: Arc::new(Semaphore::new(self.limits.at_once as usize)),
            })
        });
        let taken = share.left.lock().unwrap_or_else(PoisonError::into_inner).take(&self.limits, Instant::now());
        taken.map_err(|wait| Fault::Busy(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)))?;
        let turn = tokio::time::timeout(PATIENCE, share.running.clone().acquire_owned());
        turn.await.ok().and_then(Result::ok).ok_or(Fault::Busy(1))
    }
}

/// Gives up a request that takes too long.
pub(super) async fn in_time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limit = api.config.limits.request();
    let answered = tokio::time::timeout(limit, next.run(request)).await;
    answered.unwrap_or_else(|_| Fault::OutOfTime(limit.as_secs()).into_response())
}

/// Reads the whole body before the handler runs: whatever is slow or too long about it costs no connection to a store.
pub(super) async fn body(limits: &Limits, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let whole = tokio::time::timeout(limits.request() / 2, Limited::new(body, limits.body_bytes).collect()).await;
    let bytes = match whole {
        Ok(Ok(bytes)) => bytes.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => return Fault::TooLarge(limits.body_bytes).into_response(),
        Ok(Err(_)) => return Fault::bad("the body broke off").into_response(),
        Err(_) => return Fault::Slow(limits.request().as_secs() / 2).into_response(),
    };
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_pace() {
        let limits = Limits { requests_per_second: 10, burst: 2, ..Limits::default() };
        let began = Instant::now();
        let mut bucket = Bucket { left: 2.0, at: began };
        let after = |millis| began + Duration::from_millis(millis);
        let taken: Vec<bool> = [0, 0, 0, 50, 100, 100, 5000, 5000, 5000].map(|millis| bucket.take(&limits, after(millis)).is_ok()).into();
        assert_eq!(taken, [true, true, false, false, true, false, true, true, false]);
        assert_eq!(bucket.take(&limits, after(5000)), Err(Duration::from_millis(100)));
    }
}
