//! The trace of a job: which spans there are, under ids that every process computes alike, and where they are sent.
//!
//! A job's id is its trace's. The ids of spans follow from it and from what they are about, so nothing is stored and nothing is asked:
//! a span is written when it is over, by whoever saw its end. Without the feature `otlp`, or without a collector, nothing is sent.

#[cfg(feature = "otlp")]
mod export;

use std::borrow::Cow;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use uuid::Uuid;

#[cfg(feature = "otlp")]
pub use self::export::{Error, finish, start};

/// One span of a trace: W3C's trace context, sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    trace: u128,
    span: u64,
}

impl Context {
    /// The whole of a job.
    pub fn job(job: Uuid) -> Self {
        Self { trace: job.as_u128(), span: 0 }.part("job", &[])
    }

    /// A layer of a job.
    pub fn layer(job: Uuid, layer: Uuid) -> Self {
        Self::job(job).part("layer", layer.as_bytes())
    }

    /// An attempt of a task, from its way into the queue until its result is in the ledger.
    pub fn attempt(job: Uuid, task: Uuid, attempt: u32) -> Self {
        Self::job(job).part("attempt", task.as_bytes()).part("number", &attempt.to_be_bytes())
    }

    /// Something that is done once within this span.
    #[must_use]
    pub fn step(self, name: &str) -> Self {
        self.part(name, &[])
    }

    fn part(self, name: &str, of: &[u8]) -> Self {
        let digest =
            Sha256::new().chain_update(self.trace.to_be_bytes()).chain_update(self.span.to_be_bytes()).chain_update(name).chain_update(of);
        let span = u64::from_be_bytes(*digest.finalize().first_chunk().expect("SHA-256 has 32 bytes"));
        // All zeros would be no id.
        Self { trace: self.trace, span: span.max(1) }
    }

    /// As the header `traceparent` has it.
    pub fn traceparent(self) -> String {
        format!("00-{:032x}-{:016x}-01", self.trace, self.span)
    }

    /// Reads a `traceparent`; `None` when it is none, or is not sampled.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let part = parts.next()?;
            let fits = part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            fits.then(|| u128::from_str_radix(part, 16).ok()).flatten()
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, u64::try_from(hex(16)?).ok()?, hex(2)?);
        let ends = version > 0 || parts.next().is_none();
        (version != 0xff && ends && trace != 0 && span != 0 && flags & 1 == 1).then_some(Self { trace, span })
    }
}

/// What a span does, to those who draw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Hands work to the queue.
    Producer,
    /// Does work that came out of the queue.
    Consumer,
    /// Neither.
    Internal,
}

/// A span that is over. Attributes hold names, ids and words of the program: never arguments, nor what a worker said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub name: Cow<'static, str>,
    /// Which span it is.
    pub context: Context,
    /// Which one it is a part of.
    pub parent: Option<Context>,
    /// Whoever caused it, in a trace of his own.
    pub link: Option<Context>,
    /// What it does.
    pub kind: Kind,
    /// From when.
    pub began: SystemTime,
    /// Until when.
    pub ended: SystemTime,
    /// Whether it failed, and by which word.
    pub failed: Option<Cow<'static, str>>,
    /// What it was about.
    pub attributes: Vec<(&'static str, String)>,
}

impl Span {
    /// A part of `parent` that ends now.
    pub fn step(name: &'static str, parent: Context, began: SystemTime) -> Self {
        Self {
            name: name.into(),
            context: parent.step(name),
            parent: Some(parent),
            link: None,
            kind: Kind::Internal,
            began,
            ended: SystemTime::now(),
            failed: None,
            attributes: Vec::new(),
        }
    }
}

/// When it was so long ago.
pub fn ago(since: Duration) -> SystemTime {
    SystemTime::now().checked_sub(since).unwrap_or(UNIX_EPOCH)
}

/// The same, of a moment by the clock that never jumps.
pub fn at(moment: Instant) -> SystemTime {
    ago(moment.elapsed())
}

/// A moment in unix milliseconds.
pub fn at_ms(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Whether spans are sent at all: what they would cost to make is not spent otherwise.
#[cfg(feature = "otlp")]
pub fn is_on() -> bool {
    export::exporter().is_some()
}

/// Whether spans are sent at all: not without the feature `otlp`.
#[cfg(not(feature = "otlp"))]
pub const fn is_on() -> bool {
    false
}

/// Whether this job is among those whose spans are sent: every process with the same ratio says the same.
#[cfg(feature = "otlp")]
pub fn is_sampled(job: Uuid) -> bool {
    export::exporter().is_some_and(|exporter| is_within(job, exporter.ratio()))
}

/// Whether this job is among those whose spans are sent: none without the feature `otlp`.
#[cfg(not(feature = "otlp"))]
pub const fn is_sampled(_job: Uuid) -> bool {
    false
}

/// Sends a span, if spans are sent; one too many for the collector's pace is dropped.
#[cfg(feature = "otlp")]
pub fn send(span: Span) {
    if let Some(exporter) = export::exporter() {
        exporter.send(span);
    }
}

/// Sends nothing without the feature `otlp`.
#[cfg(not(feature = "otlp"))]
pub fn send(_span: Span) {}

/// The rightmost 56 bits of an id are as good as random, as W3C's trace context wants them.
#[cfg(any(feature = "otlp", test))]
fn is_within(job: Uuid, ratio: f64) -> bool {
    const BITS: u64 = 56;
    #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
    let place = (job.as_u64_pair().1 & ((1 << BITS) - 1)) as f64 / (1_u64 << BITS) as f64;
    place < ratio
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id;

    #[test]
    fn every_process_computes_the_same_ids() {
        let job = Uuid::from_u128(0x0193_6f00_0000_7000_8000_0000_0000_0001);
        let attempt = Context::attempt(job, Uuid::from_u128(5), 2);
        let read = Context::parse(&attempt.traceparent());
        assert_eq!(read, Some(attempt));
        assert!(attempt.traceparent().starts_with("00-01936f00000070008000000000000001-"), "{}", attempt.traceparent());
        assert_eq!(read.map(|read| read.step("run")), Some(attempt.step("run")));
        let others =
            [Context::job(job), Context::layer(job, Uuid::from_u128(5)), Context::attempt(job, Uuid::from_u128(5), 1), attempt.step("run")];
        assert!(!others.contains(&attempt), "{others:?}");
    }

    #[test]
    fn what_is_no_sampled_traceparent_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(Context::parse(good).map(Context::traceparent).as_deref(), Some(good));
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert!(Context::parse(later).is_some());
        for bad in [
            "",
            "00-aa-bb-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
        ] {
            assert_eq!(Context::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_ratio_takes_about_that_share_of_the_jobs() {
        let jobs: Vec<Uuid> = (0..2000).map(|number| id::job(1_764_000_000_000, &number.to_string())).collect();
        let taken = |ratio| jobs.iter().filter(|job| is_within(**job, ratio)).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, jobs.len()));
        assert!((800..1200).contains(&taken(0.5)), "{}", taken(0.5));
        assert!((10..100).contains(&taken(0.02)), "{}", taken(0.02));
    }
}
