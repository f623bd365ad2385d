//! Crash points: which process dies, and where.

use std::fmt;
use std::str::FromStr;

/// Whose effects are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Operator,
    Worker,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Before,
    After,
}

/// A process dies before or after one of its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) who: Who,
    pub(crate) side: Side,
    pub(crate) effect: u64,
}

impl Point {
    /// As the process to die is told of it.
    pub(crate) fn told(self) -> String {
        format!("{}:{}", self.effect, self.side)
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Worker => "worker",
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Operator => f.write_str(&self.told()),
            Who::Worker => write!(f, "worker:{}", self.told()),
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (who, rest) = text.strip_prefix("worker:").map_or((Who::Operator, text), |rest| (Who::Worker, rest));
        let side_of = |side| [Side::Before, Side::After].into_iter().find(|known| known.to_string() == side);
        let parsed = rest.split_once(':').and_then(|(effect, side)| Some((effect.parse().ok()?, side_of(side)?)));
        let (effect, side) = parsed.ok_or_else(|| format!("CRASH_AT={text}: not [worker:]<number>:before|after"))?;
        Ok(Self { who, side, effect })
    }
}
