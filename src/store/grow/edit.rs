//! A later plan of an accepted job: what it adds is taken in, what it changes is refused.

use sqlx::PgConnection;

use super::super::accept::rows::load;
use super::super::accept::{ACT, Step, Wish};
use super::super::advance::advance_jobs;
use super::super::error::Error;
use super::super::facts::{Accepted, Identity, Standing};
use super::super::levels::Levels;
use super::super::open;
use super::super::rows::{LayerRow, LockedJob, layers_of};
use super::{announce, changed, live};
use crate::core::command::Object;
use crate::core::job::Layer;
use crate::core::plan::{AcceptedLayer, AcceptedPlan, Backoff, Fault, edit};

/// One transaction of an edit, of at most `rows` rows of tasks.
pub(in crate::store) async fn step(connection: &mut PgConnection, job: &mut LockedJob, wish: Wish<'_>, rows: u32) -> Result<Step, Error> {
    if wish.identity.generation < job.generation {
        return Ok(Step::Accepted(Box::new(known(job, Vec::new()))));
    }
    if job.gate.is_some() {
        return Ok(Step::Gated);
    }
    let mut layers = layers_of(connection, &[job.id], ACT).await?;
    let mut moved = layers.iter().any(is_loading);
    if layers.iter().any(|row| is_loading(row) && !goes_on(row, wish)) {
        announce::take_back(connection, job, &layers).await?;
        layers = layers_of(connection, &[job.id], ACT).await?;
    }
    let mut refused = Vec::new();
    let is_newer = wish.identity.generation > job.generation;
    if !layers.iter().any(is_loading) {
        let edit = edit(&accepted_plan(job, &layers, wish.identity), wish.plan);
        refused = changed::refusals(connection, job, &layers, wish.plan, &edit).await?;
        if is_newer {
            live::take_over(connection, job, wish, refused.is_empty()).await?;
        }
        if refused.is_empty() && edit.grows() {
            announce::announce(connection, job, wish, &layers, &edit).await?;
            layers = layers_of(connection, &[job.id], ACT).await?;
            moved = true;
        }
    }
    let all = load(connection, job, wish.plan, &layers, rows).await?;
    let mut accepted = known(job, refused);
    if moved {
        announce::settle(connection, job).await?;
        accepted.change = advance_jobs(connection, std::slice::from_mut(job), ACT).await?.pop().unwrap_or(accepted.change);
    }
    if moved || is_newer {
        accepted.change.opened = open::types_of(connection, &[job.id], ACT).await?;
    }
    // What was announced by an earlier plan is in; this one may add more.
    let is_later = accepted.refused.is_empty() && wish.identity.generation > job.generation;
    Ok(if all && !is_later { Step::Accepted(Box::new(accepted)) } else { Step::More })
}

fn known(job: &LockedJob, refused: Vec<Fault>) -> Accepted {
    let standing = if job.finished { Standing::Ended } else { Standing::Known };
    Accepted { job_id: job.id, standing, inserted: false, refused, change: job.unchanged() }
}

fn is_loading(row: &LayerRow) -> bool {
    row.layer.is_loading()
}

/// Whether a plan still has what is being loaded into a layer.
fn goes_on(row: &LayerRow, wish: Wish<'_>) -> bool {
    let Some(place) = wish.plan.layers.iter().position(|planned| planned.name == row.layer.name) else { return false };
    let planned = &wish.plan.layers[place];
    let inline = row.spec_len as usize;
    match row.growing {
        Some(_) => planned.inline >= inline && planned.hash_of_first(inline)[..] == row.spec_hash[..],
        None => planned.priority == row.layer.priority && row.content_hash.as_deref() == Some(wish.contents[place].as_slice()),
    }
}

/// The accepted plan, with the pauses that the edit itself asks for.
fn accepted_plan(job: &LockedJob, rows: &[LayerRow], identity: &Identity) -> AcceptedPlan {
    let pauses = |column: &serde_json::Value, object: &Object| {
        let seen = identity.levels.iter().filter(|sighting| sighting.object == *object);
        Levels::read(column).see(&seen).filter(|edge| edge.paused).map(|edge| edge.source.as_str().to_owned())
    };
    let mut core = job.as_core(rows.iter());
    core.paused_by = core.paused_by.or_else(|| pauses(&job.level, &Object::Job));
    let layers = core.layers.into_iter().zip(rows).map(|(layer, row)| {
        let paused_by = layer.paused_by.clone().or_else(|| pauses(&row.level, &Object::Layer(layer.name.clone())));
        Layer { paused_by, ..layer }
    });
    core.layers = layers.collect();
    let backoff = Backoff {
        initial: std::time::Duration::from_millis(job.backoff_initial_ms),
        max: std::time::Duration::from_millis(job.backoff_max_ms),
    };
    let of_layer = |row: &LayerRow| AcceptedLayer {
        inline: row.spec_len as usize,
        spec_hash: row.spec_hash.clone(),
        sources_hash: row.sources_hash.clone(),
    };
    AcceptedPlan { job: core, queue: job.queue.clone(), backoff, layers: rows.iter().map(of_layer).collect() }
}
