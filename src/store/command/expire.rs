//! The end of a finished job's time to live, told to the ledger before its object is deleted.

use uuid::Uuid;

use super::super::connect::{Act, Store, within};
use super::super::error::Error;
use super::super::facts::Epoch;
use super::super::rows::lock_job;

impl Store {
    /// Marks a job expired if it is still finished; says whether it is expired now. Only then is its object to be deleted.
    pub async fn mark_expired(&self, epoch: Option<Epoch>, job_id: Uuid) -> Result<bool, Error> {
        let act = "mark a job expired";
        within(act, async {
            let mut transaction = self.begin(act, epoch).await?;
            let job = lock_job(&mut transaction, job_id, act).await?;
            // A shut gate is a command at work: a retry of it may be opening the job again.
            let ended = job.finished && job.gate.is_none();
            if ended && !job.expired {
                sqlx::query!(
                    "UPDATE igor.jobs SET expired_at = statement_timestamp(), updated_at = statement_timestamp() WHERE id = $1 AND created_at = $2",
                    job.id,
                    job.created() as _
                )
                .execute(&mut *transaction)
                .await
                .act(act)?;
            }
            transaction.commit().await.act(act)?;
            Ok(ended)
        })
        .await
    }
}
