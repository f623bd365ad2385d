//! What the API is told at start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::stores::NO_DATABASE;
use super::{Address, Error, Operator, PostgresFlags, Redis, RedisFlags, Secret, read};

/// Flags and environment of `igor api`; what is unset comes from the file, else from the default.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ApiFlags {
    /// YAML file with the settings below, in camelCase
    #[arg(long, env = "IGOR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    postgres: PostgresFlags,
    #[command(flatten)]
    redis: RedisFlags,
    #[command(flatten)]
    serving: ServingFlags,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, env = "IGOR_METRICS_ADDR", value_name = "ADDRESS")]
    metrics_addr: Option<SocketAddr>,
    /// Namespace of jobs whose request names none
    #[arg(long, env = "IGOR_NAMESPACE", value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Namespace that is served; repeat for more; none = the whole cluster
    #[arg(long = "watch-namespace", env = "IGOR_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    watch_namespaces: Vec<String>,
}

/// Flags and environment of what serves the API: where, and for whom.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServingFlags {
    /// Where the API is served; port 0 takes any that is free
    #[arg(long, env = "IGOR_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// How callers are known: by the tokens of the cluster, or not at all. Without, only loopback is served
    #[arg(long, env = "IGOR_AUTH", value_enum)]
    auth: Option<Auth>,
    /// With --auth none: serve an address that others reach, so that EVERYBODY who reaches it may do EVERYTHING
    #[arg(long)]
    anybody_may_do_anything: bool,
    /// Audience that a token may be meant for; repeat for more. Default: igor, and those of the API server
    #[arg(long = "audience", env = "IGOR_AUDIENCES", value_delimiter = ',', value_name = "AUDIENCE")]
    audiences: Vec<String>,
}

/// The file: settings of [`ApiFlags`], and those that have no flag.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    database_url: Option<Secret>,
    redis_url: Option<Secret>,
    prefix: Option<String>,
    listen: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    namespace: Option<String>,
    watch_namespaces: Vec<String>,
    auth: Option<Auth>,
    audiences: Vec<String>,
    limits: Limits,
}

/// How callers are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Auth {
    /// By tokens that the cluster's API server reviews.
    #[default]
    Token,
    /// Not at all: everybody may do everything.
    None,
}

/// What one caller, and all together, may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// Connections at a time; more wait to be taken.
    pub connections: usize,
    /// Seconds that the head of a request may take to arrive.
    pub head_seconds: u32,
    /// Seconds that a request may take, its body included.
    pub request_seconds: u32,
    /// Requests a second of one caller, in the long run.
    pub requests_per_second: u32,
    /// Requests that one caller may make at once above that.
    pub burst: u32,
    /// Requests of one caller at a time.
    pub at_once: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 10 * 1024 * 1024,
            connections: 1000,
            head_seconds: 10,
            request_seconds: 60,
            requests_per_second: 200,
            burst: 400,
            at_once: 32,
        }
    }
}

impl Limits {
    /// How long the head of a request may take to arrive.
    pub fn head(&self) -> Duration {
        Duration::from_secs(self.head_seconds.into())
    }

    /// How long a request may take.
    pub fn request(&self) -> Duration {
        Duration::from_secs(self.request_seconds.into())
    }
}

/// All that `igor api` needs to know.
#[derive(Clone, Debug)]
pub struct Api {
    /// Where the truth lies.
    pub database: Address,
    /// Where the work waits: only to show who serves it.
    pub redis: Option<Redis>,
    /// Where the API is served.
    pub listen: SocketAddr,
    /// Where the probes are answered.
    pub metrics_addr: SocketAddr,
    /// The namespace of jobs whose request names none.
    pub namespace: String,
    /// The namespaces that are served; none = the whole cluster.
    pub namespaces: Vec<String>,
    /// How callers are known.
    pub auth: Auth,
    /// Audiences that a token may be meant for.
    pub audiences: Vec<String>,
    /// What may be asked for.
    pub limits: Limits,
}

impl ServingFlags {
    /// Where and for whom, by the flags, or else as given, or else by default.
    fn place(&self, listen: Option<SocketAddr>, auth: Option<Auth>) -> (SocketAddr, Auth) {
        let listen = self.listen.or(listen).unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8000).into());
        (listen, self.auth.or(auth).unwrap_or_default())
    }

    fn too_open(&self, listen: SocketAddr, auth: Auth) -> Option<String> {
        let open = auth == Auth::None && !listen.ip().is_loopback() && !self.anybody_may_do_anything;
        open.then(|| {
            format!(
                "auth none serves loopback only, and {listen} is not: take the tokens of the cluster (auth token), \
                 or say --anybody-may-do-anything"
            )
        })
    }
}

impl Api {
    /// Reads the file that the flags name, if any, and lets the flags (and the environment) win over it.
    pub fn load(flags: ApiFlags) -> Result<Self, Error> {
        let file = flags.config.as_deref().map(read).transpose()?.unwrap_or_default();
        Self::merge(flags, file)
    }

    /// For an API in the process of an operator: its stores, its namespaces, and `namespace` for jobs whose request names none.
    pub fn beside(operator: &Operator, serving: ServingFlags, namespace: &str) -> Result<Self, Error> {
        let (listen, auth) = serving.place(None, None);
        if let Some(fault) = serving.too_open(listen, auth) {
            return Err(Error::Invalid(vec![fault]));
        }
        Ok(Self {
            database: operator.database.clone(),
            redis: Some(operator.redis.clone()),
            listen,
            metrics_addr: operator.metrics_addr,
            namespace: namespace.to_owned(),
            namespaces: operator.watch.namespaces.clone(),
            auth,
            audiences: serving.audiences,
            limits: Limits::default(),
        })
    }

    fn merge(flags: ApiFlags, file: File) -> Result<Self, Error> {
        let mut faults = Vec::new();
        let database = flags.postgres.address().or(file.database_url.map(Address::Url));
        if database.is_none() {
            faults.push(NO_DATABASE.to_owned());
        }
        let (listen, auth) = flags.serving.place(file.listen, file.auth);
        faults.extend(flags.serving.too_open(listen, auth));
        faults.extend(file.limits.faults());
        let Some(database) = database.filter(|_| faults.is_empty()) else { return Err(Error::Invalid(faults)) };
        Ok(Self {
            database,
            redis: flags.redis.or(file.redis_url, file.prefix).redis(),
            listen,
            metrics_addr: flags.metrics_addr.or(file.metrics_addr).unwrap_or_else(|| ([0, 0, 0, 0], 8080).into()),
            namespace: flags.namespace.or(file.namespace).unwrap_or_else(|| "default".to_owned()),
            namespaces: if flags.watch_namespaces.is_empty() { file.watch_namespaces } else { flags.watch_namespaces },
            auth,
            audiences: if flags.serving.audiences.is_empty() { file.audiences } else { flags.serving.audiences },
            limits: file.limits,
        })
    }
}

impl Limits {
    fn faults(&self) -> Vec<String> {
        let zero = [
            ("bodyBytes", self.body_bytes == 0),
            ("connections", self.connections == 0),
            ("headSeconds", self.head_seconds == 0),
            ("requestSeconds", self.request_seconds == 0),
            ("requestsPerSecond", self.requests_per_second == 0),
            ("burst", self.burst == 0),
            ("atOnce", self.at_once == 0),
        ];
        zero.into_iter().filter(|(_, is_zero)| *is_zero).map(|(name, _)| format!("limits.{name}: 0 would let nothing through")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(flags: ApiFlags, yaml: &str) -> Result<Api, String> {
        let file = serde_yaml::from_str(&format!("databaseUrl: postgres://h/d\n{yaml}")).expect("a file of settings");
        Api::merge(flags, file).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let flags = ApiFlags { namespace: Some("mine".to_owned()), ..ApiFlags::default() };
        let api = merged(flags, "namespace: theirs\naudiences: [farm]\nlimits: {burst: 7}").expect("settings");
        assert_eq!((api.namespace.as_str(), api.audiences, api.auth), ("mine", vec!["farm".to_owned()], Auth::Token));
        assert_eq!(api.limits, Limits { burst: 7, ..Limits::default() });
        assert_eq!(api.listen, SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)));
    }

    #[test]
    fn without_auth_only_loopback_is_served_unless_a_loud_flag_says_so() {
        let open = |listen: &str, shouted| {
            let listen = Some(listen.parse().expect("an address"));
            let serving = ServingFlags { listen, auth: Some(Auth::None), anybody_may_do_anything: shouted, ..ServingFlags::default() };
            merged(ApiFlags { serving, ..ApiFlags::default() }, "").is_ok()
        };
        assert_eq!(
            [open("127.0.0.1:80", false), open("[::1]:80", false), open("0.0.0.0:80", false), open("0.0.0.0:80", true)],
            [true, true, false, true]
        );
    }

    #[test]
    fn a_limit_of_nothing_is_a_fault() {
        let said = merged(ApiFlags::default(), "limits: {atOnce: 0, burst: 0}").expect_err("faults");
        assert_eq!(
            said,
            "the settings cannot be used:\n  limits.burst: 0 would let nothing through\n  limits.atOnce: 0 would let nothing through"
        );
    }
}
