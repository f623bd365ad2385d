//! Days: the partitions of the ledger, made ahead of time or when a row of another day comes.

use super::connect::{Act, Store, lasting, within};
use super::error::Error;
use super::time::Time;

impl Store {
    /// Makes the days from yesterday to a week ahead; for start-up and once a day. One that was dropped on purpose stays away.
    pub async fn ensure_partitions(&self) -> Result<(), Error> {
        let act = "make the days ahead";
        within(act, async {
            // One day a statement: the maker's lock is held for one day only.
            for ahead in -1..=7 {
                let day = sqlx::query!(
                    r#"SELECT igor.make_day(n.day) FROM (SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date + $1::int4 AS day) n
                       WHERE NOT EXISTS (SELECT FROM igor.days d WHERE d.day = n.day
                                                                  AND to_regclass('igor.jobs_' || to_char(d.day, 'YYYYMMDD')) IS NULL)"#,
                    ahead
                );
                lasting(act, day.fetch_optional(&self.writer)).await.act(act)?;
            }
            Ok(())
        })
        .await
    }

    /// Makes the day of `created`, unless it was there once: then its history was archived on purpose.
    pub(super) async fn ensure_day(&self, created: Time) -> Result<(), Error> {
        let act = "make the day of a job";
        let known = sqlx::query!(
            r#"SELECT d.day::text AS "day!", to_regclass('igor.jobs_' || to_char(d.day, 'YYYYMMDD')) IS NOT NULL AS "there!"
               FROM igor.days d WHERE d.day = ($1::timestamptz AT TIME ZONE 'UTC')::date"#,
            created as _
        )
        .fetch_optional(&self.writer)
        .await
        .act(act)?;
        match known {
            // Another acceptance was faster.
            Some(known) if known.there => return Ok(()),
            Some(known) => return Err(Error::HistoryArchived { day: known.day }),
            None => {}
        }
        let day = sqlx::query!("SELECT igor.make_day(($1::timestamptz AT TIME ZONE 'UTC')::date)", created as _);
        lasting(act, day.fetch_one(&self.writer)).await.map(drop).act(act)
    }
}
