//! Whether statements of a job are planned once or each time.

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::connect::within_reading;
use super::error::Error;

/// When Postgres plans the statements of small transactions: planning over tables by day takes longer than a small batch does. A plan that
/// is made once serves every day, and so locks every day's table each time it runs: with many days that costs more than to plan anew for
/// the one at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plans {
    Once,
    EachTime,
}

impl Plans {
    /// Days from which on planning each time is cheaper; docs/performance.md has the figures.
    const MANY_DAYS: i64 = 120;

    /// As suits the ledger's days of now; they grow by one a day.
    pub(super) async fn for_ledger(options: &PgConnectOptions) -> Result<Self, Error> {
        within_reading("count the ledger's days", async {
            let mut connection = PgConnection::connect_with(options).await.map_err(Error::connect)?;
            let days = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM pg_inherits WHERE inhparent = to_regclass('igor.tasks')");
            let days = days.fetch_one(&mut connection).await.map_err(Error::connect)?;
            connection.close().await.map_err(Error::connect)?;
            Ok(if days < Self::MANY_DAYS { Self::Once } else { Self::EachTime })
        })
        .await
    }

    /// Begins a transaction whose statements reach every row by its key, so that one plan is right for a day that is empty and for one
    /// that holds millions.
    pub(super) fn by_key(self) -> &'static str {
        match self {
            Self::Once => "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan",
            Self::EachTime => "BEGIN",
        }
    }

    /// Begins a look at one moment of a job.
    pub(super) fn look(self) -> &'static str {
        match self {
            Self::Once => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = force_generic_plan",
            Self::EachTime => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}
