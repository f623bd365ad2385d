//! The layers' rows: written with the job or when it grows, replaced while the job is loading.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Identity;
use super::super::levels::Levels;
use super::super::rows::int;
use super::super::time::Time;
use super::{ACT, Wish};
use crate::core::command::Object;
use crate::core::id;
use crate::core::plan::LayerPlan;

/// Writes layers of a plan, by their places, none of their tasks loaded.
pub(in crate::store) async fn insert(
    connection: &mut PgConnection,
    job_id: Uuid,
    wish: Wish<'_>,
    places: impl Iterator<Item = usize>,
) -> Result<(), Error> {
    let Wish { identity, plan, contents } = wish;
    let places: Vec<usize> = places.collect();
    let layers: Vec<&LayerPlan> = places.iter().map(|place| &plan.layers[*place]).collect();
    let ordinals: Vec<i32> = places.iter().map(|place| i32::try_from(*place).unwrap_or(i32::MAX)).collect();
    let column = |value: fn(&LayerPlan) -> i32| layers.iter().map(|layer| value(layer)).collect::<Vec<i32>>();
    let ids: Vec<Uuid> = layers.iter().map(|layer| id::layer(identity.created_ms, &identity.uid, &layer.name)).collect();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let titles: Vec<&str> = layers.iter().map(|layer| layer.title.as_deref().unwrap_or(&layer.name)).collect();
    let limits: Vec<Option<i32>> = layers.iter().map(|layer| layer.max_in_flight.map(int)).collect();
    let hashes: Vec<&[u8]> = layers.iter().map(|layer| layer.spec_hash.as_slice()).collect();
    let sources: Vec<Option<&[u8]>> = layers.iter().map(|layer| layer.sources_hash.as_ref().map(<[u8; 32]>::as_slice)).collect();
    let contents: Vec<&[u8]> = places.iter().map(|place| contents[*place].as_slice()).collect();
    let (levels, paused_by): (Vec<serde_json::Value>, Vec<Option<&str>>) = layers.iter().map(|layer| first_level(identity, layer)).unzip();
    sqlx::query!(
        r#"INSERT INTO igor.layers (created_at, id, job_id, ordinal, name, title, priority, max_in_flight, n_expected, spec_len, spec_hash,
                                    sources_hash, content_hash, level, paused_by, paused_at, version)
           SELECT $1, r.id, $2, r.ordinal, r.name, r.title, r.priority, r.max_in_flight, r.n_expected, r.spec_len, r.spec_hash,
                  r.sources_hash, r.content_hash, r.level, r.paused_by, CASE WHEN r.paused_by IS NOT NULL THEN statement_timestamp() END,
                  1 + (SELECT count(*) FROM igor.transitions a WHERE a.task_id = r.id AND a.created_at = $1)
           FROM unnest($3::uuid[], $4::text[], $5::text[], $6::int4[], $7::int4[], $8::int4[], $9::int4[], $10::bytea[], $11::jsonb[], $12::text[],
                       $13::bytea[], $14::bytea[], $15::int4[])
                AS r(id, name, title, priority, max_in_flight, n_expected, spec_len, spec_hash, level, paused_by, content_hash, sources_hash, ordinal)
           ON CONFLICT DO NOTHING"#,
        Time(identity.created_ms) as _,
        job_id,
        &ids,
        &names as _,
        &titles as _,
        &column(|layer| layer.priority),
        &limits as _,
        &column(|layer| int(layer.expected())),
        &column(|layer| i32::try_from(layer.inline).unwrap_or(i32::MAX)),
        &hashes as _,
        &levels,
        &paused_by as _,
        &contents as _,
        &sources as _,
        &ordinals
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
pub(super) async fn replace(connection: &mut PgConnection, job_id: Uuid, wish: Wish<'_>) -> Result<(), Error> {
    let created = Time(wish.identity.created_ms);
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
    insert(connection, job_id, wish, 0..wish.plan.layers.len()).await
}
