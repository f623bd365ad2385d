//! The layers' rows: written with the job, replaced while it is loading, and their live fields afterwards.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Identity;
use super::super::levels::Levels;
use super::super::rows::int;
use super::super::time::Time;
use super::ACT;
use crate::core::command::Object;
use crate::core::id;
use crate::core::plan::{LayerPlan, Plan};

/// Writes the layers of a plan, none of their tasks loaded.
pub(super) async fn insert(
    connection: &mut PgConnection,
    job_id: Uuid,
    identity: &Identity,
    plan: &Plan,
    contents: &[[u8; 32]],
) -> Result<(), Error> {
    let column = |value: fn(&LayerPlan) -> i32| plan.layers.iter().map(value).collect::<Vec<i32>>();
    let ids: Vec<Uuid> = plan.layers.iter().map(|layer| id::layer(identity.created_ms, &identity.uid, &layer.name)).collect();
    let names: Vec<&str> = plan.layers.iter().map(|layer| layer.name.as_str()).collect();
    let titles: Vec<&str> = plan.layers.iter().map(|layer| layer.title.as_deref().unwrap_or(&layer.name)).collect();
    let limits: Vec<Option<i32>> = plan.layers.iter().map(|layer| layer.max_in_flight.map(int)).collect();
    let hashes: Vec<&[u8]> = plan.layers.iter().map(|layer| layer.spec_hash.as_slice()).collect();
    let contents: Vec<&[u8]> = contents.iter().map(<[u8; 32]>::as_slice).collect();
    let (levels, paused_by): (Vec<serde_json::Value>, Vec<Option<&str>>) =
        plan.layers.iter().map(|layer| first_level(identity, layer)).unzip();
    sqlx::query!(
        r#"INSERT INTO igor.layers (created_at, id, job_id, ordinal, name, title, priority, max_in_flight, n_expected, spec_len, spec_hash,
                                    content_hash, level, paused_by, paused_at)
           SELECT $1, r.id, $2, r.place::int4 - 1, r.name, r.title, r.priority, r.max_in_flight, r.n_expected, r.spec_len, r.spec_hash,
                  r.content_hash, r.level, r.paused_by, CASE WHEN r.paused_by IS NOT NULL THEN statement_timestamp() END
           FROM unnest($3::uuid[], $4::text[], $5::text[], $6::int4[], $7::int4[], $8::int4[], $9::int4[], $10::bytea[], $11::jsonb[], $12::text[],
                       $13::bytea[])
                WITH ORDINALITY AS r(id, name, title, priority, max_in_flight, n_expected, spec_len, spec_hash, level, paused_by, content_hash, place)
           ON CONFLICT DO NOTHING"#,
        Time(identity.created_ms) as _,
        job_id,
        &ids,
        &names as _,
        &titles as _,
        &column(|layer| layer.priority),
        &limits as _,
        &column(|layer| int(layer.expected())),
        &column(|layer| i32::try_from(layer.tasks.len()).unwrap_or(i32::MAX)),
        &hashes as _,
        &levels,
        &paused_by as _,
        &contents as _
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}

/// What was seen of a layer's pause level before it was accepted.
fn first_level<'a>(identity: &Identity, layer: &LayerPlan) -> (serde_json::Value, Option<&'a str>) {
    let mut levels = Levels::default();
    let edge = levels.see(&identity.levels.iter().filter(|seen| seen.object == Object::Layer(layer.name.clone())));
    (levels.to_json(), edge.filter(|edge| edge.paused).map(|edge| edge.source.as_str()))
}

/// Puts another plan in the place of one that is still loading: none of its layers has opened.
pub(super) async fn replace(
    connection: &mut PgConnection,
    job_id: Uuid,
    identity: &Identity,
    plan: &Plan,
    contents: &[[u8; 32]],
) -> Result<(), Error> {
    let created = Time(identity.created_ms);
    sqlx::query!(
        r#"WITH old AS (SELECT id FROM igor.layers WHERE job_id = $1 AND created_at = $2),
                rows AS (DELETE FROM igor.tasks t USING old WHERE t.layer_id = old.id AND t.created_at = $2 RETURNING t.args_id)
           DELETE FROM igor.task_args a USING (SELECT DISTINCT args_id FROM rows) r WHERE a.args_id = r.args_id AND a.created_at = $2"#,
        job_id,
        created as _
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    sqlx::query!("DELETE FROM igor.layers WHERE job_id = $1 AND created_at = $2", job_id, created as _)
        .execute(&mut *connection)
        .await
        .act(ACT)?;
    insert(connection, job_id, identity, plan, contents).await
}

/// Takes over what may be edited while the job runs: its priority, and the limits.
pub(super) async fn take_over(connection: &mut PgConnection, job_id: Uuid, generation: i64, plan: &Plan, lane: i16) -> Result<(), Error> {
    let created = Time::of(job_id);
    let names: Vec<&str> = plan.layers.iter().map(|layer| layer.name.as_str()).collect();
    let limits: Vec<Option<i32>> = plan.layers.iter().map(|layer| layer.max_in_flight.map(int)).collect();
    sqlx::query!(
        "UPDATE igor.jobs SET lane = $3, max_in_flight = $4, generation = $5, updated_at = statement_timestamp() WHERE id = $1 AND created_at = $2",
        job_id,
        created as _,
        lane,
        plan.max_in_flight.map(int),
        generation
    )
    .execute(&mut *connection)
    .await
    .act(ACT)?;
    sqlx::query!(
        r#"UPDATE igor.layers l SET max_in_flight = r.max_in_flight, updated_at = statement_timestamp()
           FROM unnest($3::text[], $4::int4[]) AS r(name, max_in_flight)
           WHERE l.job_id = $1 AND l.created_at = $2 AND l.name = r.name AND l.max_in_flight IS DISTINCT FROM r.max_in_flight"#,
        job_id,
        created as _,
        &names as _,
        &limits as _
    )
    .execute(connection)
    .await
    .act(ACT)?;
    Ok(())
}
