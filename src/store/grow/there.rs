//! Tasks as the ledger has them, in the shape in which a plan says them: to tell a repetition from another task of the same name.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::dispatch::{args_of, read_args};
use super::super::error::Error;
use super::super::rows::{LockedJob, count};
use crate::core::plan::TaskPlan;

/// A task that is there.
#[derive(Clone, Debug)]
pub(super) struct There {
    /// Its place in the layer.
    pub(super) ordinal: u32,
    /// Its index, when it is an array's.
    pub(super) ix: Option<u32>,
    /// What it is.
    pub(super) task: TaskPlan,
}

/// Those of these tasks that are there.
pub(super) async fn find(
    connection: &mut PgConnection,
    job: &LockedJob,
    ids: &[Uuid],
    act: &'static str,
) -> Result<BTreeMap<Uuid, There>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"SELECT id, ordinal, ix, type AS kind, name, title, args, args_id, max_failures, timeout_ms FROM igor.tasks
           WHERE id = ANY($1) AND created_at = $2"#,
        ids,
        job.created() as _
    )
    .fetch_all(&mut *connection)
    .await
    .act(act)?;
    let apart = read_args(connection, rows.iter().filter_map(|row| row.args_id)).await?;
    let there = rows.into_iter().map(|row| {
        let args = args_of(row.args, row.args_id, &apart).to_vec();
        let task = TaskPlan {
            name: row.name,
            title: row.title,
            kind: row.kind,
            args: Some(args),
            count: None,
            max_failures: count(row.max_failures),
            timeout_ms: row.timeout_ms.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
            paused: false,
        };
        (row.id, There { ordinal: count(row.ordinal), ix: row.ix.map(count), task })
    });
    Ok(there.collect())
}
