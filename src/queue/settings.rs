//! Where Redis is and how to be let in.

use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};

use super::Error;

/// Where Redis is and how to be let in. Files are read at each new connection, so a renewed secret is taken up.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://host:port/db`, or `rediss://` for TLS.
    pub url: String,
    /// A file that holds the address instead, or a folder as a secret is mounted: its file `uri`, else its parts `host`, `port`,
    /// `username` (or `user`), `password` and `db`.
    pub url_file: Option<PathBuf>,
    /// The first part of every key.
    pub prefix: String,
    /// Whom to trust, and who we are.
    pub tls: Tls,
}

/// The addresses may hold a password: they are not shown.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("prefix", &self.prefix).field("tls", &self.tls).finish_non_exhaustive()
    }
}

/// Certificates in PEM files; empty means the system's trust store and no client certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether TLS is spoken. Has to agree with the address; one in parts says nothing of it, and means TLS unless this says no.
    pub spoken: Option<bool>,
    /// Whom to trust instead of the system's store.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// The client's key; needs `cert_file`.
    pub key_file: Option<PathBuf>,
}

impl Settings {
    /// The Redis at `url`, without files.
    pub fn new(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { url: url.into(), url_file: None, prefix: prefix.into(), tls: Tls::default() }
    }

    /// The Redis at the address that the file holds.
    pub fn of_file(path: impl Into<PathBuf>, prefix: impl Into<String>) -> Self {
        Self { url_file: Some(path.into()), ..Self::new("", prefix) }
    }

    /// A client as of now: reads the files.
    pub(crate) fn client(&self) -> Result<redis::Client, Error> {
        let info = self.info()?;
        let spoken = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        self.tls.check(spoken)?;
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        // Else the end of what is longer than a packet, or a record of TLS, waits for the server to confirm its beginning.
        let info = info.set_redis_settings(redis).set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = if spoken { redis::Client::build_with_tls(info, self.tls.certificates()?) } else { redis::Client::open(info) };
        client.map_err(|source| unusable("the URL", source))
    }

    fn info(&self) -> Result<ConnectionInfo, Error> {
        let Some(path) = &self.url_file else { return of_url(&self.url) };
        if !path.is_dir() {
            return of_url(&word(path)?);
        }
        match part(path, "uri")? {
            Some(url) => of_url(&url),
            None => self.of_parts(path),
        }
    }

    fn of_parts(&self, folder: &Path) -> Result<ConnectionInfo, Error> {
        let Some(host) = part(folder, "host")? else {
            return Err(unusable(folder.display().to_string(), "there is neither uri nor host"));
        };
        let port = number(folder, "port")?.unwrap_or(6379);
        let address = if self.tls.spoken == Some(false) {
            ConnectionAddr::Tcp(host, port)
        } else {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        };
        let info = address.into_connection_info().map_err(|source| unusable("the host", source))?;
        let mut redis = info.redis_settings().clone();
        if let Some(user) = part(folder, "username")?.map_or_else(|| part(folder, "user"), |user| Ok(Some(user)))? {
            redis = redis.set_username(user);
        }
        if let Some(password) = part(folder, "password")? {
            redis = redis.set_password(password);
        }
        if let Some(db) = number(folder, "db")? {
            redis = redis.set_db(db);
        }
        Ok(info.set_redis_settings(redis))
    }
}

/// The URL may hold a password: it is not repeated.
fn of_url(url: &str) -> Result<ConnectionInfo, Error> {
    url.into_connection_info().map_err(|source| unusable("the URL", source))
}

impl Tls {
    /// Refuses what would be plaintext against somebody's wish, or the reverse.
    fn check(&self, spoken: bool) -> Result<(), Error> {
        let wanted = self.spoken.or((self.ca_file.is_some() || self.cert_file.is_some()).then_some(true));
        match (wanted, spoken) {
            (Some(true), false) => Err(unusable("redis:// is plaintext", "TLS is asked for by its mode or by certificates: say rediss://")),
            (Some(false), true) => Err(unusable("rediss:// is TLS", "its mode says that there is none: say redis://")),
            _ => Ok(()),
        }
    }

    fn certificates(&self) -> Result<TlsCertificates, Error> {
        let client_tls = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: bytes(cert)?, client_key: bytes(key)? }),
            (None, None) => None,
            _ => return Err(unusable("certificate and key", "one of the two is missing")),
        };
        Ok(TlsCertificates { client_tls, root_cert: self.ca_file.as_deref().map(bytes).transpose()? })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| unusable(path.display().to_string(), source))
}

fn word(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| unusable(path.display().to_string(), source))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A file of the folder; an empty one says nothing.
fn part(folder: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = folder.join(name);
    let there = path.try_exists().map_err(|source| unusable(path.display().to_string(), source))?;
    let text = there.then(|| word(&path)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn number<Number: FromStr<Err = ParseIntError>>(folder: &Path, name: &str) -> Result<Option<Number>, Error> {
    let number = part(folder, name)?.map(|text| text.parse()).transpose();
    number.map_err(|source| unusable(folder.join(name).display().to_string(), source))
}

fn unusable(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Settings { what: what.into(), source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_file_is_read_at_each_client() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings::of_file(file.path(), "igor");
        let password = |url: &str| {
            std::fs::write(file.path(), url).unwrap();
            settings.client().unwrap().get_connection_info().redis_settings().password().map(str::to_owned)
        };
        assert_eq!(password("redis://:old@127.0.0.1:1\n").as_deref(), Some("old"));
        assert_eq!(password("redis://:new@127.0.0.1:1").as_deref(), Some("new"));
        assert!(!format!("{settings:?} {:?}", Settings::new("redis://:new@h", "igor")).contains("new"));
    }

    #[test]
    fn a_folder_holds_the_address_or_its_parts_and_parts_mean_tls() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let mut settings = Settings::of_file(folder.path(), "igor");
        let missing = settings.client().unwrap_err().to_string();
        assert_eq!(missing, format!("cannot use the Redis settings: {}", folder.path().display()));
        for (name, text) in [("host", "queue\n"), ("port", "6380"), ("user", "igor"), ("password", "p@ss/w:rd\n"), ("db", "3")] {
            write(name, text);
        }
        let info = settings.client().unwrap().get_connection_info().clone();
        assert!(matches!(info.addr(), ConnectionAddr::TcpTls { host, port: 6380, insecure: false, .. } if host == "queue"), "{info:?}");
        let redis = info.redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("igor"), Some("p@ss/w:rd"), 3));
        settings.tls.spoken = Some(false);
        assert_eq!(settings.client().unwrap().get_connection_info().addr(), &ConnectionAddr::Tcp("queue".into(), 6380));
        write("port", "many");
        assert!(settings.client().unwrap_err().to_string().ends_with("/port"));
        write("uri", "redis://elsewhere");
        assert_eq!(settings.client().unwrap().get_connection_info().addr(), &ConnectionAddr::Tcp("elsewhere".into(), 6379));
    }

    #[test]
    fn what_would_be_plaintext_against_the_wish_is_refused() {
        let said =
            |url: &str, tls: Tls| Settings { tls, ..Settings::new(url, "igor") }.client().map(drop).map_err(|error| error.to_string());
        let plain = Err("cannot use the Redis settings: redis:// is plaintext".to_owned());
        assert_eq!(said("redis://h", Tls { spoken: Some(true), ..Tls::default() }), plain);
        assert_eq!(said("redis://h", Tls { ca_file: Some("/ca.crt".into()), ..Tls::default() }), plain);
        assert!(said("rediss://h", Tls { spoken: Some(false), ..Tls::default() }).is_err());
        assert_eq!(said("redis://h", Tls { spoken: Some(false), ..Tls::default() }), Ok(()));
    }

    #[test]
    fn a_missing_file_and_a_bad_url_are_named_without_the_url() {
        let missing = Settings::of_file("/nonexistent/uri", "igor");
        assert_eq!(missing.client().unwrap_err().to_string(), "cannot use the Redis settings: /nonexistent/uri");
        let bad = Settings::new("http://:hidden@x", "igor").client().unwrap_err();
        assert_eq!(bad.to_string(), "cannot use the Redis settings: the URL");
    }
}
