//! What an operator is told at start: one struct a concern, read from file, then environment, then flags, checked once.
//!
//! Every fault is reported at once. Nothing here connects to anything, and no value that may hold a password is printed.

mod api;
mod stores;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use self::api::{Api, ApiFlags, Auth, Limits, ServingFlags};
pub use self::stores::{Address, PostgresFlags, Redis, RedisFlags, RedisTls, RedisTlsMode, Secret};
use self::stores::{NO_DATABASE, NO_REDIS};

/// Flags and environment of `igor operator`; what is unset comes from the file, else from the default.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// YAML file with the settings below, in camelCase
    #[arg(long, env = "IGOR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    postgres: PostgresFlags,
    #[command(flatten)]
    redis: RedisFlags,
    /// Bring the database up to this version before anything else; several operators at once take turns
    #[arg(long, env = "IGOR_MIGRATE")]
    migrate: bool,
    /// Namespace to watch; repeat for more; none = the whole cluster
    #[arg(long = "watch-namespace", env = "IGOR_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,
    /// Namespace of the leader's lease
    #[arg(long, env = "IGOR_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// Name of the leader's lease: operators of one name take turns
    #[arg(long, env = "IGOR_LEASE_NAME", value_name = "NAME")]
    lease_name: Option<String>,
    /// How this process is named in the lease: one that starts again under its old name need not wait for the lease to run out.
    /// Inside a cluster the pod's name; else the host's with random letters
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// Seconds that a task's lease lasts without its worker's word
    #[arg(long, env = "IGOR_TASK_LEASE_SECONDS", value_name = "SECONDS")]
    task_lease_seconds: Option<f64>,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, env = "IGOR_METRICS_ADDR", value_name = "ADDRESS")]
    metrics_addr: Option<std::net::SocketAddr>,
    /// Use stores that another install has stamped as its own
    #[arg(long)]
    adopt: bool,
}

/// The file: settings of [`Flags`], and those that have no flag.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    database_url: Option<Secret>,
    redis_url: Option<Secret>,
    prefix: Option<String>,
    watch_namespaces: Vec<String>,
    lease_namespace: Option<String>,
    lease_name: Option<String>,
    task_lease_seconds: Option<f64>,
    metrics_addr: Option<std::net::SocketAddr>,
    shared_queues: Vec<SharedQueue>,
    cluster_id: Option<String>,
    writes_per_second: Option<u32>,
}

/// A queue that several namespaces share; others have their own `<namespace>.<queue>`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedQueue {
    /// Its name.
    pub name: String,
    /// Who may use it.
    pub namespaces: Vec<String>,
}

/// All that `igor operator` needs to know.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Where the truth lies.
    pub database: Address,
    /// Bring it up to this version first.
    pub migrate: bool,
    /// Where the work waits.
    pub redis: Redis,
    /// Which objects are ours.
    pub watch: Watch,
    /// Who leads.
    pub lease: Lease,
    /// How tasks are handed out.
    pub tasks: Tasks,
    /// Where the probes are answered.
    pub metrics_addr: std::net::SocketAddr,
    /// The cluster's id, when it is not to be the uid of namespace kube-system.
    pub cluster_id: Option<String>,
    /// Take stores that another install has stamped.
    pub adopt: bool,
}

/// Which objects are ours, and how fast we write to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The namespaces; none = the whole cluster.
    pub namespaces: Vec<String>,
    /// Status writes a second, over all objects.
    pub writes_per_second: u32,
}

/// The leader's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How this process is named in it, when it has a name that outlives it.
    pub identity: Option<String>,
}

/// How tasks are handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Tasks {
    /// How long a task is its worker's without a word from it.
    pub lease: Duration,
    /// How long a worker goes on without Redis.
    pub grace: Duration,
    /// Most tasks that a worker takes at once.
    pub batch_max: u32,
    /// Which queues belong to more than one namespace, and to which.
    pub shared_queues: BTreeMap<String, Vec<String>>,
}

impl Tasks {
    /// The queue's name in Redis for a job of that namespace; `None` when the queue is shared and not with this namespace.
    pub fn queue(&self, namespace: &str, queue: &str) -> Option<String> {
        match self.shared_queues.get(queue) {
            None => Some(format!("{namespace}.{queue}")),
            Some(namespaces) => namespaces.iter().any(|allowed| allowed == namespace).then(|| queue.to_owned()),
        }
    }
}

/// Settings that cannot be used, all of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the settings in {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the settings in {} cannot be used", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_yaml::Error,
    },
    /// Settings are missing or out of bounds.
    #[error("the settings cannot be used:\n  {}", .0.join("\n  "))]
    Invalid(Vec<String>),
}

impl Operator {
    /// Reads the file that the flags name, if any, and lets the flags (and the environment) win over it.
    pub fn load(flags: Flags) -> Result<Self, Error> {
        let file = flags.config.as_deref().map(read).transpose()?.unwrap_or_default();
        Self::merge(flags, file)
    }

    fn merge(flags: Flags, file: File) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let database = flags.postgres.address().or(file.database_url.map(Address::Url));
        let redis = flags.redis.or(file.redis_url, file.prefix);
        if database.is_none() {
            faults.push(NO_DATABASE.to_owned());
        }
        if !redis.is_given() {
            faults.push(NO_REDIS.to_owned());
        }
        let prefix = redis.prefix();
        if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            faults.push(format!("prefix: \"{prefix}\" may hold letters, digits, . _ -"));
        }
        let lease_seconds = flags.task_lease_seconds.or(file.task_lease_seconds).unwrap_or(30.0);
        if !(0.3..=3600.0).contains(&lease_seconds) {
            faults.push(format!("taskLeaseSeconds: {lease_seconds} is not between 0.3 and 3600"));
        }
        let writes_per_second = file.writes_per_second.unwrap_or(300);
        if writes_per_second == 0 {
            faults.push("writesPerSecond: 0 would write no status at all".to_owned());
        }
        let (Some(database), Some(redis), true) = (database, redis.redis(), faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let namespaces = if flags.watch_namespaces.is_empty() { file.watch_namespaces } else { flags.watch_namespaces };
        Ok(Self {
            database,
            migrate: flags.migrate,
            redis,
            watch: Watch { namespaces, writes_per_second },
            lease: Lease {
                namespace: flags.lease_namespace.or(file.lease_namespace).unwrap_or_else(|| "igor-system".to_owned()),
                name: flags.lease_name.or(file.lease_name).unwrap_or_else(|| "igor-operator".to_owned()),
                identity: flags.identity,
            },
            tasks: Tasks {
                lease: Duration::from_secs_f64(lease_seconds),
                grace: Duration::from_secs(600),
                batch_max: 100,
                shared_queues: file.shared_queues.into_iter().map(|queue| (queue.name, queue.namespaces)).collect(),
            },
            metrics_addr: flags.metrics_addr.or(file.metrics_addr).unwrap_or_else(|| ([0, 0, 0, 0], 8080).into()),
            cluster_id: file.cluster_id,
            adopt: flags.adopt,
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_yaml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(yaml: &str) -> File {
        serde_yaml::from_str(yaml).expect("a file of settings")
    }

    const STORES: &str = "databaseUrl: postgres://u:secret@h/d\nredisUrl: redis://h\n";

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let flags = Flags { redis: RedisFlags::prefixed("mine"), ..Flags::default() };
        let config = Operator::merge(flags, file(&format!("{STORES}prefix: theirs\nleaseName: night"))).expect("settings");
        assert_eq!((config.redis.prefix.as_str(), config.lease.name.as_str()), ("mine", "night"));
        assert_eq!(config.lease.namespace, "igor-system");
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let flags = Flags { redis: RedisFlags::prefixed("a b"), task_lease_seconds: Some(0.0), ..Flags::default() };
        let error = Operator::merge(flags, File::default()).expect_err("faults");
        assert_eq!(
            error.to_string(),
            "the settings cannot be used:\n  set DATABASE_URL or --database-url, or a file or folder that holds it: DATABASE_URL_FILE\n  \
             set REDIS_URL or --redis-url, or a file or folder that holds it: REDIS_URL_FILE\n  \
             prefix: \"a b\" may hold letters, digits, . _ -\n  taskLeaseSeconds: 0 is not between 0.3 and 3600"
        );
    }

    #[test]
    fn a_password_is_never_printed() {
        let config = Operator::merge(Flags::default(), file(STORES)).expect("settings");
        assert!(!format!("{config:?}").contains("secret@"));
    }

    #[test]
    fn a_shared_queue_is_for_the_namespaces_it_names() {
        let yaml = format!("{STORES}sharedQueues: [{{name: farm, namespaces: [film]}}]");
        let tasks = Operator::merge(Flags::default(), file(&yaml)).expect("settings").tasks;
        assert_eq!(tasks.queue("film", "farm").as_deref(), Some("farm"));
        assert_eq!(tasks.queue("data", "farm"), None);
        assert_eq!(tasks.queue("data", "default").as_deref(), Some("data.default"));
    }
}
