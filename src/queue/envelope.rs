//! What travels: a task's header on the way out, a batch of reports on the way back. Wire contract v1; no connection here.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{CONTRACT, EntryId, EntryRef, ITEMS_MAX, Lane, RESULT_BYTES_MAX};
use crate::core::fold::{Report, Said};

/// Most bytes of a report's message; longer ones are cut.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// Most bytes of a report's reason; it becomes a task's reason, which is a word.
pub const WHY_BYTES_MAX: usize = 100;

/// A worker cannot put its task off for longer: 30 days.
const RETRY_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// What a worker is told of a task besides its arguments: field `h` of an entry. Absent means 0 or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the contract.
    pub v: u32,
    /// The task.
    pub id: Uuid,
    /// The attempt, counted from 1.
    #[serde(rename = "a")]
    pub attempt: u32,
    /// `<namespace>/<name>` of the job.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub job: String,
    /// The layer's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub layer: String,
    /// The task's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The task's index in its array.
    #[serde(rename = "ix", default, skip_serializing_if = "is_zero")]
    pub index: u32,
    /// How long the handler may run, in milliseconds; 0: as long as it likes.
    #[serde(rename = "to", default, skip_serializing_if = "is_zero")]
    pub timeout_ms: u64,
    /// When it must have ended, unix milliseconds; 0: never.
    #[serde(rename = "dl", default, skip_serializing_if = "is_zero")]
    pub deadline_ms: i64,
    /// Retries left after this attempt.
    #[serde(rename = "ra", default, skip_serializing_if = "is_zero")]
    pub retries_left: u32,
    /// Runs alone on its worker: an earlier attempt was lost, and it may be what crashed it.
    #[serde(default, with = "flag", skip_serializing_if = "std::ops::Not::not")]
    pub solo: bool,
    /// Never runs on without a lease.
    #[serde(rename = "ex", default, with = "flag", skip_serializing_if = "std::ops::Not::not")]
    pub exclusive: bool,
    /// W3C trace context.
    #[serde(rename = "tp", default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Header {
    /// A header of this contract; the rest is filled in by struct update.
    pub fn new(id: Uuid, attempt: u32) -> Self {
        Self { v: CONTRACT, id, attempt, ..Self::default() }
    }

    /// As field `h`.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a header has only text keys")
    }

    /// Reads field `h`. The error is a sentence for the task's message.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let header = serde_json::from_slice::<Self>(json);
        let version = match &header {
            Ok(header) => Some(header.v),
            Err(_) => serde_json::from_slice(json).ok().map(|version: Version| version.v),
        };
        match version {
            Some(version) if version != CONTRACT => {
                Err(format!("the header has version {version} of the contract, this worker knows {CONTRACT}"))
            }
            _ => header.map_err(|error| format!("the header does not parse: {error}")),
        }
    }

    /// The task and attempt of a header that cannot be read otherwise, if it says as much.
    pub fn identity(json: &[u8]) -> Option<(Uuid, u32)> {
        let identity: Identity = serde_json::from_slice(json).ok()?;
        Some((identity.id, identity.a))
    }
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct Identity {
    id: Uuid,
    a: u32,
}

/// A task as it stands in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Field `h`.
    pub header: Header,
    /// Field `p`: the arguments, as they are.
    pub args: Vec<u8>,
}

/// One report as it is written in field `r` of a result entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The entry it is about.
    #[serde(rename = "e")]
    pub entry: EntryId,
    /// The lane of that entry.
    #[serde(rename = "q")]
    pub lane: Lane,
    /// The task; nil when the worker could not read the header.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub id: Uuid,
    /// The attempt; 0 when the worker could not read the header.
    #[serde(rename = "a", default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// What is said.
    #[serde(rename = "s", with = "said")]
    pub said: Said,
    /// For people.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When, unix milliseconds.
    #[serde(rename = "ts", default, skip_serializing_if = "is_zero")]
    pub at_ms: i64,
    /// How long the handler ran, in milliseconds.
    #[serde(rename = "dur", default, skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<u64>,
    /// Becomes the task's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Wait at least so long before the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_ms: Option<u64>,
    /// No other attempt.
    #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
    pub last: bool,
}

impl Item {
    /// As the core knows it. What a worker may not write is cut here: NUL, length.
    pub fn into_report(self, worker: &str) -> (EntryRef, Report) {
        let report = Report {
            task: self.id,
            attempt: self.attempt,
            said: self.said,
            message: self.message.map(|message| cut(message, MESSAGE_BYTES_MAX)),
            why: self.why.map(|why| cut(why, WHY_BYTES_MAX)).filter(|why| !why.is_empty()),
            retry_ms: self.retry_ms.map(|ms| ms.min(RETRY_MS_MAX)),
            last: self.last,
            at_ms: self.at_ms,
            run_ms: self.run_ms,
            worker: Some(worker.to_owned()),
        };
        (EntryRef { lane: self.lane, id: self.entry }, report)
    }
}

/// Field `r` of a result entry, read; the error says what is wrong with it.
pub fn items(json: &[u8]) -> Result<Vec<Item>, String> {
    if json.len() > RESULT_BYTES_MAX {
        return Err(format!("{} bytes, at most {RESULT_BYTES_MAX} are taken", json.len()));
    }
    let items: Vec<Item> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if items.len() > ITEMS_MAX {
        return Err(format!("{} items, at most {ITEMS_MAX} are taken", items.len()));
    }
    Ok(items)
}

/// Removes NUL, which PostgreSQL cannot store, and cuts to at most `most` bytes between two characters.
pub fn cut(mut text: String, most: usize) -> String {
    if text.contains('\0') {
        text.retain(|character| character != '\0');
    }
    text.truncate(text.floor_char_boundary(most));
    text
}

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// A flag is written 1; `true` is understood too.
mod flag {
    use super::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(flag: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(*flag))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Flag {
            Word(bool),
            Number(u64),
        }
        Ok(match Flag::deserialize(deserializer)? {
            Flag::Word(flag) => flag,
            Flag::Number(number) => number != 0,
        })
    }
}

/// The words for what is said. `LOST` is not among them: no worker says that of itself.
mod said {
    use super::{Cow, Deserialize, Deserializer, Said, Serializer};

    const WORDS: [(&str, Said); 6] = [
        ("RUNNING", Said::Running),
        ("COMPLETED", Said::Completed),
        ("ERRORED", Said::Errored),
        ("SKIPPED", Said::Skipped),
        ("RELEASED", Said::Released),
        ("CANCELLED", Said::Cancelled),
    ];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(said: &Said, serializer: S) -> Result<S::Ok, S::Error> {
        match WORDS.iter().find(|(_, known)| known == said) {
            Some((word, _)) => serializer.serialize_str(word),
            None => Err(serde::ser::Error::custom("no worker says that its task is lost")),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, said)| *said);
        known.ok_or_else(|| serde::de::Error::custom(format_args!("unknown status {:?}", word.chars().take(40).collect::<String>())))
    }
}

#[cfg(test)]
mod tests;
