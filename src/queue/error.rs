//! What can go wrong between here and Redis.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::TypeKey;
use crate::tls;

/// A failed act of the queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings do not describe a Redis: a bad URL, a file that cannot be read.
    #[error("cannot use the Redis settings: {what}")]
    Settings {
        /// Which of them.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No connection: nothing was sent.
    #[error("cannot connect to Redis")]
    Connect(#[source] RedisError),
    /// The request was sent and its reply is lost: it may have happened or not.
    #[error("lost the reply of Redis to {act}")]
    Unknown {
        /// What was asked.
        act: &'static str,
        /// How the reply got lost.
        #[source]
        source: RedisError,
    },
    /// Redis said no: nothing happened.
    #[error("Redis refused {act}")]
    Refused {
        /// What was asked.
        act: &'static str,
        /// Its answer.
        #[source]
        source: RedisError,
    },
    /// The type has no meta in Redis: it was never prepared, or Redis lost its data.
    #[error("{0} has no meta in Redis")]
    NoMeta(TypeKey),
    /// Another operator owns the type by now.
    #[error("{0} belongs to another operator")]
    Fenced(TypeKey),
    /// An answer that this version does not understand.
    #[error("cannot read the answer of Redis to {act}: {what}")]
    Unreadable {
        /// What was asked.
        act: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// No connection; what TLS and Redis say of who is not let in is put into words.
    pub(super) fn connect(source: RedisError) -> Self {
        let why = match source.kind() {
            ErrorKind::AuthenticationFailed => Some("Redis does not take the user and the password that it is given"),
            _ => tls::explained(&source),
        };
        Self::Connect(why.map_or(source, |why| std::io::Error::other(why).into()))
    }

    /// Whether the same request may succeed later: the server comes back, or its password is written into the file.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(source) => source.kind() != ErrorKind::InvalidClientConfig,
            Self::Unknown { .. } => true,
            Self::Refused { source, .. } => is_passing(source),
            Self::Settings { .. } | Self::NoMeta(_) | Self::Fenced(_) | Self::Unreadable { .. } => false,
        }
    }

    /// Whether the request may have taken effect although it failed.
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// Loading, failing over, or out of memory: states that a server leaves by itself.
fn is_passing(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        ErrorKind::Extension => matches!(error.code(), Some("OOM" | "BUSY" | "NOREPLICAS" | "MISCONF" | "UNBLOCKED")),
        _ => false,
    }
}
