//! What the operator moves in the lanes: adding, revoking, recalling, and clearing away what is committed.

use std::sync::LazyLock;

use redis::Pipeline;
use uuid::Uuid;

use super::client::{Client, fence, fenced};
use super::{Entry, EntryId, EntryRef, Error, GROUP, Header, ITEMS_MAX, Lane, Owner, TypeKey, reply};

/// Most entries or ids in one script call: a call of this size keeps the server busy for about a millisecond.
const SCRIPT_MAX: usize = 500;

/// Entries read at once.
const PAGE: usize = 1000;

static ADMIT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    fenced(
        2,
        "local out = {} for i = 2, #ARGV, 2 do out[#out + 1] = redis.call('XADD', KEYS[1], '*', 'h', ARGV[i], 'p', ARGV[i + 1]) end return out",
    )
});

static REMOVE: LazyLock<Vec<u8>> =
    LazyLock::new(|| fenced(2, "redis.call('XACK', KEYS[1], 'igor', unpack(ARGV, 2)) return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))"));

/// An id that is in nobody's pending list has not been delivered: only those are taken back.
static RECALL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    fenced(
        2,
        "local out = {} for i = 2, #ARGV do local id = ARGV[i] \
         if #redis.call('XPENDING', KEYS[1], 'igor', id, id, 1) == 0 and redis.call('XDEL', KEYS[1], id) == 1 then out[#out + 1] = id end \
         end return out",
    )
});

/// What a commit made superfluous, of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The type.
    pub key: TypeKey,
    /// Entries whose attempt has ended.
    pub entries: Vec<EntryRef>,
    /// Result entries that are committed, dropped or set aside.
    pub results: Vec<EntryId>,
}

/// An entry found in a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: EntryId,
    /// Its header, or why it cannot be read.
    pub header: Result<Header, String>,
}

impl Client {
    /// Adds tasks to a lane, in order, at most 500 a script call; their entry ids, in the same order.
    ///
    /// After any error but [`Error::Fenced`] the first of them may be in, whole calls at a time: read the tail of the lane with
    /// [`entries`](Self::entries) before anything else.
    pub async fn admit(&self, key: &TypeKey, lane: Lane, entries: &[Entry], owner: Owner) -> Result<Vec<EntryId>, Error> {
        let act = "admitting tasks";
        let mut ids = Vec::with_capacity(entries.len());
        for chunk in entries.chunks(SCRIPT_MAX) {
            let mut script = redis::cmd("EVAL");
            script.arg(ADMIT.as_slice()).arg(2).arg(self.keys.lane(key, lane)).arg(self.keys.meta(key)).arg(owner.0);
            for entry in chunk {
                script.arg(entry.header.to_json()).arg(entry.args.as_slice());
            }
            ids.extend(reply::ids(act, self.script(act, key, &script).await?)?);
        }
        Ok(ids)
    }

    /// Deletes entries, delivered or not, which ends the lease of whoever runs them; how many there were.
    pub async fn remove(&self, key: &TypeKey, entries: &[EntryRef], owner: Owner) -> Result<u64, Error> {
        let act = "removing entries";
        let mut pipeline = redis::pipe();
        self.add_removals(&mut pipeline, key, entries, owner);
        let mut removed = 0;
        for answer in self.link.pipeline(act, &pipeline).await? {
            let answer = answer.map_err(|source| fence(Error::Refused { act, source }, key))?;
            removed += reply::count(act, &answer)?;
        }
        Ok(removed)
    }

    /// Takes back those of `ids` that no worker has got, in one step each; the ids taken.
    pub async fn recall(&self, key: &TypeKey, lane: Lane, ids: &[EntryId], owner: Owner) -> Result<Vec<EntryId>, Error> {
        let act = "recalling entries";
        let mut taken = Vec::new();
        for chunk in ids.chunks(SCRIPT_MAX) {
            let mut script = redis::cmd("EVAL");
            script.arg(RECALL.as_slice()).arg(2).arg(self.keys.lane(key, lane)).arg(self.keys.meta(key)).arg(owner.0);
            for id in chunk {
                script.arg(id.to_string());
            }
            taken.extend(reply::ids(act, self.script(act, key, &script).await?)?);
        }
        Ok(taken)
    }

    /// Tells the workers of a type to stop attempts. Only a hint that makes it quick: what ends a lease is [`remove`](Self::remove).
    pub async fn publish_kill(&self, key: &TypeKey, attempts: &[(Uuid, u32)]) -> Result<(), Error> {
        let act = "publishing kills";
        let mut pipeline = redis::pipe();
        for chunk in attempts.chunks(ITEMS_MAX) {
            let kill: Vec<String> = chunk.iter().map(|(task, attempt)| format!("{task}.{attempt}")).collect();
            pipeline.cmd("PUBLISH").arg(self.keys.control(key)).arg(serde_json::json!({ "kill": kill }).to_string());
        }
        for answer in self.link.pipeline(act, &pipeline).await? {
            answer.map_err(|source| Error::Refused { act, source })?;
        }
        Ok(())
    }

    /// After a commit: deletes entries and results of any number of types in one round trip. Everything is tried; the first error
    /// is returned. To do it twice is to do it once.
    pub async fn settle(&self, settled: &[Settled], owner: Owner) -> Result<(), Error> {
        let act = "settling results";
        let mut pipeline = redis::pipe();
        let mut about = Vec::new();
        for of in settled {
            self.add_removals(&mut pipeline, &of.key, &of.entries, owner);
            for chunk in of.results.chunks(SCRIPT_MAX) {
                let delete = pipeline.cmd("XDEL").arg(self.keys.results(&of.key));
                for id in chunk {
                    delete.arg(id.to_string());
                }
            }
            about.resize(pipeline.len(), &of.key);
        }
        let mut first = Ok(());
        for (answer, key) in self.link.pipeline(act, &pipeline).await?.into_iter().zip(about) {
            if let (Err(source), Ok(())) = (answer, &first) {
                first = Err(fence(Error::Refused { act, source }, key));
            }
        }
        first
    }

    /// A page of a lane's entries behind `after`, oldest first, at most `most`; shorter than that: the end is reached.
    pub async fn entries(&self, key: &TypeKey, lane: Lane, after: EntryId, most: usize) -> Result<Vec<Stored>, Error> {
        let act = "reading a lane";
        let mut range = redis::cmd("XRANGE");
        range.arg(self.keys.lane(key, lane)).arg(format!("({after}")).arg("+").arg("COUNT").arg(most);
        let raws = reply::entries(act, self.link.command(act, &range).await?)?;
        let stored = raws.into_iter().map(|mut raw| {
            let header = raw.take(b"h").ok_or_else(|| "there is no header".to_owned());
            Stored { id: raw.id, header: header.and_then(|json| Header::from_json(&json)) }
        });
        Ok(stored.collect())
    }

    /// Everything that lies in the lanes of a type, page by page.
    pub async fn lying(&self, key: &TypeKey) -> Result<Vec<(Lane, Stored)>, Error> {
        let mut lying = Vec::new();
        for lane in Lane::ALL {
            let mut after = EntryId::ZERO;
            loop {
                let page = self.entries(key, lane, after, PAGE).await?;
                let is_last = page.len() < PAGE;
                after = page.last().map_or(after, |last| last.id);
                lying.extend(page.into_iter().map(|stored| (lane, stored)));
                if is_last {
                    break;
                }
            }
        }
        Ok(lying)
    }

    fn add_removals(&self, pipeline: &mut Pipeline, key: &TypeKey, entries: &[EntryRef], owner: Owner) {
        for lane in Lane::ALL {
            let ids: Vec<EntryId> = entries.iter().filter(|entry| entry.lane == lane).map(|entry| entry.id).collect();
            for chunk in ids.chunks(SCRIPT_MAX) {
                let script = pipeline.cmd("EVAL").arg(REMOVE.as_slice()).arg(2);
                script.arg(self.keys.lane(key, lane)).arg(self.keys.meta(key)).arg(owner.0);
                for id in chunk {
                    script.arg(id.to_string());
                }
            }
        }
    }
}

/// The scripts name the group as a literal.
const _: () = assert!(matches!(GROUP.as_bytes(), b"igor"));
