//! Who works and what lies: read-only views of a type, and clearing away workers that are gone.

mod card;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use redis::Value;

pub use card::Card;

use super::client::{Client, fenced};
use super::{EntryId, Error, GROUP, Lane, Owner, TypeKey, reply};

/// Most pending entries read in one command.
const PAGE: usize = 1000;

static FORGET: LazyLock<Vec<u8>> = LazyLock::new(|| {
    fenced(
        2,
        "if #redis.call('XPENDING', KEYS[1], 'igor', '-', '+', 1, ARGV[2]) > 0 then return 0 end \
         return 1 + redis.call('XGROUP', 'DELCONSUMER', KEYS[1], 'igor', ARGV[2])",
    )
});

static DISCARD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    fenced(
        1,
        "for i = 2, 5 do if redis.call('XLEN', KEYS[i]) > 0 then return 0 end end \
         for i = 2, 4 do if redis.call('EXISTS', KEYS[i]) == 1 then for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[i])) do \
         if #redis.call('XINFO', 'CONSUMERS', KEYS[i], g[2]) > 0 then return 0 end end end end \
         redis.call('DEL', unpack(KEYS)) return 1",
    )
});

/// How much stands in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Entries, delivered or not.
    pub length: u64,
    /// Entries that workers hold.
    pub pending: u64,
    /// Entries up to this one were delivered; zero where there is no group.
    pub delivered: EntryId,
}

/// An entry that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry.
    pub id: EntryId,
    /// The worker that got it.
    pub consumer: String,
    /// Since its delivery or last renewal, in milliseconds.
    pub idle_ms: u64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A worker of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// `<host>-<pid>-<6 hex>`, new with each start.
    pub id: String,
    /// Entries of this type that it holds.
    pub pending: u64,
    /// Since it last asked for tasks of this type, in milliseconds.
    pub idle_ms: u64,
    /// Its card; `None` when it was not renewed for a lease: the worker is gone or cut off.
    pub card: Option<Card>,
}

impl Client {
    /// How much stands in each lane, in the order of [`Lane::ALL`]. Nothing for a type without groups.
    pub async fn backlog(&self, key: &TypeKey) -> Result<[Backlog; 3], Error> {
        let act = "counting a lane";
        let mut pipeline = redis::pipe();
        for lane in Lane::ALL {
            pipeline.cmd("XLEN").arg(self.keys.lane(key, lane));
            pipeline.cmd("XINFO").arg("GROUPS").arg(self.keys.lane(key, lane));
        }
        let mut answers = self.link.pipeline(act, &pipeline).await?.into_iter();
        let mut backlogs = [Backlog::default(); 3];
        for backlog in &mut backlogs {
            if let (Some(Ok(length)), Some(groups)) = (answers.next(), answers.next()) {
                // No such key: nobody holds anything.
                let groups = groups.map_or(Ok(Vec::new()), |value| reply::array(act, value))?;
                *backlog = Backlog { length: reply::count(act, &length)?, ..delivered(act, groups)? };
            }
        }
        Ok(backlogs)
    }

    /// Entries of a lane that workers hold and have not renewed for `min_idle_ms`, oldest first. Nothing for a lane without a group.
    pub async fn pending_idle(&self, key: &TypeKey, lane: Lane, min_idle_ms: u64) -> Result<Vec<Pending>, Error> {
        let act = "listing what workers hold";
        let mut found: Vec<Pending> = Vec::new();
        loop {
            let from = found.last().map_or_else(|| "-".to_owned(), |last| format!("({}", last.id));
            let mut list = redis::cmd("XPENDING");
            list.arg(self.keys.lane(key, lane)).arg(GROUP).arg("IDLE").arg(min_idle_ms).arg(from).arg("+").arg(PAGE);
            let rows = match self.link.command(act, &list).await {
                Err(error) if is_no_group(&error) => return Ok(found),
                reply => reply::array(act, reply?)?,
            };
            let read = rows.len();
            for row in rows {
                found.push(pending(act, row)?);
            }
            if read < PAGE {
                return Ok(found);
            }
        }
    }

    /// The workers that ever read from a type and were not forgotten, with their cards, by id.
    pub async fn workers(&self, key: &TypeKey) -> Result<Vec<WorkerInfo>, Error> {
        let act = "listing workers";
        let mut pipeline = redis::pipe();
        for lane in Lane::ALL {
            pipeline.cmd("XINFO").arg("CONSUMERS").arg(self.keys.lane(key, lane)).arg(GROUP);
        }
        let mut consumers: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for answer in self.link.pipeline(act, &pipeline).await? {
            // NOGROUP or no such key: the type has no workers.
            let Ok(rows) = answer else { continue };
            for row in reply::array(act, rows)? {
                let (name, pending, idle_ms) = consumer(act, row)?;
                let known = consumers.entry(name).or_insert((0, u64::MAX));
                *known = (known.0 + pending, known.1.min(idle_ms));
            }
        }
        let mut pipeline = redis::pipe();
        for id in consumers.keys() {
            pipeline.cmd("HGETALL").arg(self.keys.worker(id));
        }
        let cards = self.link.pipeline(act, &pipeline).await?;
        let workers = consumers.into_iter().zip(cards).map(|((id, (pending, idle_ms)), card)| {
            // A foreign value under a worker's name is no card.
            let fields = card.map_or(Ok(Vec::new()), |card| reply::words(act, card))?;
            Ok(WorkerInfo { id, pending, idle_ms, card: (!fields.is_empty()).then(|| Card::from_fields(fields)) })
        });
        workers.collect()
    }

    /// Removes a worker from the groups of a type, unless it holds something or its card is there; whether it is gone from all lanes.
    pub async fn forget(&self, key: &TypeKey, worker: &str, owner: Owner) -> Result<bool, Error> {
        let act = "forgetting a worker";
        if reply::count(act, &self.link.command(act, redis::cmd("EXISTS").arg(self.keys.worker(worker))).await?)? > 0 {
            return Ok(false);
        }
        let mut gone = true;
        for lane in Lane::ALL {
            let mut script = redis::cmd("EVAL");
            script.arg(FORGET.as_slice()).arg(2).arg(self.keys.lane(key, lane)).arg(self.keys.meta(key)).arg(owner.0).arg(worker);
            gone &= reply::count(act, &self.script(act, key, &script).await?)? > 0;
        }
        Ok(gone)
    }

    /// Deletes all keys of a type that nobody uses; `false` when tasks, results or consumers are left. A later job prepares it anew.
    pub async fn discard(&self, key: &TypeKey, owner: Owner) -> Result<bool, Error> {
        let act = "discarding a type";
        let mut script = redis::cmd("EVAL");
        script.arg(DISCARD.as_slice()).arg(5).arg(self.keys.meta(key));
        for lane in Lane::ALL {
            script.arg(self.keys.lane(key, lane));
        }
        script.arg(self.keys.results(key)).arg(owner.0);
        let discarded = reply::count(act, &self.script(act, key, &script).await?)? > 0;
        if discarded {
            self.link.command(act, redis::cmd("SREM").arg(self.keys.types()).arg(key.to_string())).await?;
        }
        Ok(discarded)
    }

    /// The types of which tasks or results lie here, whoever put them there.
    pub async fn types_with_entries(&self) -> Result<Vec<TypeKey>, Error> {
        let act = "looking for types with entries";
        let listed = reply::array(act, self.link.command(act, redis::cmd("SMEMBERS").arg(self.keys.types())).await?)?;
        let names = listed.into_iter().map(|name| reply::text(act, name)).collect::<Result<Vec<_>, _>>()?;
        // A name that is no type's is not ours.
        let mut types: Vec<TypeKey> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let mut pipeline = redis::pipe();
        for key in &types {
            for lane in Lane::ALL {
                pipeline.cmd("XLEN").arg(self.keys.lane(key, lane));
            }
            pipeline.cmd("XLEN").arg(self.keys.results(key));
        }
        let lengths = self.link.pipeline(act, &pipeline).await?;
        let mut empty = lengths.chunks(Lane::ALL.len() + 1).map(|streams| streams.iter().all(|length| matches!(length, Ok(Value::Int(0)))));
        types.retain(|_| empty.next() == Some(false));
        Ok(types)
    }

    /// The newest result entry of a type, if any waits: once the collector has passed it, it has seen all that was said until now.
    pub async fn last_result(&self, key: &TypeKey) -> Result<Option<EntryId>, Error> {
        let act = "reading the newest result";
        let mut range = redis::cmd("XREVRANGE");
        range.arg(self.keys.results(key)).arg("+").arg("-").arg("COUNT").arg(1);
        Ok(reply::entries(act, self.link.command(act, &range).await?)?.pop().map(|raw| raw.id))
    }
}

fn is_no_group(error: &Error) -> bool {
    matches!(error, Error::Refused { source, .. } if source.code() == Some("NOGROUP"))
}

fn pending(act: &'static str, row: Value) -> Result<Pending, Error> {
    match <[Value; 4]>::try_from(reply::array(act, row)?) {
        Ok([id, consumer, idle_ms, deliveries]) => Ok(Pending {
            id: reply::entry_id(act, id)?,
            consumer: reply::text(act, consumer)?,
            idle_ms: reply::count(act, &idle_ms)?,
            deliveries: reply::count(act, &deliveries)?,
        }),
        Err(row) => Err(reply::unreadable(act, &Value::Array(row))),
    }
}

/// What our group of a lane has delivered.
fn delivered(act: &'static str, groups: Vec<Value>) -> Result<Backlog, Error> {
    for group in groups {
        let fields: BTreeMap<String, String> = reply::words(act, group)?.into_iter().collect();
        if fields.get("name").is_some_and(|name| name == GROUP) {
            let read = |field: &str| fields.get(field).map_or("", String::as_str);
            let delivered = read("last-delivered-id").parse().unwrap_or(EntryId::ZERO);
            return Ok(Backlog { length: 0, pending: read("pending").parse().unwrap_or(0), delivered });
        }
    }
    Ok(Backlog::default())
}

/// Name, pending and idle of a row of `XINFO CONSUMERS`.
fn consumer(act: &'static str, row: Value) -> Result<(String, u64, u64), Error> {
    let mut read = (String::new(), 0, 0);
    for (field, value) in reply::words(act, row)? {
        match field.as_str() {
            "name" => read.0 = value,
            "pending" => read.1 = value.parse().unwrap_or(0),
            "idle" => read.2 = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    Ok(read)
}
