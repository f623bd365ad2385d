//! Errored tasks of a layer, and what they said.

use uuid::Uuid;

use super::super::connect::{Act, Store, within_reading};
use super::super::error::Error;
use super::super::facts::Failure;
use super::super::rows::count;
use super::super::time::Time;
use crate::core::wait::{Commonest, commonest};

const ACT: &str = "read what failed";

/// Errored tasks whose messages are compared.
const COMPARED: i64 = 1_000;

impl Store {
    /// Errored tasks of a layer in the order of the plan, at most `limit`.
    pub async fn failures(&self, layer_id: Uuid, limit: u32) -> Result<Vec<Failure>, Error> {
        within_reading(ACT, async {
            let rows = sqlx::query!(
                r#"SELECT id, name, ix, attempt, reason, message FROM igor.tasks
                   WHERE layer_id = $1 AND created_at = $2 AND status = 'ERRORED' ORDER BY ordinal LIMIT $3"#,
                layer_id,
                Time::of(layer_id) as _,
                i64::from(limit)
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            let failures = rows.into_iter().map(|row| Failure {
                task_id: row.id,
                name: row.name,
                ix: row.ix.map(count),
                attempt: count(row.attempt),
                reason: row.reason,
                message: row.message,
            });
            Ok(failures.collect())
        })
        .await
    }

    /// What most of a layer's errored tasks said: of the first thousand, in the order of the index.
    ///
    /// A layer with fewer errors is read to its end (about a second for a million tasks), and no index could prevent it without costing
    /// every change of a task: ask once for each number of errors.
    pub async fn commonest_failure(&self, layer_id: Uuid) -> Result<Option<Commonest>, Error> {
        within_reading(ACT, async {
            let said = sqlx::query_scalar!(
                r#"SELECT left(coalesce(message, reason, 'no message'), 300) AS "said!" FROM igor.tasks
                   WHERE layer_id = $1 AND created_at = $2 AND status = 'ERRORED' ORDER BY type, ordinal LIMIT $3"#,
                layer_id,
                Time::of(layer_id) as _,
                COMPARED
            )
            .fetch_all(&self.reader)
            .await
            .act(ACT)?;
            Ok(commonest(said.iter().map(String::as_str)))
        })
        .await
    }
}
