//! Since when what was made paused is paused, as its maker says.

use uuid::Uuid;

use super::super::connect::{Act, Store, lasting, within};
use super::super::error::Error;
use super::super::time::{Days, Time};

const ACT: &str = "say since when something is paused";

impl Store {
    /// Writes down since which second layers and tasks are paused; those that are not any more are left alone. Nothing depends on it.
    pub async fn paused_since(&self, layers: &[(Uuid, i64)], tasks: &[(Uuid, i64)]) -> Result<(), Error> {
        within(ACT, async {
            let (ids, since) = columns(layers);
            if !ids.is_empty() {
                let days = Days::of(&ids);
                let written = sqlx::query!(
                    r#"UPDATE igor.layers l SET paused_at = r.since
                       FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS r(id, created_at, since)
                       WHERE l.id = r.id AND l.created_at = r.created_at AND l.created_at BETWEEN $4 AND $5 AND l.paused_at IS NOT NULL"#,
                    &ids,
                    days.each as _,
                    since as _,
                    days.lo as _,
                    days.hi as _
                );
                lasting(ACT, written.execute(&self.writer)).await.act(ACT)?;
            }
            let (ids, since) = columns(tasks);
            if !ids.is_empty() {
                let days = Days::of(&ids);
                let written = sqlx::query!(
                    r#"UPDATE igor.tasks t SET paused_at = r.since
                       FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS r(id, created_at, since)
                       WHERE t.id = r.id AND t.created_at = r.created_at AND t.created_at BETWEEN $4 AND $5 AND t.paused_at IS NOT NULL"#,
                    &ids,
                    days.each as _,
                    since as _,
                    days.lo as _,
                    days.hi as _
                );
                lasting(ACT, written.execute(&self.writer)).await.act(ACT)?;
            }
            Ok(())
        })
        .await
    }
}

fn columns(since: &[(Uuid, i64)]) -> (Vec<Uuid>, Vec<Time>) {
    since.iter().map(|(id, second)| (*id, Time(second.saturating_mul(1000)))).unzip()
}
