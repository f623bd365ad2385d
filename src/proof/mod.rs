//! Switches that the suites which prove Igor turn: a process that dies at a chosen effect, a safeguard that is left out.
//!
//! Without the feature `proof` everything here is a constant: a released binary holds no such switch.

mod crash;
#[cfg(feature = "operator")]
mod sabotage;

pub(crate) use self::crash::{after, before_all};
#[cfg(feature = "operator")]
pub(crate) use self::crash::{before, kube_client};
#[cfg(feature = "operator")]
pub(crate) use self::sabotage::{Safeguard, is_left_out, linger};
