//! The job's object is gone: what runs is stopped, the history stays, marked deleted.

use uuid::Uuid;

use super::super::connect::Store;
use super::super::error::Error;
use super::super::facts::{Command, Done, Epoch};
use super::sweep::Effect;
use crate::core::command::Verb;
use crate::core::id;

impl Store {
    /// Kills a job whose object is gone and marks it deleted; later verbs on it change nothing.
    pub async fn delete_job(&self, epoch: Option<Epoch>, job_id: Uuid, actor: &str) -> Result<Done, Error> {
        let created = id::created_ms(job_id);
        let command = Command {
            id: id::command(created, &job_id.to_string(), "job", Verb::Delete.as_str(), "gone"),
            job_id,
            actor: actor.to_owned(),
            reason: None,
        };
        self.carry_out(epoch, &command, &Effect::kill(Verb::Delete, "Deleted")).await
    }
}
