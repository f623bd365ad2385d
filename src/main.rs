//! The command `igor`: one call per subcommand.

mod look;
mod partitions;
mod proxy;
mod selftest;
mod standalone;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use igor::config;
use igor::telemetry::{self, LogFormat, LogLevel};
use igor::{crd, http, operator, store, trace, worker};

/// Batch workflows on Kubernetes that people steer while they run
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Igor {
    /// Level of the log, or target=level,…
    #[arg(long, global = true, env = "IGOR_LOG", default_value = "info")]
    log: String,
    /// File that holds the level instead; read again when it changes
    #[arg(long, global = true, env = "IGOR_LOG_FROM", value_name = "FILE")]
    log_from: Option<PathBuf>,
    /// How the log is written
    #[arg(long, global = true, env = "IGOR_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch IgorJobs and run them; several take turns to lead
    Operator(Box<config::Flags>),
    /// Serve the HTTP API
    Api(Box<config::ApiFlags>),
    /// Take tasks and run them
    Worker(Worker),
    /// Operator, HTTP API and a worker in one process, to begin with or for a small farm
    Standalone(Box<standalone::Standalone>),
    /// Serve the HTTP API on loopback to clients that cannot send a token: the kubeconfig's is added
    Proxy(proxy::Proxy),
    /// Bring the database up to this version
    Migrate(config::PostgresFlags),
    /// Show a job as the ledger has it (a standby will do): its head, then a line a layer
    Get(look::Look),
    /// Say why a job, a layer or a task stands as it does, and the command that would change it
    Why(look::Look),
    /// Print what was asked of a job and what moved in it, in order, with who and why
    Audit(look::Audit),
    /// As the owner of the tables: list the days of the ledger, seal them for reading, drop old ones
    Partitions(partitions::Partitions),
    /// Run one job of one task end to end, with this process as its worker
    Selftest(selftest::Selftest),
    /// Print the custom resource definitions, or write them to a folder
    Crds {
        /// Print their reference for people instead, as Markdown
        #[arg(long, conflicts_with = "dir")]
        markdown: bool,
        /// Folder to write them to, a file each
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// What this process is called where its traces go; those that only look or change something send none.
    fn service(&self) -> Option<&'static str> {
        match self {
            Self::Operator(_) => Some("igor-operator"),
            Self::Api(_) => Some("igor-api"),
            Self::Worker(_) => Some("igor-worker"),
            Self::Standalone(_) => Some("igor"),
            Self::Proxy(_)
            | Self::Migrate(_)
            | Self::Get(_)
            | Self::Why(_)
            | Self::Audit(_)
            | Self::Partitions(_)
            | Self::Selftest(_)
            | Self::Crds { .. } => None,
        }
    }
}

#[derive(clap::Args)]
struct Worker {
    #[command(flatten)]
    redis: config::RedisFlags,
    #[command(flatten)]
    work: Work,
}

/// Which tasks a worker takes, and how it runs them.
#[derive(clap::Args)]
struct Work {
    /// Namespace whose queue is served
    #[arg(long, env = "IGOR_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Queue that is served
    #[arg(long, env = "IGOR_QUEUE", default_value = "default")]
    queue: String,
    /// The queue is one that the operator's settings share between namespaces
    #[arg(long)]
    shared: bool,
    /// Task type to serve; repeat for more. Without --exec the built-in ones, all of them when none is named
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Tasks that run at the same time
    #[arg(long, env = "IGOR_SLOTS", default_value_t = 1)]
    slots: usize,
    /// Tasks that a slot takes at once (built-in types only)
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Seconds that running tasks get to end after SIGTERM
    #[arg(long, default_value_t = 30.0)]
    shutdown_grace: f64,
    /// Run this program for each task instead of a built-in type: arguments on its standard input, IGOR_* in its environment
    #[arg(long, value_name = "PROGRAM [ARGUMENT]…", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<std::ffi::OsString>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut igor = Igor::parse();
    let level = igor.log_from.take().map_or(LogLevel::Fixed(igor.log.clone()), LogLevel::From);
    if let Err(error) = telemetry::logs(level, igor.log_format) {
        // There is no log to write it to.
        writeln!(std::io::stderr(), "igor: {}", telemetry::chain(&error)).ok();
        return ExitCode::FAILURE;
    }
    let ended = Box::pin(run(igor)).await;
    trace::finish().await;
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(igor: Igor) -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    if let Some(service) = igor.command.service() {
        trace::start(service)?;
    }
    match igor.command {
        Command::Operator(flags) => Ok(operator::run(config::Operator::load(*flags)?).await?),
        Command::Api(flags) => api(*flags).await,
        Command::Worker(flags) => serve(flags).await,
        Command::Standalone(flags) => Box::pin(standalone::run(*flags)).await,
        Command::Proxy(flags) => proxy::run(flags).await,
        Command::Migrate(flags) => migrate(flags).await,
        Command::Get(look) => look::get(look).await,
        Command::Why(look) => look::why(look).await,
        Command::Audit(audit) => look::history(audit).await,
        Command::Partitions(flags) => partitions::run(flags).await,
        Command::Selftest(flags) => selftest::run(flags).await,
        Command::Crds { markdown: true, .. } => print(&crd::reference::markdown()?),
        Command::Crds { dir, .. } => crds(dir),
    }
}

async fn api(flags: config::ApiFlags) -> anyhow::Result<()> {
    let config = config::Api::load(flags)?;
    let database = operator::database(&config.database);
    let queue = config.redis.as_ref().map(operator::redis);
    Ok(http::run(config, database, queue).await?)
}

async fn migrate(flags: config::PostgresFlags) -> anyhow::Result<()> {
    Ok(store::migrate(&operator::database(&flags.needed()?)).await?)
}

async fn serve(flags: Worker) -> anyhow::Result<()> {
    let redis = flags.redis.needed()?;
    Ok(worker::serve(flags.work.options(&redis)?).await?)
}

impl Work {
    fn options(self, redis: &config::Redis) -> anyhow::Result<worker::Options> {
        Ok(worker::Options {
            redis: operator::redis(redis),
            queue: if self.shared { self.queue } else { format!("{}.{}", self.namespace, self.queue) },
            types: self.types,
            slots: self.slots,
            batch: self.batch,
            shutdown_grace: Duration::try_from_secs_f64(self.shutdown_grace).context("--shutdown-grace")?,
            exec: self.exec,
        })
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn crds(dir: Option<PathBuf>) -> anyhow::Result<()> {
    let files = crd::yaml()?;
    let Some(dir) = dir else {
        let text: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
        return print(&text.join("---\n"));
    };
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    for (name, text) in files {
        std::fs::write(dir.join(&name), text).with_context(|| dir.join(name).display().to_string())?;
    }
    Ok(())
}
