//! `igor standalone`: operator, HTTP API and a worker in one process. Each is what it is alone; they meet in the stores, as always.

use igor::{config, http, operator, worker};

use crate::Work;

#[derive(clap::Args)]
pub(crate) struct Standalone {
    #[command(flatten)]
    operator: config::Flags,
    #[command(flatten)]
    api: config::ServingFlags,
    #[command(flatten)]
    work: Work,
}

/// Runs until SIGTERM or SIGINT, or until one of the three fails. It brings the database up to this version first.
pub(crate) async fn run(flags: Standalone) -> anyhow::Result<()> {
    let operator = config::Operator { migrate: true, ..config::Operator::load(flags.operator)? };
    let api = config::Api::beside(&operator, flags.api, &flags.work.namespace)?;
    let (database, queue) = (operator::database(&operator.database), operator::redis(&operator.redis));
    let work = flags.work.options(&operator.redis)?;
    tokio::try_join!(
        async { Ok(operator::run(operator).await?) },
        async { Ok(http::run_beside_operator(api, database, queue).await?) },
        async { Ok(worker::serve(work).await?) },
    )
    .map(|_: ((), (), ())| ())
}
