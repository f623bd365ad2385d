//! Sabotage: leaves out one safeguard, so that the checker of histories can be seen to catch what follows; and places that take
//! longer, so that it follows for sure.

pub(crate) use self::switches::{is_left_out, linger};

/// What keeps a promise, and can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Safeguard {
    /// A result counts for its own attempt only.
    AttemptFence,
    /// A leader whose term is over writes nothing.
    EpochCheck,
    /// Decisions about a job are taken one after another.
    JobMutex,
    /// A worker is not taken for lost before what it wrote is read.
    DrainBeforeSweep,
    /// A result is deleted only when it is in the ledger.
    AckAfterCommit,
    /// What is committed and not done in Redis is done by the next leader.
    Outbox,
    /// The reports of an attempt become one.
    Fold,
    /// What is pushed late must still be wanted.
    RelayJoin,
    /// A job is not opened before all of it is loaded.
    LoadingGate,
}

#[cfg(not(feature = "proof"))]
mod switches {
    use super::Safeguard;

    /// Whether this process runs without it.
    #[inline]
    pub(crate) const fn is_left_out(_: Safeguard) -> bool {
        false
    }

    /// Takes no longer than it does.
    #[inline]
    pub(crate) fn linger(_place: &'static str) -> std::future::Ready<()> {
        std::future::ready(())
    }
}

#[cfg(feature = "proof")]
mod switches {
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::Safeguard;

    static LEFT_OUT: LazyLock<Option<Safeguard>> = LazyLock::new(|| {
        let name = std::env::var("IGOR_SABOTAGE").ok()?;
        tracing::warn!(safeguard = name, "left out");
        Some(match name.as_str() {
            "attempt-fence" => Safeguard::AttemptFence,
            "epoch-check" => Safeguard::EpochCheck,
            "job-mutex" => Safeguard::JobMutex,
            "drain-before-sweep" => Safeguard::DrainBeforeSweep,
            "ack-after-commit" => Safeguard::AckAfterCommit,
            "outbox" => Safeguard::Outbox,
            "fold" => Safeguard::Fold,
            "relay-join" => Safeguard::RelayJoin,
            "loading-gate" => Safeguard::LoadingGate,
            other => panic!("IGOR_SABOTAGE: there is no safeguard {other:?}"),
        })
    });

    /// `place=milliseconds,…`
    static SLOW: LazyLock<Vec<(String, Duration)>> = LazyLock::new(|| {
        let places = std::env::var("IGOR_LINGER").unwrap_or_default();
        let place = |pair: &str| {
            let (place, ms) = pair.split_once('=')?;
            Some((place.to_owned(), Duration::from_millis(ms.parse().ok()?)))
        };
        places.split(',').filter_map(place).collect()
    });

    /// Whether this process runs without it.
    pub(crate) fn is_left_out(safeguard: Safeguard) -> bool {
        *LEFT_OUT == Some(safeguard)
    }

    /// Takes as much longer at this place as `IGOR_LINGER` says.
    pub(crate) async fn linger(place: &'static str) {
        if let Some((_, time)) = SLOW.iter().find(|(slow, _)| slow == place) {
            tracing::info!(place, "lingers");
            tokio::time::sleep(*time).await;
        }
    }
}
