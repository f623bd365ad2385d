//! Sabotage: leaves out one safeguard, so that the checker of histories can be seen to catch what follows.

/// What keeps a promise, and can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {}

/// Whether this process runs without it.
#[inline]
pub(crate) const fn is_left_out(safeguard: Safeguard) -> bool {
    match safeguard {}
}
