//! Jobs from acceptance to their end: what start-up, sweep, deadlines and the poll of changed jobs read.

use sqlx::PgConnection;
use uuid::Uuid;

use super::connect::{Act, Store, within, within_reading};
use super::error::Error;
use super::facts::{Epoch, LiveJob};
use super::rows::LockedJob;
use super::time::Time;
use crate::core::id;

const ACT: &str = "list the live jobs";

struct Row {
    job_id: Uuid,
    uid: String,
    namespace: String,
    name: String,
    deadline: Option<Time>,
    dirty: bool,
}

impl From<Row> for LiveJob {
    fn from(row: Row) -> Self {
        let Row { job_id, uid, namespace, name, deadline, dirty } = row;
        Self { job_id, uid, namespace, name, deadline_ms: deadline.map(|deadline| deadline.0), dirty }
    }
}

/// Marks a job that another process than its leader has changed, also one that ended with that: the leader is to look at it.
pub(super) async fn mark_dirty(connection: &mut PgConnection, job: &LockedJob) -> Result<(), Error> {
    sqlx::query!(
        r#"INSERT INTO igor.live_jobs (job_id, created_at, uid, namespace, name, dirty) VALUES ($1, $2, $3, $4, $5, true)
           ON CONFLICT (job_id) DO UPDATE SET dirty = true"#,
        job.id,
        job.created() as _,
        job.uid,
        job.namespace,
        job.name
    )
    .execute(connection)
    .await
    .act("mark a changed job")?;
    Ok(())
}

impl Store {
    /// Every job that is accepted, or being so, and has not ended.
    pub async fn live_jobs(&self) -> Result<Vec<LiveJob>, Error> {
        within(ACT, async {
            let rows = sqlx::query_as!(
                Row,
                r#"SELECT job_id, uid, namespace, name, deadline_at AS "deadline: Time", dirty FROM igor.live_jobs ORDER BY job_id"#
            )
            .fetch_all(&self.writer)
            .await
            .act(ACT)?;
            Ok(rows.into_iter().map(LiveJob::from).collect())
        })
        .await
    }

    /// The jobs that another process changed since the last call; their marks are taken off.
    pub async fn take_dirty(&self, epoch: Epoch) -> Result<Vec<LiveJob>, Error> {
        within(ACT, async {
            let mut transaction = self.begin(ACT, Some(epoch)).await?;
            let mut rows = sqlx::query_as!(
                Row,
                r#"DELETE FROM igor.live_jobs v USING igor.jobs j
                   WHERE v.dirty AND j.id = v.job_id AND j.created_at = v.created_at AND j.finished_at IS NOT NULL
                   RETURNING v.job_id, v.uid, v.namespace, v.name, v.deadline_at AS "deadline: Time", v.dirty"#
            )
            .fetch_all(&mut *transaction)
            .await
            .act(ACT)?;
            rows.extend(
                sqlx::query_as!(
                    Row,
                    r#"UPDATE igor.live_jobs SET dirty = false WHERE dirty
                   RETURNING job_id, uid, namespace, name, deadline_at AS "deadline: Time", dirty"#
                )
                .fetch_all(&mut *transaction)
                .await
                .act(ACT)?,
            );
            transaction.commit().await.act(ACT)?;
            Ok(rows.into_iter().map(LiveJob::from).collect())
        })
        .await
    }

    /// The live jobs whose deadline is over, by the database's clock.
    pub async fn past_deadline(&self) -> Result<Vec<LiveJob>, Error> {
        within(ACT, async {
            let rows = sqlx::query_as!(
                Row,
                r#"SELECT job_id, uid, namespace, name, deadline_at AS "deadline: Time", dirty FROM igor.live_jobs
                   WHERE deadline_at <= statement_timestamp() ORDER BY deadline_at"#
            )
            .fetch_all(&self.writer)
            .await
            .act(ACT)?;
            Ok(rows.into_iter().map(LiveJob::from).collect())
        })
        .await
    }

    /// The job of the object with this uid and creation, if the ledger knows it.
    pub async fn job_by_uid(&self, created_ms: i64, uid: &str) -> Result<Option<Uuid>, Error> {
        let act = "look a job up";
        within_reading(act, async {
            let job_id = id::job(created_ms, uid);
            let found = sqlx::query_scalar!("SELECT id FROM igor.jobs WHERE id = $1 AND created_at = $2", job_id, Time(created_ms) as _);
            found.fetch_optional(&self.writer).await.act(act)
        })
        .await
    }
}
