//! What may be edited at any time: titles, priority, limits and the deadline. It is taken over also when the plan itself is refused.

use sqlx::PgConnection;

use super::super::accept::{ACT, Wish, lane_of};
use super::super::advance::list_live;
use super::super::connect::Act;
use super::super::error::Error;
use super::super::rows::{LockedJob, int};
use crate::core::plan::Plan;

/// Takes the live fields over. `whole`: the plan is accepted too, so that this generation is the one in the ledger, with its order of
/// layers.
pub(super) async fn take_over(connection: &mut PgConnection, job: &mut LockedJob, wish: Wish<'_>, whole: bool) -> Result<(), Error> {
    let plan = wish.plan;
    if whole {
        job.generation = wish.identity.generation;
    }
    sqlx::query!(
        r#"UPDATE igor.jobs SET title = $3, lane = $4, max_in_flight = $5, deadline_s = $6, generation = $7, updated_at = statement_timestamp()
           WHERE id = $1 AND created_at = $2"#,
        job.id,
        job.created() as _,
        plan.title.as_deref().unwrap_or(&job.name),
        lane_of(plan.priority),
        plan.max_in_flight.map(int),
        plan.deadline_seconds.map(i64::from),
        job.generation
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    of_layers(connection, job, plan, whole).await?;
    if job.finished { Ok(()) } else { list_live(connection, &[job.id], ACT).await }
}

async fn of_layers(connection: &mut PgConnection, job: &LockedJob, plan: &Plan, reorder: bool) -> Result<(), Error> {
    let names: Vec<&str> = plan.layers.iter().map(|layer| layer.name.as_str()).collect();
    let titles: Vec<&str> = plan.layers.iter().map(|layer| layer.title.as_deref().unwrap_or(&layer.name)).collect();
    let limits: Vec<Option<i32>> = plan.layers.iter().map(|layer| layer.max_in_flight.map(int)).collect();
    sqlx::query!(
        r#"UPDATE igor.layers l
           SET title = r.title, max_in_flight = r.max_in_flight, ordinal = CASE WHEN $6 THEN r.place::int4 - 1 ELSE l.ordinal END,
               updated_at = statement_timestamp()
           FROM unnest($3::text[], $4::text[], $5::int4[]) WITH ORDINALITY AS r(name, title, max_in_flight, place)
           WHERE l.job_id = $1 AND l.created_at = $2 AND l.name = r.name
             AND (l.title, l.max_in_flight, l.ordinal) IS DISTINCT FROM (r.title, r.max_in_flight, CASE WHEN $6 THEN r.place::int4 - 1 ELSE l.ordinal END)"#,
        job.id,
        job.created() as _,
        &names as _,
        &titles as _,
        &limits as _,
        reorder
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
