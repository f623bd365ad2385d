//! The layers' rows: written with the job or when it grows, replaced while the job is loading.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Identity;
use super::super::levels::Levels;
use super::super::rows::{LayerRow, int, layer_rows};
use super::super::time::Time;
use super::{ACT, Wish};
use crate::core::command::Object;
use crate::core::id;
use crate::core::plan::{LayerPlan, TaskPlan};

/// Writes layers of a plan, by their places, and gives their rows in that order. Their cursors stand where no task is loaded, or at their
/// ends if the caller writes all `tasks` in this transaction.
pub(in crate::store) async fn insert(
    connection: &mut PgConnection,
    job_id: Uuid,
    wish: Wish<'_>,
    places: impl Iterator<Item = usize>,
    tasks: Tasks,
) -> Result<Vec<LayerRow>, Error> {
    let places: Vec<usize> = places.collect();
    let of = Columns::of(wish, &places);
    let number = |value: fn(&LayerPlan) -> i32| places.iter().map(|place| value(&wish.plan.layers[*place])).collect::<Vec<i32>>();
    let loaded = |value: fn(&LayerPlan) -> i32| match tasks {
        Tasks::Follow => vec![0; places.len()],
        Tasks::Written => number(value),
    };
    let rows = layer_rows!(
        r#"INSERT INTO igor.layers (created_at, id, job_id, ordinal, name, title, priority, max_in_flight, n_expected, n_loaded, n_pending, n_paused,
                                    spec_len, spec_hash, sources_hash, content_hash, level, paused_by, paused_at, version)
           SELECT $1, r.id, $2, r.ordinal, r.name, r.title, r.priority, r.max_in_flight, r.n_expected, r.n_loaded, r.n_loaded, r.n_paused,
                  r.spec_len, r.spec_hash, r.sources_hash, r.content_hash, r.level, r.paused_by,
                  CASE WHEN r.paused_by IS NOT NULL THEN statement_timestamp() END,
                  1 + (SELECT count(*) FROM igor.transitions a WHERE a.task_id = r.id AND a.created_at = $1)
           FROM unnest($3::uuid[], $4::text[], $5::text[], $6::int4[], $7::int4[], $8::int4[], $9::int4[], $10::bytea[], $11::jsonb[], $12::text[],
                       $13::bytea[], $14::bytea[], $15::int4[], $16::int4[], $17::int4[])
                AS r(id, name, title, priority, max_in_flight, n_expected, spec_len, spec_hash, level, paused_by, content_hash, sources_hash, ordinal,
                     n_loaded, n_paused)
           ON CONFLICT DO NOTHING RETURNING"#,
        "",
        Time(wish.identity.created_ms) as _,
        job_id,
        &of.ids,
        &of.names as _,
        &of.titles as _,
        &number(|layer| layer.priority),
        &of.limits as _,
        &number(|layer| int(layer.expected())),
        &number(|layer| i32::try_from(layer.inline).unwrap_or(i32::MAX)),
        &of.hashes as _,
        &of.levels,
        &of.paused_by as _,
        &of.contents as _,
        &of.sources as _,
        &of.ordinals,
        &loaded(|layer| int(layer.expected())),
        &loaded(|layer| int(layer.tasks.iter().filter(|task| task.paused).map(TaskPlan::rows).sum()))
    )
    .fetch_all(connection)
    .await
    .act(ACT)?;
    let mut rows = rows.into_iter().map(LayerRow::try_from).collect::<Result<Vec<LayerRow>, Error>>()?;
    rows.sort_by_key(|row| of.ids.iter().position(|id| *id == row.id));
    Ok(rows)
}

/// When the tasks of layers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Tasks {
    /// Chunk by chunk, each moving the layer's cursor.
    Follow,
    /// All of them in the layers' own transaction.
    Written,
}

/// The parameters of layers, a column each.
struct Columns<'a> {
    ordinals: Vec<i32>,
    ids: Vec<Uuid>,
    names: Vec<&'a str>,
    titles: Vec<&'a str>,
    limits: Vec<Option<i32>>,
    hashes: Vec<&'a [u8]>,
    sources: Vec<Option<&'a [u8]>>,
    contents: Vec<&'a [u8]>,
    levels: Vec<serde_json::Value>,
    paused_by: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(Wish { identity, plan, contents }: Wish<'a>, places: &[usize]) -> Self {
        let layers = || places.iter().map(|place| &plan.layers[*place]);
        let (levels, paused_by) = layers().map(|layer| first_level(identity, layer)).unzip();
        Self {
            ordinals: places.iter().map(|place| i32::try_from(*place).unwrap_or(i32::MAX)).collect(),
            ids: layers().map(|layer| id::layer(identity.created_ms, &identity.uid, &layer.name)).collect(),
            names: layers().map(|layer| layer.name.as_str()).collect(),
            titles: layers().map(|layer| layer.title.as_deref().unwrap_or(&layer.name)).collect(),
            limits: layers().map(|layer| layer.max_in_flight.map(int)).collect(),
            hashes: layers().map(|layer| layer.spec_hash.as_slice()).collect(),
            sources: layers().map(|layer| layer.sources_hash.as_ref().map(<[u8; 32]>::as_slice)).collect(),
            contents: places.iter().map(|place| contents[*place].as_slice()).collect(),
            levels,
            paused_by,
        }
    }
}

/// What was seen of a layer's pause level before it was accepted.
fn first_level<'a>(identity: &Identity, layer: &LayerPlan) -> (serde_json::Value, Option<&'a str>) {
    let mut levels = Levels::default();
    let edge = levels.see(&identity.levels.iter().filter(|seen| seen.object == Object::Layer(layer.name.clone())));
    (levels.to_json(), edge.filter(|edge| edge.paused).map(|edge| edge.source.as_str()))
}

/// Puts another plan in the place of one that is still loading: none of its layers has opened.
pub(super) async fn replace(connection: &mut PgConnection, job_id: Uuid, wish: Wish<'_>) -> Result<Vec<LayerRow>, Error> {
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
    insert(connection, job_id, wish, 0..wish.plan.layers.len(), Tasks::Follow).await
}
