//! Background loops that may fail: each is run again with growing pauses, and its failures are logged and counted.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use super::term::Term;

/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A loop that ran so long works: people are told so, and its next failure starts with the first pause again.
const WORKS: Duration = Duration::from_secs(5);

/// Runs `work` until the term is over, again after every failure and panic. A lost fence ends the whole term.
pub(super) async fn supervise<Work, Run>(name: &'static str, term: &Term, work: Work)
where
    Work: FnMut() -> Run,
    Run: Future<Output = Result<(), Error>> + Send + 'static,
{
    let tell = |outcome: Result<(), &Error>| match outcome {
        Ok(()) => term.fine(name),
        Err(error) => term.failed(name, error),
    };
    run_again(name, &term.stop, tell, work).await;
}

/// `tell` hears of each failure, and of each run that goes on for some time without one.
async fn run_again<Work, Run>(name: &'static str, stop: &CancellationToken, tell: impl Fn(Result<(), &Error>), mut work: Work)
where
    Work: FnMut() -> Run,
    Run: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let began = tokio::time::Instant::now();
        // Dropping this drops the work too: nothing runs on when the term is given up.
        let mut running = AbortOnDropHandle::new(tokio::spawn(work()));
        let mut ended = tokio::time::timeout(WORKS, &mut running).await;
        if ended.is_err() {
            tell(Ok(()));
            ended = Ok(running.await);
        }
        let Ok(ended) = ended else { continue };
        match ended {
            Ok(Ok(())) => return,
            Ok(Err(error)) if error.is_fenced() => {
                tracing::warn!(work = name, "another operator leads now");
                stop.cancel();
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(work = name, error = &error as &dyn std::error::Error, "failed, will be tried again");
                tell(Err(&error));
            }
            Err(panic) => tracing::error!(work = name, %panic, "panicked, will be started again"),
        }
        metrics::counter!("igor_loop_failures_total", "loop" => name).increment(1);
        if began.elapsed() >= WORKS {
            pause = FIRST_PAUSE;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_panics_or_fails_is_run_again_until_it_ends() {
        let runs = Arc::new(AtomicUsize::new(0));
        let stop = CancellationToken::new();
        let told = std::cell::RefCell::new(Vec::new());
        run_again(
            "test",
            &stop,
            |outcome| told.borrow_mut().push(outcome.is_ok()),
            || {
                let runs = runs.clone();
                async move {
                    match runs.fetch_add(1, Ordering::Relaxed) {
                        0 => panic!("once"),
                        1 => Err(Error::CacheGone),
                        2 => {
                            tokio::time::sleep(WORKS * 2).await;
                            Err(Error::CacheGone)
                        }
                        _ => Ok(()),
                    }
                }
            },
        )
        .await;
        assert_eq!((runs.load(Ordering::Relaxed), stop.is_cancelled()), (4, false));
        assert_eq!(told.into_inner(), [false, true, false], "failed, worked for long, failed");
    }
}
