//! One shared connection that is made again when it breaks. Knows nothing of what is sent over it.
//!
//! The crate's own connection manager keeps a connection that times out; here any failure of the transport drops it, so a half-open
//! one costs a single response timeout. It also tells apart what the operator needs apart: nothing was sent, or the reply is lost.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::Mutex;

use super::{Error, Settings};
use crate::proof;

/// Longer than any pause a healthy server makes.
pub(crate) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that does not even accept is treated as away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for many users at once; requests are pipelined.
#[derive(Clone)]
pub(crate) struct Link {
    settings: Arc<Settings>,
    name: Arc<str>,
    response_timeout: Option<Duration>,
    current: Arc<Mutex<Slot>>,
}

#[derive(Default)]
struct Slot {
    made: u64,
    connection: Option<MultiplexedConnection>,
}

impl Link {
    /// Connects at first use, and shows as `name` in the server's `CLIENT LIST`. `response_timeout` of `None` is for blocking reads:
    /// their caller keeps the time.
    pub(crate) fn new(settings: Arc<Settings>, name: &str, response_timeout: Option<Duration>) -> Self {
        Self { settings, name: name.into(), response_timeout, current: Arc::default() }
    }

    /// The connection and its number, made if there is none.
    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Error> {
        let mut slot = self.current.lock().await;
        if let Some(connection) = &slot.connection {
            return Ok((slot.made, connection.clone()));
        }
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT)).set_response_timeout(self.response_timeout);
        let client = self.settings.client()?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(Error::connect)?;
        // A name is a courtesy; an ACL that forbids it is no reason not to work.
        let named = connection.send_packed_command(redis::cmd("CLIENT").arg("SETNAME").arg(&*self.name)).await;
        named.map(drop).or_else(|error| if is_answer(&error) { Ok(()) } else { Err(error) }).map_err(Error::connect)?;
        slot.made += 1;
        slot.connection = Some(connection.clone());
        Ok((slot.made, connection))
    }

    /// The number of the connection that the next request uses, made now if there is none.
    pub(crate) async fn connected(&self) -> Result<u64, Error> {
        self.connection().await.map(|(number, _)| number)
    }

    /// How many connections were made so far: a change tells that replies may have been lost in between.
    pub(crate) async fn made(&self) -> u64 {
        self.current.lock().await.made
    }

    /// Drops the connection, so that the next request makes a new one; what is under way on it fails.
    pub(crate) async fn reset(&self) {
        self.current.lock().await.connection = None;
    }

    async fn broken(&self, number: u64) {
        let mut slot = self.current.lock().await;
        if slot.made == number {
            slot.connection = None;
        }
    }

    /// Sends one command.
    pub(crate) async fn command(&self, act: &'static str, command: &Cmd) -> Result<Value, Error> {
        let (number, mut connection) = self.connection().await?;
        let effect = proof::before_all(act, std::iter::once(command));
        let reply = connection.send_packed_command(command).await;
        proof::after(effect);
        refusal(self.judge(act, number, reply).await?).map_err(|source| Error::Refused { act, source })
    }

    /// Sends one command that may wait in the server; a reply that is not there within `limit` is lost, and the connection with it.
    pub(crate) async fn command_within(&self, limit: Duration, act: &'static str, command: &Cmd) -> Result<Value, Error> {
        if let Ok(reply) = tokio::time::timeout(limit, self.command(act, command)).await {
            return reply;
        }
        self.reset().await;
        Err(timed_out(act))
    }

    /// Sends all commands at once; each has its own answer, in order.
    pub(crate) async fn pipeline(&self, act: &'static str, pipeline: &Pipeline) -> Result<Vec<RedisResult<Value>>, Error> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let (number, mut connection) = self.connection().await?;
        let effect = proof::before_all(act, pipeline.cmd_iter());
        let replies = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
        proof::after(effect);
        let replies = self.judge(act, number, replies).await?;
        Ok(replies.into_iter().map(refusal).collect())
    }

    async fn judge<T>(&self, act: &'static str, number: u64, reply: RedisResult<T>) -> Result<T, Error> {
        match reply {
            Ok(reply) => Ok(reply),
            Err(source) if is_answer(&source) => Err(Error::Refused { act, source }),
            Err(source) => {
                self.broken(number).await;
                Err(Error::Unknown { act, source })
            }
        }
    }
}

/// The error of a reply that was waited for long enough.
pub(crate) fn timed_out(act: &'static str) -> Error {
    Error::Unknown { act, source: std::io::Error::from(std::io::ErrorKind::TimedOut).into() }
}

/// Whether the server said no, rather than the connection broke.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// An error reply as an error. Replies are looked at only at the top: nothing asked for here nests errors.
fn refusal(reply: Value) -> RedisResult<Value> {
    match reply {
        Value::ServerError(error) => Err(error.into()),
        reply => Ok(reply),
    }
}
