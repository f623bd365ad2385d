//! What workers write of themselves.

use std::collections::BTreeSet;

use redis::Value;

use super::super::client::Client;
use super::super::{Error, TypeKey, reply};
use super::PAGE;

/// Most commands of a search for cards: in a Redis that holds much else it finds only some.
const SCANS: usize = 50;

/// A worker's card, as it wrote it; what does not parse is empty or 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// The types it serves, `Q/T`.
    pub types: Vec<String>,
    /// The machine or pod it runs on.
    pub host: String,
    /// Its pod's name, if it runs in one.
    pub pod: String,
    /// The version of its program.
    pub version: String,
    /// Its language.
    pub lang: String,
    /// How many handlers run at once. A claim: the operator caps it.
    pub slots: u64,
    /// The most tasks one handler call takes.
    pub batch: u64,
    /// Tasks it holds.
    pub inflight: u64,
    /// Tasks that ended since its start.
    pub done: u64,
    /// Those of them that failed.
    pub errs: u64,
    /// When it started, unix milliseconds.
    pub started_ms: i64,
    /// The contract it speaks.
    pub v: u64,
}

impl Client {
    /// The types that workers say they serve, whether tasks of them ever were there or not; those of the cards that a bounded search
    /// finds.
    pub async fn served(&self) -> Result<BTreeSet<TypeKey>, Error> {
        let act = "looking for workers";
        let (mut cursor, mut served) = ("0".to_owned(), BTreeSet::new());
        for _ in 0..SCANS {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(self.keys.worker("*")).arg("COUNT").arg(PAGE);
            let answer = reply::array(act, self.link.command(act, &scan).await?)?;
            let [next, found] = <[Value; 2]>::try_from(answer).map_err(|answer| reply::unreadable(act, &Value::Array(answer)))?;
            let mut cards = redis::pipe();
            for key in reply::array(act, found)? {
                cards.cmd("HGET").arg(reply::bytes(act, key)?).arg("types");
            }
            for types in self.link.pipeline(act, &cards).await?.into_iter().flatten() {
                let types = reply::text(act, types).unwrap_or_default();
                served.extend(types.split(',').filter_map(|kind| kind.parse::<TypeKey>().ok()));
            }
            cursor = reply::text(act, next)?;
            if cursor == "0" {
                break;
            }
        }
        Ok(served)
    }
}

impl Card {
    pub(super) fn from_fields(fields: Vec<(String, String)>) -> Self {
        let mut card = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "types" => card.types = value.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
                "host" => card.host = value,
                "pod" => card.pod = value,
                "version" => card.version = value,
                "lang" => card.lang = value,
                "slots" => card.slots = value.parse().unwrap_or(0),
                "batch" => card.batch = value.parse().unwrap_or(0),
                "inflight" => card.inflight = value.parse().unwrap_or(0),
                "done" => card.done = value.parse().unwrap_or(0),
                "errs" => card.errs = value.parse().unwrap_or(0),
                "started" => card.started_ms = value.parse().unwrap_or(0),
                "v" => card.v = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        card
    }
}
