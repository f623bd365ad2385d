//! What can go wrong in the operator, and how it is taken.

use std::net::SocketAddr;

use crate::{queue, store};

/// A failed act of the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ledger.
    #[error(transparent)]
    Ledger {
        /// What failed.
        source: store::Error,
    },
    /// The queue.
    #[error(transparent)]
    Queue {
        /// What failed.
        source: queue::Error,
    },
    /// The Kubernetes API.
    #[error("cannot {act}")]
    Kube {
        /// What was to be done.
        act: &'static str,
        /// Why not.
        #[source]
        source: kube::Error,
    },
    /// No way to the cluster is configured.
    #[error("cannot find out which cluster to work in")]
    Kubeconfig {
        /// Why not.
        #[source]
        source: Box<kube::config::InferConfigError>,
    },
    /// The lease cannot be taken or kept.
    #[error("cannot take part in the election of a leader")]
    Lease {
        /// Why not.
        #[source]
        source: Box<kube_lease_manager::LeaseManagerError>,
    },
    /// The stores are another install's.
    #[error(
        "Redis is stamped by install {owner}, but this ledger is install {ours}: \
         check REDIS_URL, the prefix and DATABASE_URL, or start once with --adopt to make it this ledger's"
    )]
    OtherInstall {
        /// Whose it is.
        owner: String,
        /// Who asks.
        ours: String,
    },
    /// The probes cannot be served.
    #[error("cannot serve the probes on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Metrics cannot be kept.
    #[error("cannot keep metrics")]
    Metrics {
        /// Why not.
        #[source]
        source: metrics_exporter_prometheus::BuildError,
    },
    /// The cache ended before it was filled.
    #[error("the cache of jobs is gone")]
    CacheGone,
    /// The reconcile of one object panicked.
    #[error("the reconcile panicked: {0}")]
    ReconcilePanicked(String),
    /// A task of this process panicked.
    #[error("a part of the operator panicked")]
    Panicked {
        /// Its panic.
        #[source]
        source: tokio::task::JoinError,
    },
}

impl From<store::Error> for Error {
    fn from(source: store::Error) -> Self {
        Self::Ledger { source }
    }
}

impl From<queue::Error> for Error {
    fn from(source: queue::Error) -> Self {
        Self::Queue { source }
    }
}

impl Error {
    /// Whether another operator leads by now.
    pub(super) fn is_fenced(&self) -> bool {
        match self {
            Self::Ledger { source } => source.class() == store::Class::Fenced,
            Self::Queue { source } => matches!(source, queue::Error::Fenced(_)),
            _ => false,
        }
    }

    /// Whether Redis has lost a type's data, or never had it.
    pub(super) fn is_missing_meta(&self) -> bool {
        matches!(self, Self::Queue { source: queue::Error::NoMeta(_) })
    }

    /// Whether the same may succeed later without anybody changing anything.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Ledger { source } => source.class() == store::Class::Transient || matches!(source, store::Error::Schema { .. }),
            Self::Queue { source } => source.is_transient(),
            Self::Kube { source, .. } => {
                !matches!(source, kube::Error::Api(status) if matches!(status.code, 400..=499) && status.code != 429)
            }
            _ => false,
        }
    }

    /// Whether the API server says that this may not be done. For some seconds after its start it says so of everything.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Kube { source: kube::Error::Api(status), .. } if matches!(status.code, 401 | 403))
    }

    /// Whether somebody else wrote the object first.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube { source: kube::Error::Api(status), .. } if status.code == 409)
    }

    /// The reason of the condition `Stalled`.
    pub(super) fn stalled_reason(&self) -> &'static str {
        match self {
            Self::Ledger { .. } => "LedgerUnavailable",
            Self::Queue { .. } => "QueueUnavailable",
            _ => "ReconcileError",
        }
    }
}
