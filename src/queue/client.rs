//! The operator's client: connecting, whose Redis this is, and a type's meta.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use redis::{Cmd, Value};

use super::link::{Link, RESPONSE_TIMEOUT};
use super::{CONTRACT, Error, GROUP, Keys, Lane, Owner, Settings, TypeKey, reply};

/// Settings of a type that its workers go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// How long a task may stand without renewal, in milliseconds.
    pub lease_ms: u64,
    /// How long a worker runs on without contact to Redis, in milliseconds.
    pub grace_ms: u64,
    /// Most tasks a worker may take as one batch.
    pub batch_max: u32,
    /// How long a worker may wait for a batch to fill, in milliseconds.
    pub batch_delay_ms: u64,
    /// Most tasks a slot should take at once, so that a big batch does not hoard a small layer; 0: no such limit.
    pub share: u32,
}

impl Default for Meta {
    fn default() -> Self {
        Self { lease_ms: 30_000, grace_ms: 600_000, batch_max: 100, batch_delay_ms: 0, share: 0 }
    }
}

/// What [`Client::claim`] found of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The `gen` that stands there: its data is as the last leader left it. `None`: Redis knows nothing of this type, or a restore
    /// did not finish; what the ledger calls queued has to be added again before [`Client::open`].
    pub generation: Option<String>,
}

/// The operator's access to the queue: cheap to clone, one pipelined connection.
///
/// No call repeats itself: after [`Error::Unknown`] the caller decides what is known.
#[derive(Clone)]
pub struct Client {
    pub(super) link: Link,
    pub(super) keys: Arc<Keys>,
    pub(super) settings: Arc<Settings>,
}

/// The fence: only a leader of a higher or the same epoch takes a type over.
static CLAIM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    br"local o = tonumber(redis.call('HGET', KEYS[1], 'owner'))
if o and o > tonumber(ARGV[1]) then return redis.error_reply('FENCED by a later owner') end
redis.call('HSET', KEYS[1], 'owner', unpack(ARGV))
return redis.call('HGET', KEYS[1], 'gen')"
        .to_vec()
});

/// Takes the mark away that the type's data is whole.
static CLOSE: LazyLock<Vec<u8>> = LazyLock::new(|| fenced(1, "return redis.call('HDEL', KEYS[1], 'gen')"));

/// Sets fields of meta for its owner.
static AMEND: LazyLock<Vec<u8>> = LazyLock::new(|| fenced(1, "redis.call('HSET', KEYS[1], unpack(ARGV, 2)) return 1"));

/// A script that goes on only for the owner named in the meta at `KEYS[meta]`; the owner is `ARGV[1]`.
///
/// Its errors have a second word: a single one would come back behind `ERR`.
pub(super) fn fenced(meta: u8, body: &str) -> Vec<u8> {
    format!(
        "local o = redis.call('HGET', KEYS[{meta}], 'owner') if not o then return redis.error_reply('NOMETA not prepared') end \
         if o ~= ARGV[1] then return redis.error_reply('FENCED by a later owner') end {body}"
    )
    .into_bytes()
}

impl Client {
    /// Connects and checks that Redis answers.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        let link = Link::new(settings.clone(), "igor-operator", Some(RESPONSE_TIMEOUT));
        let client = Self { link, keys: Arc::new(Keys::new(settings.prefix.clone())), settings };
        client.ping().await?;
        Ok(client)
    }

    /// Where it connects to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys it uses.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many connections were made so far: a change between two moments tells that round trips in between may be broken.
    pub async fn connections_made(&self) -> u64 {
        self.link.made().await
    }

    /// Whether Redis answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.link.command("PING", &redis::cmd("PING")).await.map(drop)
    }

    /// The id of the ledger that this Redis belongs to, if any ever claimed it.
    pub async fn install(&self) -> Result<Option<String>, Error> {
        let act = "reading the install id";
        match self.link.command(act, redis::cmd("GET").arg(self.keys.install())).await? {
            Value::Nil => Ok(None),
            id => reply::text(act, id).map(Some),
        }
    }

    /// Says whose Redis this is from now on.
    pub async fn set_install(&self, id: &str) -> Result<(), Error> {
        self.link.command("writing the install id", redis::cmd("SET").arg(self.keys.install()).arg(id)).await.map(drop)
    }

    /// What tells this server process from every other: another answer than before means a restart or a failover. `None` where the
    /// server does not let it be read.
    pub async fn server_id(&self) -> Result<Option<String>, Error> {
        let act = "reading the server's id";
        match self.link.command(act, redis::cmd("INFO").arg("server")).await {
            Ok(value) => Ok(reply::text(act, value)?.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned())),
            Err(Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The server's `maxmemory-policy`, which must be `noeviction`; `None` where the server does not let it be read.
    pub async fn eviction_policy(&self) -> Result<Option<String>, Error> {
        let act = "reading maxmemory-policy";
        match self.link.command(act, redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy")).await {
            Ok(value) => Ok(reply::words(act, value)?.pop().map(|(_, policy)| policy)),
            Err(Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a type ready for [`admit`](Self::admit) and its workers, or takes it over from an earlier leader; may be repeated.
    ///
    /// This is [`claim`](Self::claim), then [`open`](Self::open) with a new generation where there was none. A leader whose ledger
    /// says that tasks of the type are queued does the two itself and adds those in between.
    pub async fn prepare(&self, key: &TypeKey, meta: &Meta, owner: Owner) -> Result<Found, Error> {
        let found = self.claim(key, meta, owner).await?;
        if found.generation.is_none() {
            self.open(key, owner).await?;
        }
        Ok(found)
    }

    /// Writes owner and settings, makes the groups, and tells what `gen` was there. Fails with [`Error::Fenced`] when a later epoch
    /// owns the type already.
    pub async fn claim(&self, key: &TypeKey, meta: &Meta, owner: Owner) -> Result<Found, Error> {
        let act = "claiming a type";
        let mut script = redis::cmd("EVAL");
        script.arg(CLAIM.as_slice()).arg(1).arg(self.keys.meta(key)).arg(owner.0).arg("v").arg(CONTRACT);
        script.arg("lease_ms").arg(meta.lease_ms).arg("grace_ms").arg(meta.grace_ms);
        script.arg("batch_max").arg(meta.batch_max).arg("batch_delay_ms").arg(meta.batch_delay_ms).arg("share").arg(meta.share);
        let generation = match self.script(act, key, &script).await? {
            Value::Nil => None,
            generation => Some(reply::text(act, generation)?),
        };
        let listed = redis::cmd("SADD").arg(self.keys.types()).arg(key.to_string()).take();
        // Before there is a stream that could hold something.
        self.link.command(act, &listed).await?;
        self.make_groups(key).await?;
        Ok(Found { generation })
    }

    /// Writes a new `gen`, which tells workers that the type's data is whole: the last step of making or restoring a type.
    pub async fn open(&self, key: &TypeKey, owner: Owner) -> Result<String, Error> {
        // It only has to differ from every other.
        let generation = format!("{:032x}", rand::random::<u128>());
        self.amend(key, owner, "gen", &generation).await?;
        Ok(generation)
    }

    /// Deletes `gen`: the data may not be what it was, as after a failover to an older copy. Workers announce what they run until
    /// it is whole again and [`open`](Self::open)ed.
    pub async fn close(&self, key: &TypeKey, owner: Owner) -> Result<(), Error> {
        let mut script = redis::cmd("EVAL");
        script.arg(CLOSE.as_slice()).arg(1).arg(self.keys.meta(key)).arg(owner.0);
        self.script("closing a type", key, &script).await.map(drop)
    }

    /// Sets how many tasks a slot should take at once.
    pub async fn set_share(&self, key: &TypeKey, owner: Owner, share: u32) -> Result<(), Error> {
        self.amend(key, owner, "share", &share.to_string()).await
    }

    /// The type's meta as it stands, field by field; empty when there is none.
    pub async fn meta(&self, key: &TypeKey) -> Result<HashMap<String, String>, Error> {
        let act = "reading meta";
        let value = self.link.command(act, redis::cmd("HGETALL").arg(self.keys.meta(key))).await?;
        Ok(reply::words(act, value)?.into_iter().collect())
    }

    async fn amend(&self, key: &TypeKey, owner: Owner, field: &str, value: &str) -> Result<(), Error> {
        let mut script = redis::cmd("EVAL");
        script.arg(AMEND.as_slice()).arg(1).arg(self.keys.meta(key)).arg(owner.0).arg(field).arg(value);
        self.script("amending meta", key, &script).await.map(drop)
    }

    async fn make_groups(&self, key: &TypeKey) -> Result<(), Error> {
        let act = "making the groups";
        let mut pipeline = redis::pipe();
        for lane in Lane::ALL {
            pipeline.cmd("XGROUP").arg("CREATE").arg(self.keys.lane(key, lane)).arg(GROUP).arg("0").arg("MKSTREAM");
        }
        for made in self.link.pipeline(act, &pipeline).await? {
            match made {
                Err(source) if source.code() != Some("BUSYGROUP") => return Err(Error::Refused { act, source }),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn script(&self, act: &'static str, key: &TypeKey, script: &Cmd) -> Result<Value, Error> {
        self.link.command(act, script).await.map_err(|error| fence(error, key))
    }
}

/// Turns the two words of our scripts into what they mean.
pub(super) fn fence(error: Error, key: &TypeKey) -> Error {
    match error {
        Error::Refused { source, .. } if source.code() == Some("NOMETA") => Error::NoMeta(key.clone()),
        Error::Refused { source, .. } if source.code() == Some("FENCED") => Error::Fenced(key.clone()),
        other => other,
    }
}
