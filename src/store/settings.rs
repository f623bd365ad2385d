//! Where the ledger is, and how to be let in.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::Error;

/// Where the ledger is.
#[derive(Clone)]
pub struct Settings {
    /// Its address; may hold a password, so it is never printed.
    pub url: String,
    /// A file that holds the address instead, or a folder as a secret is mounted: its file `uri`, else its parts `host`, `port`,
    /// `dbname`, `user` (or `username`) and `password`. [`Store::renew`](super::Store::renew) reads it again.
    pub url_file: Option<PathBuf>,
    /// Most connections that write at once; as many again read.
    pub connections: u32,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Settings {
    /// The ledger at `url`, with four connections that write.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), url_file: None, connections: 4 }
    }

    /// The ledger at the address that the file or the folder holds.
    pub fn of_file(path: impl Into<PathBuf>) -> Self {
        Self { url_file: Some(path.into()), ..Self::new("") }
    }

    /// How to connect, as of now.
    pub(super) fn options(&self) -> Result<PgConnectOptions, Error> {
        let Some(path) = &self.url_file else { return of_url(&self.url) };
        if !path.is_dir() {
            let url = std::fs::read_to_string(path).map_err(|source| Error::AddressFile { path: path.clone(), source })?;
            return of_url(url.trim());
        }
        match part(path, "uri")? {
            Some(url) => of_url(&url),
            None => of_parts(path),
        }
    }
}

fn of_url(url: &str) -> Result<PgConnectOptions, Error> {
    let options = PgConnectOptions::from_str(url).map_err(Error::Address)?;
    let asked = url.split_once('?').map_or("", |(_, asked)| asked);
    let said = form_urlencoded::parse(asked.as_bytes()).find(|(key, _)| key == "sslmode" || key == "ssl-mode");
    let Some((_, said)) = said else { return Ok(safe(options)) };
    agree(&said, std::env::var("PGSSLMODE").ok())?;
    Ok(options)
}

/// Two that say different things are a mistake, and the weaker of them must not win unseen.
fn agree(address: &str, setting: Option<String>) -> Result<(), Error> {
    match setting {
        Some(setting) if !setting.eq_ignore_ascii_case(address) => Err(Error::TwoModes { address: address.to_owned(), setting }),
        _ => Ok(()),
    }
}

fn of_parts(folder: &Path) -> Result<PgConnectOptions, Error> {
    let host = part(folder, "host")?.ok_or_else(|| Error::AddressParts { path: folder.to_owned() })?;
    let mut options = PgConnectOptions::new_without_pgpass().host(&host);
    if let Some(port) = part(folder, "port")? {
        options = options.port(port.parse().map_err(|_| Error::Port { path: folder.join("port") })?);
    }
    if let Some(name) = part(folder, "dbname")? {
        options = options.database(&name);
    }
    if let Some(user) = part(folder, "user")?.map_or_else(|| part(folder, "username"), |user| Ok(Some(user)))? {
        options = options.username(&user);
    }
    if let Some(password) = part(folder, "password")? {
        options = options.password(&password);
    }
    Ok(safe(options))
}

/// A file of the folder; an empty one says nothing.
fn part(folder: &Path, name: &str) -> Result<Option<String>, Error> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::AddressFile { path, source }),
    }
}

/// Where nobody says what TLS is to be, the server has to prove who it is: the usual default, `prefer`, is plaintext for whoever asks
/// for it on the way. On this very machine nobody is on the way.
fn safe(options: PgConnectOptions) -> PgConnectOptions {
    let said = std::env::var_os("PGSSLMODE").is_some();
    if said || is_here(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) }
}

fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        of_url(url).expect("an address").get_ssl_mode()
    }

    #[test]
    fn an_address_elsewhere_is_verified_unless_it_says_otherwise() {
        assert!(matches!(mode("postgres://u:pw@db/igor"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:pw@db/igor?application_name=x"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:pw@db/igor?sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(mode("postgres://u:pw@db/igor?ssl-mode=prefer"), PgSslMode::Prefer));
        for here in ["127.0.0.1", "[::1]", "localhost", "%2Frun%2Fpostgresql"] {
            assert!(matches!(mode(&format!("postgres://u:pw@{here}/igor")), PgSslMode::Prefer), "{here}");
        }
    }

    #[test]
    fn an_address_and_a_setting_that_want_different_tls_are_refused() {
        assert!(agree("disable", None).is_ok());
        assert!(agree("verify-full", Some("Verify-Full".to_owned())).is_ok());
        let refused = agree("disable", Some("verify-full".to_owned())).expect_err("two modes").to_string();
        assert!(refused.contains("sslmode=disable") && refused.contains("says verify-full"), "{refused}");
    }

    #[test]
    fn an_address_is_in_no_panic_and_no_error() {
        let shown = format!("{:?} {:?}", Settings::new("postgres://u:hidden@db/igor"), of_url("postgres://u:hidden@db:port/igor"));
        assert!(!shown.contains("hidden") && !shown.contains("db"), "{shown}");
    }

    #[test]
    fn a_folder_holds_the_address_or_its_parts() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        let settings = Settings::of_file(folder.path());
        let missing = settings.options().expect_err("nothing is there").to_string();
        assert_eq!(missing, format!("there is neither uri nor host in {}", folder.path().display()));
        for (name, text) in
            [("host", "ledger-rw\n"), ("port", "6432"), ("dbname", "app"), ("username", "igor"), ("password", "p@ss/word\n")]
        {
            write(name, text);
        }
        let options = settings.options().expect("an address");
        let seen = (options.get_host(), options.get_port(), options.get_database(), options.get_username());
        assert_eq!(seen, ("ledger-rw", 6432, Some("app"), "igor"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        write("user", "other");
        assert_eq!(settings.options().expect("an address").get_username(), "other");
        write("port", "many");
        assert!(settings.options().expect_err("no port").to_string().ends_with("port is no number of a port"));
        write("uri", "postgres://u:pw@elsewhere/igor");
        assert_eq!(settings.options().expect("an address").get_host(), "elsewhere");
    }
}
