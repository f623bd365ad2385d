//! Old days: listed, sealed when nothing of them changes any more, and dropped for good. For the owner of the tables, by hand.

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection};

use super::connect::Act;
use super::error::Error;
use super::settings::Settings;

/// The ledger's days, over a connection of its own: to index a large day takes longer than any transaction of the operator may.
pub struct Days {
    connection: PgConnection,
}

/// A day that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// As `2026-11-24`, in UTC.
    pub day: String,
    /// Tasks of jobs that were made on it, as the database estimates them.
    pub tasks: i64,
    /// What all of it takes on disk.
    pub bytes: i64,
    /// Its jobs that have not ended.
    pub unfinished: i64,
    /// Whether it is indexed by status and last change.
    pub sealed: bool,
}

impl Days {
    /// Connects to the database, as the owner of its tables.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let options = settings.options()?.application_name("igor partitions");
        let options = options.options([("lock_timeout", "5s")]);
        Ok(Self { connection: options.connect().await.map_err(Error::connect)? })
    }

    /// Every day that is there, the newest first.
    pub async fn list(&mut self) -> Result<Vec<Day>, Error> {
        sqlx::query_as!(
            Day,
            r#"SELECT d.day::text AS "day!", coalesce(sum(c.reltuples) FILTER (WHERE p.relname = 'tasks' AND c.reltuples > 0), 0)::int8 AS "tasks!",
                      sum(pg_total_relation_size(c.oid))::int8 AS "bytes!",
                      (SELECT count(*) FROM igor.live_jobs v WHERE (v.created_at AT TIME ZONE 'UTC')::date = d.day) AS "unfinished!",
                      to_regclass('igor.tasks_' || to_char(d.day, 'YYYYMMDD') || '_by_update') IS NOT NULL AS "sealed!"
               FROM igor.days d
               JOIN pg_class c ON c.relnamespace = 'igor'::regnamespace AND c.relkind = 'r'
                              AND right(c.relname, 9) = '_' || to_char(d.day, 'YYYYMMDD')
               JOIN pg_inherits i ON i.inhrelid = c.oid
               JOIN pg_class p ON p.oid = i.inhparent
               GROUP BY d.day ORDER BY d.day DESC"#
        )
        .fetch_all(&mut self.connection)
        .await
        .act("list the days")
    }

    /// Indexes a day by status and last change. Refused while anything of it may still change: today, or with an unfinished job.
    pub async fn seal(&mut self, day: &str) -> Result<(), Error> {
        self.past_and_there(day, "sealed").await?;
        let unfinished = self.list().await?.iter().find(|known| known.day == day).map_or(0, |known| known.unfinished);
        refuse_unfinished(day, "sealed", unfinished)?;
        sqlx::query!("SELECT igor.seal_day($1::text::date)", day).fetch_one(&mut self.connection).await.act("seal a day")?;
        Ok(())
    }

    /// Drops a day with all its jobs, for good: `igor.days` remembers it, and no object of that day is run again. Refused for today,
    /// and while one of its jobs is unfinished.
    pub async fn drop(&mut self, day: &str) -> Result<(), Error> {
        self.past_and_there(day, "dropped").await?;
        let dropped = sqlx::query_scalar!(r#"SELECT igor.drop_day($1::text::date) AS "unfinished!""#, day);
        refuse_unfinished(day, "dropped", dropped.fetch_one(&mut self.connection).await.act("drop a day")?)
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.connection.close().await.ok();
    }

    async fn past_and_there(&mut self, day: &str, act: &'static str) -> Result<(), Error> {
        let known = sqlx::query!(
            r#"SELECT $1::text::date < (statement_timestamp() AT TIME ZONE 'UTC')::date AS "past!",
                      to_regclass('igor.jobs_' || to_char($1::text::date, 'YYYYMMDD')) IS NOT NULL AS "there!""#,
            day
        )
        .fetch_one(&mut self.connection)
        .await
        .act("look a day up")?;
        let why = match (known.there, known.past) {
            (false, _) => "the ledger has no such day",
            (true, false) => "jobs may still be made on it",
            (true, true) => return Ok(()),
        };
        Err(Error::Day { day: day.to_owned(), act, why: why.to_owned() })
    }
}

fn refuse_unfinished(day: &str, act: &'static str, unfinished: i64) -> Result<(), Error> {
    match unfinished {
        0 => Ok(()),
        1 => Err(Error::Day { day: day.to_owned(), act, why: "one of its jobs is unfinished".to_owned() }),
        _ => Err(Error::Day { day: day.to_owned(), act, why: format!("{unfinished} of its jobs are unfinished") }),
    }
}
