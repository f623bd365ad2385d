//! What a handler says of a task. Knows nothing of how it travels.

use std::fmt;
use std::time::Duration;

/// A task that ended well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub(super) skipped: bool,
    pub(super) message: Option<String>,
}

impl Outcome {
    /// Done, with a message for people (at most 4 KiB are kept).
    pub fn message(message: impl Into<String>) -> Self {
        Self { skipped: false, message: Some(message.into()) }
    }

    /// Left out on purpose: counts as done, and is shown as skipped.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self { skipped: true, message: Some(why.into()) }
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<String> for Outcome {
    fn from(message: String) -> Self {
        Self::message(message)
    }
}

/// A task that failed. Made from any error by `?`, which keeps the messages of its causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) last: bool,
    pub(super) put_off: bool,
}

impl Failure {
    /// Failed with a message for people (at most 4 KiB are kept). The job's retries and backoff apply.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry_after: None, last: false, put_off: false }
    }

    /// The next attempt, if there is one left, comes no sooner than this.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Not a failure after all: the task is given back and comes again, no sooner than this, and no retry is used up. For what the
    /// task can do nothing about, like a licence that is not free.
    #[must_use]
    pub fn put_off(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self.put_off = true;
        self
    }

    /// No other attempt, whatever is left: trying again cannot help.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.last = true;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// `Failure` is no `Error` itself: only so can every error become one.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(": ");
            message.push_str(&error.to_string());
            cause = error.source();
        }
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the scene")]
    struct Scene(#[source] std::io::Error);

    #[test]
    fn an_error_becomes_a_failure_with_its_causes() {
        fn load() -> Result<(), Failure> {
            Err(Scene(std::io::Error::other("disk is gone")))?;
            Ok(())
        }
        assert_eq!(load(), Err(Failure::new("cannot read the scene: disk is gone")));
    }
}
