//! The schema: bringing it up to this program's version, and refusing an older one.

use std::borrow::Cow;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{ConnectOptions, Connection};

use super::connect::Act;
use super::error::Error;
use super::settings::Settings;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Where the applied versions are kept.
const TABLE: &str = "igor.migrations";

/// Two migrators take turns on this number; it is asked for again and again, since waiting for it would hold a snapshot.
const TURN: i64 = 7_239_084_114;

/// Brings the schema up to this program's version. Two at once take turns.
pub async fn migrate(settings: &Settings) -> Result<(), Error> {
    let options = settings.options()?.application_name("igor migrate");
    let mut connection = options.connect().await.map_err(Error::connect)?;
    let outcome = under_turn(&mut connection).await;
    // Closed in any case: the turn goes with the connection.
    connection.close().await.ok();
    outcome
}

async fn under_turn(connection: &mut PgConnection) -> Result<(), Error> {
    let act = "take the turn to migrate";
    while !sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)").bind(TURN).fetch_one(&mut *connection).await.act(act)? {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    migrator().run(&mut *connection).await.map_err(Error::Migrate)?;
    let grant = "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'igor_rw') THEN \
                 GRANT SELECT ON igor.migrations TO igor_rw, igor_ro; END IF; END $$";
    sqlx::raw_sql(grant).execute(&mut *connection).await.act("grant the reading of the schema's version")?;
    let made = "SELECT igor.make_day(n.day) \
                FROM (SELECT (statement_timestamp() AT TIME ZONE 'UTC')::date + ahead AS day FROM generate_series(-1, 7) AS ahead) n \
                WHERE NOT EXISTS (SELECT FROM igor.days d WHERE d.day = n.day)";
    sqlx::query(made).execute(&mut *connection).await.act("make the days ahead")?;
    Ok(())
}

fn migrator() -> Migrator {
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.dangerous_set_table_name(Cow::Borrowed(TABLE));
    migrator.create_schema(Cow::Borrowed("igor"));
    migrator.set_ignore_missing(true).set_locking(false);
    migrator
}

/// Refuses a schema that lacks one of this program's migrations; a later one is for a later program and suits.
pub(super) async fn check(pool: &PgPool) -> Result<(), Error> {
    let needed = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let act = "read the schema's version";
    let there: bool = sqlx::query_scalar("SELECT to_regclass('igor.migrations') IS NOT NULL").fetch_one(pool).await.act(act)?;
    let found = if there {
        let last = "SELECT coalesce(max(version), 0) FROM igor.migrations WHERE success";
        sqlx::query_scalar::<_, i64>(last).fetch_one(pool).await.act(act)?
    } else {
        0
    };
    if found < needed { Err(Error::Schema { found, needed }) } else { Ok(()) }
}
