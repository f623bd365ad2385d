//! One handler call from start to end: its times, its panics, what is said meanwhile. Knows nothing of fetching.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tracing::error;

use super::held::{Held, Stop};
use super::outcome::{Failure, Outcome};
use super::report::{End, Reporter};
use super::shared::{Handler, Shared, now_ms};
use super::task::{Batch, Task};

/// A task is said to run once it has run so long; shorter ones cost one write less.
const SAY_RUNNING_AFTER: Duration = Duration::from_millis(500);

/// How often a running call is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long a dropped handler may take to reach its next `await` before its slot is used again.
const LET_GO: Duration = Duration::from_secs(1);

/// Runs tasks of one type by one handler call, and reports how each of them ended.
pub(super) async fn run(shared: Arc<Shared>, reporter: Reporter, kind: usize, tasks: Vec<Task>) {
    wait_until_leased(&shared, &tasks).await;
    let (tasks, left_out): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(|task| may_begin(&task.held));
    for task in left_out {
        reporter.ended(&shared, &task.held, &End::Cut);
    }
    if tasks.is_empty() {
        return;
    }
    let held: Vec<Arc<Held>> = tasks.iter().map(|task| task.held.clone()).collect();
    let call = call(shared.clone(), kind, tasks);
    let end = attend(&shared, &reporter, &held, call).await;
    for held in &held {
        reporter.ended(&shared, held, &end);
    }
}

/// After a pause of the whole process the leases may be over: a task begins only after a heartbeat that is younger than a lease, or
/// when there is no contact, where the grace counts.
async fn wait_until_leased(shared: &Shared, tasks: &[Task]) {
    let Some(first) = tasks.first() else { return };
    let lease = shared.kinds[first.held.kind].standing().lease;
    let mut contact = shared.contact.subscribe();
    if contact.borrow_and_update().elapsed() < lease {
        return;
    }
    shared.renew.notify_one();
    // Without contact work goes on: the heartbeat stops what must not.
    tokio::time::timeout(lease, contact.changed()).await.ok();
}

/// Whether a task is to be begun; one past its deadline is not.
fn may_begin(held: &Held) -> bool {
    if held.deadline_ms.is_some_and(|deadline| now_ms() >= deadline) {
        held.stop(Stop::Deadline);
    }
    held.stopped().is_none()
}

type Call = JoinHandle<Result<Option<Outcome>, Failure>>;

/// Calls the handler, in a task of its own: its panic ends there.
fn call(shared: Arc<Shared>, kind: usize, mut tasks: Vec<Task>) -> Call {
    if matches!(shared.kinds[kind].handler, Handler::One(_)) {
        for task in &tasks {
            task.held.begin();
        }
    }
    tokio::spawn(async move {
        match &shared.kinds[kind].handler {
            Handler::One(handler) => match tasks.pop() {
                Some(task) => handler(task).await.map(Some),
                None => Ok(None),
            },
            Handler::Batch(handler) => handler(Batch::new(tasks)).await.map(|()| None),
        }
    })
}

/// Stays with a call until it ends: watches times, says what runs and what is done, and drops a handler that does not stop.
async fn attend(shared: &Shared, reporter: &Reporter, held: &[Arc<Held>], mut call: Call) -> End {
    let started = Instant::now();
    let mut look = started + LOOK;
    let mut drained = false;
    loop {
        let wake = held.iter().filter_map(|held| runs_out_at(held)).chain(batch_runs_out_at(held, started)).fold(look, Instant::min);
        tokio::select! {
            biased;
            ended = &mut call => return end(held, ended),
            () = shared.draining.cancelled(), if !drained => {
                drained = true;
                spare_what_is_not_begun(reporter, held);
            }
            () = tokio::time::sleep_until(wake) => {}
        }
        look_after_times(held, started);
        if Instant::now() >= look {
            look = Instant::now() + LOOK;
            say_progress(shared, reporter, held, started);
        }
        if is_overdue(held, shared.times.stop_grace) {
            return drop_call(held, call).await;
        }
    }
}

/// When a task's own time is over; `None` once it is stopped or decided, so that it does not wake anybody again.
fn runs_out_at(held: &Held) -> Option<Instant> {
    if held.stopped().is_some() || held.is_decided() {
        return None;
    }
    let timeout = held.began().zip(held.timeout).map(|(began, timeout)| began + timeout);
    let deadline = held.deadline_ms.map(|deadline| {
        let left = u64::try_from(deadline.saturating_sub(now_ms())).unwrap_or(0);
        Instant::now() + Duration::from_millis(left)
    });
    timeout.into_iter().chain(deadline).min()
}

/// A batch whose handler never says that a task begins has the sum of the timeouts, if all have one.
fn batch_runs_out_at(held: &[Arc<Held>], started: Instant) -> Option<Instant> {
    if held.iter().any(|held| held.began().is_some() || held.stopped().is_some()) {
        return None;
    }
    held.iter().map(|held| held.timeout).sum::<Option<Duration>>().map(|sum| started + sum)
}

fn look_after_times(held: &[Arc<Held>], started: Instant) {
    let now = Instant::now();
    if batch_runs_out_at(held, started).is_some_and(|at| now >= at) {
        for held in held {
            held.stop(Stop::Timeout);
        }
    }
    for held in held {
        if held.deadline_ms.is_some_and(|deadline| now_ms() >= deadline) {
            held.stop(Stop::Deadline);
        } else if runs_out_at(held).is_some_and(|at| now >= at) {
            held.stop(Stop::Timeout);
        }
    }
}

/// In a batch whose handler begins its tasks one by one, those it has not come to are given back at once when the worker shuts down.
fn spare_what_is_not_begun(reporter: &Reporter, held: &[Arc<Held>]) {
    if held.iter().any(|held| held.began().is_some()) {
        for held in held.iter().filter(|held| held.spare()) {
            reporter.release(held, "Shutdown", None);
        }
    }
}

/// What is decided is reported before the others are; what runs for long is said to run.
fn say_progress(shared: &Shared, reporter: &Reporter, held: &[Arc<Held>], started: Instant) {
    let by_task = held.iter().any(|held| held.began().is_some());
    for held in held {
        if held.is_decided() {
            reporter.ended(shared, held, &End::Returned);
        } else if (!by_task || held.began().is_some()) && held.take_running(SAY_RUNNING_AFTER, started) {
            reporter.running(held);
        }
    }
}

/// Whether nothing is left to wait for: each task is decided, or was stopped longer ago than a handler may take.
fn is_overdue(held: &[Arc<Held>], grace: Duration) -> bool {
    held.iter().any(|held| held.stopped().is_some() && !held.is_decided())
        && held.iter().all(|held| held.is_decided() || held.stopped_at().is_some_and(|at| at.elapsed() >= grace))
}

async fn drop_call(held: &[Arc<Held>], mut call: Call) -> End {
    call.abort();
    if let Ok(ended) = tokio::time::timeout(LET_GO, &mut call).await {
        return end(held, ended);
    }
    error!(tasks = held.len(), "a handler ignores its cancel token and does not await: it goes on in the background");
    End::Cut
}

fn end(held: &[Arc<Held>], ended: Result<Result<Option<Outcome>, Failure>, JoinError>) -> End {
    match ended {
        Ok(Ok(None)) => End::Returned,
        Ok(Ok(Some(outcome))) => {
            for held in held {
                held.decide(Ok(outcome.clone()));
            }
            End::Returned
        }
        Ok(Err(failure)) => End::Failed(failure),
        Err(error) if error.is_panic() => End::Panicked(words(error.into_panic().as_ref())),
        Err(_) => End::Cut,
    }
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
