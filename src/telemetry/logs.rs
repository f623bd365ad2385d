//! Logs: their level, which may change while the program runs, and their two forms. An error is written with all its causes, once.

mod form;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

pub use self::form::chain;
use self::form::{Json, Text};

/// How often a file with the level is read again. Kubernetes takes up to a minute to write a changed ConfigMap into it.
const RENEW: Duration = Duration::from_secs(2);

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is written: a level, or `target=level,…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// As long as the program runs.
    Fixed(String),
    /// What this file says, whenever it changes.
    From(PathBuf),
}

/// Why there are no logs.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file with the level cannot be read.
    #[error("cannot read the level of the log from {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// That is no level.
    #[error("{text:?} is not a level of the log, nor target=level,…")]
    Parse {
        /// What was said.
        text: String,
        /// Why.
        #[source]
        source: ParseError,
    },
}

type Filter = reload::Handle<EnvFilter, Registry>;

/// Sends logs to standard error. A level that comes from a file is followed from then on, so this wants a runtime.
pub fn logs(level: LogLevel, format: LogFormat) -> Result<(), LogError> {
    let text = level.read()?;
    let (filter, handle) = reload::Layer::new(parse(&text)?);
    let written = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let written = match format {
        LogFormat::Text => written.fmt_fields(Text).boxed(),
        LogFormat::Json => written.fmt_fields(tracing_subscriber::fmt::format::JsonFields::new()).event_format(Json).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(written).init();
    if let LogLevel::From(path) = level {
        tokio::spawn(follow(path, text, handle));
    }
    Ok(())
}

impl LogLevel {
    fn read(&self) -> Result<String, LogError> {
        match self {
            Self::Fixed(text) => Ok(text.clone()),
            Self::From(path) => read(path),
        }
    }
}

fn read(path: &Path) -> Result<String, LogError> {
    let text = std::fs::read_to_string(path).map_err(|source| LogError::Read { path: path.to_owned(), source })?;
    Ok(text.trim().to_owned())
}

/// What is no level may be anything: so much of it is told.
const SHOWN: usize = 40;

fn parse(text: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(text).map_err(|source| LogError::Parse { text: text.chars().take(SHOWN).collect(), source })
}

/// Takes over what the file says, as long as that is a level; says once when it is not.
async fn follow(path: PathBuf, mut known: String, filter: Filter) {
    let mut complained = None;
    loop {
        tokio::time::sleep(RENEW).await;
        let changed = match read(&path) {
            Ok(text) if text == known => None,
            Ok(text) => Some(parse(&text).map(|filter| (text, filter))),
            Err(error) => Some(Err(error)),
        };
        match changed {
            None => complained = None,
            Some(Ok((text, level))) => {
                complained = None;
                // Before: a higher one would hide it.
                tracing::info!(level = %text, was = %known, "the level of the log changes");
                if filter.reload(level).is_ok() {
                    known = text;
                }
            }
            Some(Err(error)) => complain(&mut complained, &error, &known),
        }
    }
}

fn complain(before: &mut Option<String>, error: &LogError, known: &dyn fmt::Display) {
    let said = error.to_string();
    if before.as_ref() != Some(&said) {
        tracing::warn!(error = error as &dyn std::error::Error, level = %known, "the level of the log stays");
        *before = Some(said);
    }
}
