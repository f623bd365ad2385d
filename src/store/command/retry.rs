//! Retry: errored tasks go back to pending with their failures forgotten, and the job goes on, re-opened if it had ended.

use sqlx::PgConnection;

use super::super::advance::advance_jobs;
use super::super::connect::Store;
use super::super::error::Error;
use super::super::facts::{Command, Done, Epoch, JobChange};
use super::super::rows::LockedJob;
use super::ACT;
use super::sweep::Effect;

impl Store {
    /// Retries every errored task of a job.
    pub async fn retry_failed(&self, epoch: Option<Epoch>, command: &Command) -> Result<Done, Error> {
        self.carry_out(epoch, command, &Effect::retry_failed()).await
    }
}

/// Lets the job go on after a command: what is due now opens.
pub(super) async fn go_on(connection: &mut PgConnection, job: &mut LockedJob) -> Result<JobChange, Error> {
    let changes = advance_jobs(connection, std::slice::from_mut(job), ACT).await?;
    Ok(changes.into_iter().next().unwrap_or_else(|| job.unchanged()))
}
