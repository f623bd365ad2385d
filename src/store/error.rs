//! What can go wrong with the ledger, and how a caller is to take it.

use super::facts::Epoch;
use crate::tls;

/// How a failure is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The database is away or busy: try again later. Transactions are idempotent, also when their outcome is unknown.
    Transient,
    /// What was asked for cannot be done: try again when it has changed.
    Invalid,
    /// A row that cannot be read back, or a statement that the database refuses.
    Inconsistent,
    /// Another leader has taken over: stop.
    Fenced,
}

/// A failed act on the ledger.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings do not name a database.
    #[error("cannot read the database's address")]
    Address(#[source] sqlx::Error),
    /// The file that holds the address cannot be read.
    #[error("cannot read the database's address in {}", path.display())]
    AddressFile {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder that should hold the parts of the address does not.
    #[error("there is neither uri nor host in {}", path.display())]
    AddressParts {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// Address and settings want different TLS.
    #[error(
        "the database's address says sslmode={address}, PGSSLMODE (postgres.tls.mode of the chart) says {setting}: let one of them say it"
    )]
    TwoModes {
        /// What the address says.
        address: String,
        /// What the environment says.
        setting: String,
    },
    /// The file with the port holds something else.
    #[error("{} is no number of a port", path.display())]
    Port {
        /// The file.
        path: std::path::PathBuf,
    },
    /// No connection.
    #[error("cannot connect to the ledger")]
    Connect(#[source] sqlx::Error),
    /// The migrations failed.
    #[error("cannot migrate the ledger")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The ledger's schema is older than this program.
    #[error("the ledger's schema is at version {found}, this program needs {needed}: run `igor migrate`")]
    Schema {
        /// The version found; 0 = no schema at all.
        found: i64,
        /// The version needed.
        needed: i64,
    },
    /// Another cluster or install owns this ledger.
    #[error(
        "the ledger is stamped by cluster {owner}, but this is cluster {cluster}: \
         check DATABASE_URL and the kubeconfig, or start once with --adopt to make it this cluster's"
    )]
    OtherInstall {
        /// Whose it is.
        owner: String,
        /// Who asks.
        cluster: String,
    },
    /// A later leader has begun.
    #[error("another leader has taken over (epoch {}, ours is {})", .current.0, .ours.0)]
    Fenced {
        /// The epoch of this caller.
        ours: Epoch,
        /// The epoch in the ledger.
        current: Epoch,
    },
    /// The day of the job was kept once and its partition is gone.
    #[error("the history of {day} was archived: a job of that day is not run again")]
    HistoryArchived {
        /// The day, as `2026-11-24`.
        day: String,
    },
    /// A day that may not be sealed or dropped.
    #[error("{day} is not {act}: {why}")]
    Day {
        /// The day, as `2026-11-24`.
        day: String,
        /// What was to be done, as in "sealed".
        act: &'static str,
        /// Why it was not.
        why: String,
    },
    /// Nothing is known of this job.
    #[error("the ledger knows no job {0}")]
    UnknownJob(uuid::Uuid),
    /// A statement failed.
    #[error("cannot {act}")]
    Act {
        /// What was being done, as in "dispatch tasks".
        act: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The database did not answer in time.
    #[error("no answer from the ledger in {seconds} s while it was to {act}")]
    TimedOut {
        /// What was being done.
        act: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A row that cannot be read back.
    #[error("{table}.{column} of {id} reads {value:?}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's id.
        id: uuid::Uuid,
        /// What stands there.
        value: String,
    },
}

impl Error {
    /// No connection; what TLS says of it is put into words.
    pub(super) fn connect(source: sqlx::Error) -> Self {
        Self::Connect(in_words(source))
    }

    /// A statement failed, maybe for want of a connection.
    pub(super) fn act(act: &'static str, source: sqlx::Error) -> Self {
        Self::Act { act, source: in_words(source) }
    }

    /// How this is to be taken.
    pub fn class(&self) -> Class {
        match self {
            Self::Address(_)
            | Self::AddressFile { .. }
            | Self::AddressParts { .. }
            | Self::TwoModes { .. }
            | Self::Port { .. }
            | Self::Schema { .. }
            | Self::OtherInstall { .. }
            | Self::HistoryArchived { .. }
            | Self::Day { .. }
            | Self::UnknownJob(_) => Class::Invalid,
            Self::Connect(_) | Self::TimedOut { .. } => Class::Transient,
            Self::Fenced { .. } => Class::Fenced,
            Self::Unreadable { .. } | Self::Migrate(_) => Class::Inconsistent,
            Self::Act { source, .. } => class_of(source),
        }
    }

    /// The SQLSTATE, when the database gave one.
    pub(super) fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Act { source, .. } => {
                source.as_database_error().and_then(sqlx::error::DatabaseError::code).map(std::borrow::Cow::into_owned)
            }
            _ => None,
        }
    }

    /// Whether a row's day has no partition. The counters' CHECK has the same SQLSTATE, but a name.
    pub(super) fn is_missing_partition(&self) -> bool {
        let Self::Act { source, .. } = self else { return false };
        let Some(error) = source.as_database_error() else { return false };
        error.code().as_deref() == Some("23514") && error.constraint().is_none_or(str::is_empty)
    }

    /// Whether one bad row makes the batch fail: data or integrity, not a missing day.
    pub(super) fn is_bad_row(&self) -> bool {
        self.sqlstate().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) && !self.is_missing_partition()
    }
}

/// sqlx's own words for a server without TLS.
const NO_TLS: &str = "server does not support TLS";

fn in_words(error: sqlx::Error) -> sqlx::Error {
    let why = match &error {
        sqlx::Error::Tls(why) if why.to_string() == NO_TLS => {
            Some("the server does not speak TLS; where its network is trusted, sslmode=disable in the address or PGSSLMODE does without")
        }
        sqlx::Error::Io(why) => tls::explained(why),
        _ => None,
    };
    why.map_or(error, |why| sqlx::Error::Tls(why.into()))
}

/// All of these pass, also at a commit, where it stays unknown what was done: serialisation, deadlock, lock and statement timeouts, a
/// standby, an idle transaction that was cut off; by class shutdown, resources, connection, the disk; and a database that takes no
/// connections for now, or not with this password.
fn class_of(error: &sqlx::Error) -> Class {
    let passing = |code: &str| {
        matches!(code, "40001" | "40P01" | "55P03" | "57014" | "25006" | "25P03" | "3D000" | "55000")
            || ["57P0", "53", "08", "58", "28"].iter().any(|class| code.starts_with(class))
    };
    match error {
        sqlx::Error::Database(error) if error.code().is_some_and(|code| passing(&code)) => Class::Transient,
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            Class::Transient
        }
        _ => Class::Inconsistent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_passes_and_a_bad_row_does_not() {
        let reset = Error::Act { act: "dispatch tasks", source: sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()) };
        assert_eq!(reset.class(), Class::Transient);
        let gone = Error::Act { act: "dispatch tasks", source: sqlx::Error::RowNotFound };
        assert_eq!(gone.class(), Class::Inconsistent);
        assert_eq!(Error::Fenced { ours: Epoch(1), current: Epoch(2) }.class(), Class::Fenced);
    }
}
