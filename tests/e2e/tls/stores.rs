//! A Postgres and a Redis that speak TLS alone and ask for a certificate: a database, a role and a user of Redis for each test, and
//! the folders as a pod has them, mounted from secrets.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use redis::{ClientTlsConfig, TlsCertificates};
use sqlx::{AssertSqlSafe, Executor};

use crate::support::stores::{Database, database_at};
use crate::support::unique;

/// The folder of the repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What `rig/tls-stores` says of the servers.
struct Servers(BTreeMap<String, String>);

impl Servers {
    fn of(&self, name: &str) -> &str {
        &self.0[name]
    }

    fn pki(&self, file: &str) -> PathBuf {
        Path::new(self.of("pki")).join(file)
    }
}

/// The servers, started by the first who asks. `None` where there are none for this machine; in CI that is a failure.
fn servers() -> Option<&'static Servers> {
    static SERVERS: OnceLock<Option<Servers>> = OnceLock::new();
    let find = || {
        let found =
            Command::new(Path::new(ROOT).join("rig/tls-stores")).arg("up").stderr(Stdio::inherit()).output().expect("rig/tls-stores");
        let absent = found.status.code() == Some(3) && std::env::var("CI").is_err();
        assert!(absent || found.status.success(), "rig/tls-stores failed");
        let lines = String::from_utf8(found.stdout).expect("text");
        let lines = lines.lines().filter_map(|line| line.split_once('='));
        (!absent).then(|| Servers(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    };
    SERVERS.get_or_init(find).as_ref()
}

/// One of the two stores; its name is that of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Postgres,
    Redis,
}

impl Store {
    fn folder(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        }
    }
}

/// How a secret says where a store is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// As one address.
    Uri,
    /// As parts of one.
    Parts,
}

/// What a test has of the servers.
pub(super) struct Stores {
    servers: &'static Servers,
    folder: tempfile::TempDir,
    pool: sqlx::PgPool,
    redis: redis::Client,
    /// The role in Postgres, the user in Redis.
    user: String,
    database: String,
    form: Form,
    passwords: Mutex<BTreeMap<&'static str, String>>,
}

impl Stores {
    /// A database with a role that owns it and a user of Redis, who have these passwords; `None` where there are no servers.
    pub(super) async fn new(form: Form, postgres: &str, redis: &str) -> Option<(Self, Database)> {
        let servers = servers()?;
        let database = database_at(administrator(servers)).await;
        let stores = Self {
            servers,
            folder: tempfile::tempdir().expect("a folder"),
            pool: database.pool.clone(),
            redis: client(servers),
            user: unique("igor").replace('-', "_"),
            database: database.name.clone(),
            form,
            passwords: Mutex::default(),
        };
        stores.administer("CREATE ROLE {} LOGIN SUPERUSER").await;
        for (store, password) in [(Store::Postgres, postgres), (Store::Redis, redis)] {
            stores.set_password(store, password).await;
            stores.write_password(store, password);
            stores.write_host(store, "localhost");
            for file in ["ca.crt", "client.crt", "client.key"] {
                fs::copy(servers.pki(file), stores.at(store, file)).expect("a certificate");
            }
        }
        Some((stores, database))
    }

    /// What programs are told, as the chart tells them.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        let path = |store, file| self.at(store, file).to_str().expect("a path").to_owned();
        vec![
            ("DATABASE_URL_FILE", path(Store::Postgres, "")),
            ("PGSSLMODE", "verify-full".to_owned()),
            ("PGSSLROOTCERT", path(Store::Postgres, "ca.crt")),
            ("PGSSLCERT", path(Store::Postgres, "client.crt")),
            ("PGSSLKEY", path(Store::Postgres, "client.key")),
            ("REDIS_URL_FILE", path(Store::Redis, "")),
            ("REDIS_CA_FILE", path(Store::Redis, "ca.crt")),
            ("REDIS_CERT_FILE", path(Store::Redis, "client.crt")),
            ("REDIS_KEY_FILE", path(Store::Redis, "client.key")),
        ]
    }

    /// A file as a pod has it.
    pub(super) fn at(&self, store: Store, file: &str) -> PathBuf {
        let folder = self.folder.path().join(store.folder());
        fs::create_dir_all(&folder).expect("a folder");
        folder.join(file)
    }

    /// Puts a file of the rig's in the place of a mounted one.
    pub(super) fn replace(&self, store: Store, file: &str, by: &str) {
        fs::copy(self.servers.pki(by), self.at(store, file)).expect("another file");
    }

    /// Runs statements as the administrator; `{}` stands for the role.
    pub(super) async fn administer(&self, statement: &str) {
        self.pool.execute(AssertSqlSafe(statement.replace("{}", &self.user))).await.expect("administered");
    }

    /// Changes a password in the server.
    pub(super) async fn set_password(&self, store: Store, password: &str) {
        match store {
            Store::Postgres => self.administer(&format!("ALTER ROLE {{}} PASSWORD '{password}'")).await,
            Store::Redis => {
                let rights = ["on", "resetpass", &format!(">{password}"), "~*", "&*", "+@all"];
                self.ask(redis::cmd("ACL").arg("SETUSER").arg(&self.user).arg(&rights)).await;
            }
        }
    }

    /// Changes a password in the secret.
    pub(super) fn write_password(&self, store: Store, password: &str) {
        self.passwords.lock().expect("a lock").insert(store.folder(), password.to_owned());
        self.write_part(store, "password", password);
    }

    /// Changes in the secret where a store is.
    pub(super) fn write_host(&self, store: Store, host: &str) {
        let port = format!("{}_port", store.folder());
        self.write_part(store, "port", self.servers.of(&port));
        self.write_part(store, "user", &self.user);
        self.write_part(store, "dbname", &self.database);
        self.write_part(store, "host", host);
    }

    /// Writes a part as a secret of that form has it: in a file of its own, or the whole address once there are all of its parts.
    fn write_part(&self, store: Store, part: &str, value: &str) {
        let parts = match self.form {
            Form::Parts => self.at(store, ""),
            Form::Uri => self.folder.path().join(format!("parts-of-{}", store.folder())),
        };
        fs::create_dir_all(&parts).expect("a folder");
        fs::write(parts.join(part), value).expect("a part");
        let read = |part: &str| fs::read_to_string(parts.join(part));
        let (Form::Uri, Ok(host)) = (self.form, read("host")) else { return };
        let [user, port, database] = ["user", "port", "dbname"].map(|part| read(part).expect("a part"));
        let password: String = form_urlencoded::byte_serialize(read("password").expect("a part").as_bytes()).collect();
        let uri = match store {
            Store::Postgres => format!("postgres://{user}:{password}@{host}:{port}/{database}\n"),
            Store::Redis => format!("rediss://{user}:{password}@{host}:{port}/0\n"),
        };
        fs::write(self.at(store, "uri"), uri).expect("an address");
    }

    /// Cuts all connections of programs, so that they make new ones.
    pub(super) async fn cut(&self, store: Store) {
        match store {
            Store::Postgres => self.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'").await,
            Store::Redis => self.ask(redis::cmd("CLIENT").arg("KILL").arg("USER").arg(&self.user)).await,
        }
    }

    async fn ask(&self, command: &redis::Cmd) {
        let mut connection = self.redis.get_multiplexed_async_connection().await.expect("the TLS Redis");
        command.query_async::<redis::Value>(&mut connection).await.expect("administered");
    }
}

fn administrator(servers: &Servers) -> String {
    let file = |file| servers.pki(file).display().to_string();
    format!(
        "postgres://{}:{}@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
        servers.of("postgres_user"),
        servers.of("postgres_password"),
        servers.of("postgres_port"),
        file("ca.crt"),
        file("client.crt"),
        file("client.key"),
    )
}

fn client(servers: &Servers) -> redis::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    let bytes = |file| fs::read(servers.pki(file)).expect("a certificate");
    let client_tls = Some(ClientTlsConfig { client_cert: bytes("client.crt"), client_key: bytes("client.key") });
    let url = format!("rediss://:{}@localhost:{}", servers.of("redis_password"), servers.of("redis_port"));
    redis::Client::build_with_tls(url, TlsCertificates { client_tls, root_cert: Some(bytes("ca.crt")) }).expect("a client")
}
