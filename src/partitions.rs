//! `igor partitions`: the ledger's days, for whoever keeps the database.

use std::fmt::Write;

use anyhow::{Context, bail};
use igor::config::PostgresFlags;
use igor::{operator, store};
use jiff::civil::Date;

/// Objects that a refusal names.
const NAMED: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Partitions {
    #[command(flatten)]
    postgres: PostgresFlags,
    #[command(subcommand)]
    act: Act,
}

#[derive(clap::Subcommand)]
enum Act {
    /// List the days with their size and what is unfinished
    List,
    /// Index a past day by status and last change, for reading
    Seal {
        /// As 2026-11-24, in UTC
        day: Date,
    },
    /// Drop a past day with all its jobs, for good; their objects are not run again
    Drop {
        /// As 2026-11-24, in UTC
        day: Date,
        /// Do it; without this it is only said what would go
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) async fn run(partitions: Partitions) -> anyhow::Result<()> {
    let mut days = store::Days::connect(&operator::database(&partitions.postgres.needed()?)).await?;
    let done = match partitions.act {
        Act::List => list(&mut days).await,
        Act::Seal { day } => Ok(days.seal(&day.to_string()).await?),
        Act::Drop { day, yes } => drop_day(&mut days, &day.to_string(), yes).await,
    };
    days.close().await;
    done
}

async fn list(days: &mut store::Days) -> anyhow::Result<()> {
    let mut text = format!("{:<12}{:>14}{:>16}{:>12}  SEALED\n", "DAY", "TASKS (ABOUT)", "BYTES", "UNFINISHED");
    for day in days.list().await? {
        let sealed = if day.sealed { "yes" } else { "no" };
        writeln!(text, "{:<12}{:>14}{:>16}{:>12}  {sealed}", day.day, day.tasks, day.bytes, day.unfinished)?;
    }
    Ok(std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?)
}

async fn drop_day(days: &mut store::Days, day: &str, yes: bool) -> anyhow::Result<()> {
    match operator::objects_made_on(day).await {
        Ok(objects) if objects.is_empty() => {}
        Ok(objects) => {
            let more = objects.len().saturating_sub(NAMED);
            let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = objects[..objects.len() - more].join(", ");
            bail!("{day} is not dropped: the cluster still has jobs of it: {named}{and_more}; delete them first");
        }
        Err(error) => {
            let error = anyhow::Error::from(error);
            tracing::warn!("whether the cluster still has jobs of {day} is not known: {error:#}");
        }
    }
    if !yes {
        let known = days.list().await?.into_iter().find(|known| known.day == day);
        let known = known.with_context(|| format!("{day} is not dropped: the ledger has no such day"))?;
        bail!("{day} is not dropped yet: about {} tasks, {} bytes would go for good; say --yes to do it", known.tasks, known.bytes);
    }
    Ok(days.drop(day).await?)
}
