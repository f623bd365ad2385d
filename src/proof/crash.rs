//! Crash points: each external effect has a number, and the process may be told to die before or after one.

/// An effect on a store, the queue or the API server is about to begin.
#[inline]
pub(crate) const fn before(_effect: &'static str) {}

/// The effect was answered.
#[inline]
pub(crate) const fn after(_effect: &'static str) {}
