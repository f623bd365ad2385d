//! Where the stores are and whom they are believed to be, as flags and environment say. An address may hold a password: it is never
//! printed, and may lie in a file.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use super::Error;

/// An address that may hold a password: it is never printed.
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps an address.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The address itself, for the library that connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(value))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An address, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// As it stands.
    Url(Secret),
    /// To be read anew at each new connection: a renewed password is taken up.
    File(PathBuf),
}

impl Address {
    /// A file wins over an address.
    pub(super) fn of(url: Option<Secret>, file: Option<PathBuf>) -> Option<Self> {
        file.map(Self::File).or(url.map(Self::Url))
    }
}

/// What to do about an address that is missing.
pub(super) const NO_DATABASE: &str = "set DATABASE_URL or --database-url, or a file or folder that holds it: DATABASE_URL_FILE";
pub(super) const NO_REDIS: &str = "set REDIS_URL or --redis-url, or a file or folder that holds it: REDIS_URL_FILE";

/// Flags and environment of what connects to Postgres.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PostgresFlags {
    /// Postgres, as postgres://user:password@host/database; better by environment than by flag, flags are seen by everybody
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(super) database_url: Option<Secret>,
    /// File that holds the address instead, or folder with its parts: uri, else host, port, dbname, user, password; read again when
    /// they change
    #[arg(long, global = true, env = "DATABASE_URL_FILE", value_name = "PATH")]
    pub(super) database_url_file: Option<PathBuf>,
}

impl PostgresFlags {
    /// The address, if one is given.
    pub fn address(self) -> Option<Address> {
        Address::of(self.database_url, self.database_url_file)
    }

    /// The address, where there is nothing to do without.
    pub fn needed(self) -> Result<Address, Error> {
        self.address().ok_or_else(|| Error::Invalid(vec![NO_DATABASE.to_owned()]))
    }
}

/// Flags and environment of what connects to Redis.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RedisFlags {
    /// Redis, as redis://host or rediss://host
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub(super) redis_url: Option<Secret>,
    /// File that holds the address instead, or folder with its parts: uri, else host, port, username, password, db; read again at
    /// each new connection
    #[arg(long, env = "REDIS_URL_FILE", value_name = "PATH")]
    pub(super) redis_url_file: Option<PathBuf>,
    /// First word of every key in Redis
    #[arg(long, env = "IGOR_PREFIX", value_name = "WORD")]
    pub(super) prefix: Option<String>,
    /// Whether TLS is spoken. An address says so by itself, as rediss://; one in parts means verify-full unless this says disable
    #[arg(long, env = "REDIS_TLS_MODE", value_enum, value_name = "MODE")]
    pub(super) redis_tls_mode: Option<RedisTlsMode>,
    /// Certificates of those who may vouch for a rediss:// server; default: the system's
    #[arg(long, env = "REDIS_CA_FILE", value_name = "FILE")]
    pub(super) redis_ca_file: Option<PathBuf>,
    /// Certificate to show to a rediss:// server; needs --redis-key-file
    #[arg(long, env = "REDIS_CERT_FILE", value_name = "FILE", requires = "redis_key_file")]
    pub(super) redis_cert_file: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, env = "REDIS_KEY_FILE", value_name = "FILE", requires = "redis_cert_file")]
    pub(super) redis_key_file: Option<PathBuf>,
}

impl RedisFlags {
    /// The same, with what a file says where no flag does.
    pub(super) fn or(mut self, url: Option<Secret>, prefix: Option<String>) -> Self {
        if !self.is_given() {
            self.redis_url = url;
        }
        self.prefix = self.prefix.or(prefix);
        self
    }

    pub(super) fn is_given(&self) -> bool {
        self.redis_url.is_some() || self.redis_url_file.is_some()
    }

    pub(super) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("igor")
    }

    /// Where Redis is, where there is nothing to do without.
    pub fn needed(self) -> Result<Redis, Error> {
        self.redis().ok_or_else(|| Error::Invalid(vec![NO_REDIS.to_owned()]))
    }

    /// Where Redis is, if that is said.
    pub fn redis(self) -> Option<Redis> {
        let prefix = self.prefix().to_owned();
        let Self { redis_url, redis_url_file, redis_tls_mode, redis_ca_file, redis_cert_file, redis_key_file, .. } = self;
        Some(Redis {
            address: Address::of(redis_url, redis_url_file)?,
            prefix,
            tls: RedisTls { mode: redis_tls_mode, ca_file: redis_ca_file, cert_file: redis_cert_file, key_file: redis_key_file },
        })
    }
}

/// Where the work waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Its address.
    pub address: Address,
    /// First word of every key.
    pub prefix: String,
    /// How TLS is spoken.
    pub tls: RedisTls,
}

/// Whether TLS is spoken to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RedisTlsMode {
    /// It is not.
    Disable,
    /// It is, and the server has to prove that it is who the address names.
    VerifyFull,
}

/// TLS to Redis; certificates in files of PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Whether it is spoken, where that is said.
    pub mode: Option<RedisTlsMode>,
    /// Whom to trust instead of the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Ours.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    impl RedisFlags {
        pub(in crate::config) fn prefixed(prefix: &str) -> Self {
            Self { prefix: Some(prefix.to_owned()), ..Self::default() }
        }
    }

    #[test]
    fn a_file_with_an_address_wins_over_an_address() {
        let flags = PostgresFlags { database_url: Some(Secret::new("postgres://u:pw@h/d")), database_url_file: Some("/run/uri".into()) };
        assert_eq!(flags.address(), Some(Address::File("/run/uri".into())));
        let redis =
            RedisFlags { redis_url_file: Some("/run/redis".into()), ..RedisFlags::default() }.or(Some(Secret::new("redis://h")), None);
        let expected = Redis { address: Address::File("/run/redis".into()), prefix: "igor".into(), tls: RedisTls::default() };
        assert_eq!(redis.redis(), Some(expected));
    }
}
