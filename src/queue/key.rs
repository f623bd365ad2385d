//! Names of things in Redis: the one place that builds keys. Knows no connection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A task type of a queue, `Q/T`: what workers subscribe to and what the windows are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeKey {
    /// `<namespace>.<queue>` for a namespace's own queue, `<name>` for a shared one.
    pub queue: String,
    /// The task type.
    pub kind: String,
}

impl TypeKey {
    /// The type `kind` of `queue`.
    pub fn new(queue: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { queue: queue.into(), kind: kind.into() }
    }

    /// The queue of a namespace, `<namespace>.<queue>`.
    pub fn own_queue(namespace: &str, queue: &str) -> String {
        format!("{namespace}.{queue}")
    }
}

impl fmt::Display for TypeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.kind)
    }
}

/// A text is not what its name says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NotA {
    text: String,
    expected: &'static str,
}

impl FromStr for TypeKey {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        match text.split_once('/') {
            Some((queue, kind)) if !queue.is_empty() && !kind.is_empty() && !kind.contains('/') => Ok(Self::new(queue, kind)),
            _ => Err(NotA { text: text.to_owned(), expected: "<queue>/<type>" }),
        }
    }
}

/// One of the three streams of a type; workers empty the higher ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// `q0`, for priorities above 0.
    #[serde(rename = "0")]
    High,
    /// `q1`, for priority 0.
    #[serde(rename = "1")]
    Normal,
    /// `q2`, for priorities below 0.
    #[serde(rename = "2")]
    Low,
}

impl Lane {
    /// All lanes in the order in which workers read them.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The lane of a job's priority.
    pub fn of_priority(priority: i32) -> Self {
        match priority.signum() {
            1 => Self::High,
            0 => Self::Normal,
            _ => Self::Low,
        }
    }

    /// 0, 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// The id of a stream entry, in the stream's order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Unix milliseconds by the server's clock.
    pub ms: u64,
    /// Counts within the millisecond.
    pub seq: u64,
}

impl EntryId {
    /// Before every entry.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let parsed = text.split_once('-').and_then(|(ms, seq)| Some(Self { ms: ms.parse().ok()?, seq: seq.parse().ok()? }));
        parsed.ok_or_else(|| NotA { text: text.chars().take(80).collect(), expected: "a stream entry's id" })
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An entry of a type: ids are unique only within a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryRef {
    /// The stream.
    pub lane: Lane,
    /// The entry in it.
    pub id: EntryId,
}

/// Who leads: the ledger's epoch, which only rises. Scripts refuse an owner that meta does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub i64);

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Builds keys under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys that begin with `prefix`, by convention `igor`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// The ledger's install id.
    pub fn install(&self) -> String {
        format!("{}:install", self.prefix)
    }

    /// The types that were ever made ready.
    pub fn types(&self) -> String {
        format!("{}:types", self.prefix)
    }

    /// The tasks of a lane.
    pub fn lane(&self, key: &TypeKey, lane: Lane) -> String {
        format!("{}:{{{key}}}:q{}", self.prefix, lane.number())
    }

    /// The results of a type.
    pub fn results(&self, key: &TypeKey) -> String {
        format!("{}:{{{key}}}:r", self.prefix)
    }

    /// The settings of a type.
    pub fn meta(&self, key: &TypeKey) -> String {
        format!("{}:{{{key}}}:meta", self.prefix)
    }

    /// The channel on which workers of a type are told what to stop.
    pub fn control(&self, key: &TypeKey) -> String {
        format!("{}:{{{key}}}:ctl", self.prefix)
    }

    /// A worker's card.
    pub fn worker(&self, worker: &str) -> String {
        format!("{}:w:{worker}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_type_share_a_hash_tag() {
        let keys = Keys::new("igor");
        let render = TypeKey::new(TypeKey::own_queue("film", "default"), "render");
        assert_eq!(keys.lane(&render, Lane::Low), "igor:{film.default/render}:q2");
        assert_eq!(keys.results(&render), "igor:{film.default/render}:r");
        assert_eq!(keys.meta(&render), "igor:{film.default/render}:meta");
        assert_eq!(keys.control(&render), "igor:{film.default/render}:ctl");
        assert_eq!(keys.worker("host-1-abcdef"), "igor:w:host-1-abcdef");
        assert_eq!(keys.install(), "igor:install");
        assert_eq!(keys.types(), "igor:types");
    }

    #[test]
    fn ids_and_types_read_back_what_they_print() {
        let id = EntryId { ms: 1_764_000_000_123, seq: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("7".parse::<EntryId>().is_err());
        let render = TypeKey::new("film.default", "render");
        assert_eq!(render.to_string().parse(), Ok(render));
        for bad in ["", "film", "/render", "film/", "a/b/c"] {
            assert!(bad.parse::<TypeKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_ordered_as_the_stream_is() {
        assert!(EntryId { ms: 9, seq: 5 } < EntryId { ms: 10, seq: 0 });
        assert!(EntryId { ms: 10, seq: 9 } < EntryId { ms: 10, seq: 10 });
    }

    #[test]
    fn the_sign_of_a_priority_chooses_the_lane() {
        assert_eq!([100, 1, 0, -1, -100].map(Lane::of_priority), [Lane::High, Lane::High, Lane::Normal, Lane::Low, Lane::Low]);
    }
}
