//! Where Redis is and how to be let in.

use std::path::{Path, PathBuf};

use redis::{ClientTlsConfig, IntoConnectionInfo, ProtocolVersion, TlsCertificates};

use super::Error;

/// Where Redis is and how to be let in. Files are read at each new connection, so a renewed secret is taken up.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `redis://host:port/db`, or `rediss://` for TLS.
    pub url: String,
    /// A file that holds the address instead.
    pub url_file: Option<PathBuf>,
    /// The first part of every key.
    pub prefix: String,
    /// A file holding the ACL user's name; else the URL's.
    pub username_file: Option<PathBuf>,
    /// A file holding the password; else the URL's.
    pub password_file: Option<PathBuf>,
    /// For `rediss://`.
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
        Self { url: url.into(), url_file: None, prefix: prefix.into(), username_file: None, password_file: None, tls: Tls::default() }
    }

    /// The Redis at the address that the file holds.
    pub fn of_file(path: impl Into<PathBuf>, prefix: impl Into<String>) -> Self {
        Self { url_file: Some(path.into()), ..Self::new("", prefix) }
    }

    /// A client as of now: reads the files.
    pub(crate) fn client(&self) -> Result<redis::Client, Error> {
        let url = self.url_file.as_deref().map_or_else(|| Ok(self.url.clone()), word)?;
        // The URL may hold a password: it is not repeated.
        let info = url.as_str().into_connection_info().map_err(|source| unusable("the URL".to_owned(), source))?;
        let mut redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        if let Some(path) = &self.username_file {
            redis = redis.set_username(word(path)?);
        }
        if let Some(path) = &self.password_file {
            redis = redis.set_password(word(path)?);
        }
        let info = info.set_redis_settings(redis);
        let client = if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            redis::Client::build_with_tls(info, self.tls.certificates()?)
        } else {
            redis::Client::open(info)
        };
        client.map_err(|source| unusable("the URL".to_owned(), source))
    }
}

impl Tls {
    fn certificates(&self) -> Result<TlsCertificates, Error> {
        let client_tls = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some(ClientTlsConfig { client_cert: bytes(cert)?, client_key: bytes(key)? }),
            (None, None) => None,
            _ => return Err(unusable("certificate and key".to_owned(), "one of the two is missing")),
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

fn unusable(what: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Settings { what, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files_without_their_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "se cret\n").unwrap();
        let settings = Settings { password_file: Some(file.path().to_owned()), ..Settings::new("redis://u:other@127.0.0.1:1/2", "igor") };
        let client = settings.client().unwrap();
        let redis = client.get_connection_info().redis_settings();
        assert_eq!((redis.username(), redis.password(), redis.db()), (Some("u"), Some("se cret"), 2));
    }

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
    fn a_missing_file_and_a_bad_url_are_named_without_the_url() {
        let missing = Settings { password_file: Some("/nonexistent/pw".into()), ..Settings::new("redis://127.0.0.1", "igor") };
        assert_eq!(missing.client().unwrap_err().to_string(), "cannot use the Redis settings: /nonexistent/pw");
        let bad = Settings::new("http://:hidden@x", "igor").client().unwrap_err();
        assert_eq!(bad.to_string(), "cannot use the Redis settings: the URL");
    }
}
