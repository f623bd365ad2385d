//! What of an edit is refused, in words: which accepted task it changes first, and which names are taken.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::accept::ACT;
use super::super::connect::Act;
use super::super::error::Error;
use super::super::rows::{LayerRow, LockedJob, int};
use super::there::{self, There};
use crate::core::plan::{Edit, Fault, LayerPlan, MAX_TASKS, Plan, Reason, TaskPlan};
use crate::core::{id, name};

/// Everything that speaks against an edit.
pub(super) async fn refusals(
    connection: &mut PgConnection,
    job: &LockedJob,
    layers: &[LayerRow],
    plan: &Plan,
    edit: &Edit,
) -> Result<Vec<Fault>, Error> {
    let mut faults = edit.faults.clone();
    for at in &edit.changed {
        faults.push(first_change(connection, job, &layers[at.accepted], &plan.layers[at.planned]).await?);
    }
    if !faults.is_empty() {
        return Ok(faults);
    }
    for at in &edit.appended {
        let (row, planned) = (&layers[at.accepted], &plan.layers[at.planned]);
        faults.extend(taken_names(connection, job, row, planned).await?);
    }
    let appended = edit.appended.iter().flat_map(|at| &plan.layers[at.planned].tasks[layers[at.accepted].spec_len as usize..]);
    let added = edit.added.iter().map(|place| plan.layers[*place].expected()).sum::<u32>();
    let total = layers.iter().map(|row| row.layer.expected).sum::<u32>() + appended.map(TaskPlan::rows).sum::<u32>() + added;
    if total > MAX_TASKS {
        let message = format!("would have {total} tasks with those that are there, at most {MAX_TASKS}");
        faults.push(Fault { path: "layers".to_owned(), reason: Reason::TooLarge, message });
    }
    Ok(faults)
}

/// The first accepted task of a layer that a plan changes.
async fn first_change(connection: &mut PgConnection, job: &LockedJob, row: &LayerRow, planned: &LayerPlan) -> Result<Fault, Error> {
    let accepted = row.spec_len as usize;
    let kept = &planned.tasks[..planned.inline.min(accepted)];
    let id_of = |name: &str| id::task(job.created().0, &job.uid, &planned.name, name);
    let ids: Vec<Uuid> = kept.iter().flat_map(ends).map(|name| id_of(&name)).collect();
    let there = there::find(connection, job, &ids, ACT).await?;
    let find = |name: &str| there.get(&id_of(name));
    let mut ordinal = 0;
    let mut first = None;
    for (at, task) in kept.iter().enumerate() {
        if let Some(field) = change(task, ordinal, find) {
            first = Some((format!(".tasks[{at}].{field}"), "is not as it was accepted"));
            break;
        }
        ordinal += task.rows();
    }
    let gone = (planned.inline < accepted).then(|| (format!(".tasks[{}]", planned.inline), "is gone, and an accepted task stays: skip it"));
    let (place, message) = first.or(gone).unwrap_or_else(|| {
        (".tasks".to_owned(), "paused of a task holds when it is made: igor/pause-tasks and igor/unpause-tasks change it afterwards")
    });
    Ok(Fault { path: format!("layers[{}]{place}", planned.name), reason: Reason::ImmutablePlan, message: message.to_owned() })
}

/// The names of its rows by which an array is known: the first, the last, and one that it must not have.
fn ends(task: &TaskPlan) -> Vec<String> {
    match task.count {
        None => vec![task.name.clone()],
        Some(count) => [0, count.saturating_sub(1), count].map(|ix| name::of_element(&task.name, ix)).to_vec(),
    }
}

/// The field in which a task is another than the accepted one at its place.
fn change<'a>(task: &TaskPlan, ordinal: u32, find: impl Fn(&str) -> Option<&'a There>) -> Option<&'static str> {
    let names = ends(task);
    let Some(first) = find(&names[0]).filter(|there| there.ordinal == ordinal) else { return Some("name") };
    let Some(count) = task.count else {
        return if first.ix.is_some() { Some("count") } else { first.task.differs_in(task) };
    };
    let belongs = |there: &There| there.ix.is_some_and(|ix| there.ordinal == ordinal + ix);
    let is_whole = find(&names[1]).is_some_and(belongs) && !find(&names[2]).is_some_and(belongs);
    let element = TaskPlan { name: names[0].clone(), count: None, ..task.clone() };
    if is_whole && first.ix == Some(0) && count > 0 { first.task.differs_in(&element) } else { Some("count") }
}

/// Appended tasks whose names the layer has already, from a list or added one by one: its inline tasks were compared before.
async fn taken_names(connection: &mut PgConnection, job: &LockedJob, row: &LayerRow, planned: &LayerPlan) -> Result<Vec<Fault>, Error> {
    let appended = || (row.spec_len as usize..).zip(&planned.tasks[row.spec_len as usize..]);
    let first_name = |task: &TaskPlan| task.count.map_or_else(|| task.name.clone(), |_| name::of_element(&task.name, 0));
    let named: BTreeMap<Uuid, usize> =
        appended().map(|(at, task)| (id::task(job.created().0, &job.uid, &planned.name, &first_name(task)), at)).collect();
    let ids: Vec<Uuid> = named.keys().copied().collect();
    let there = there::find(connection, job, &ids, ACT).await?;
    let mut taken: BTreeMap<usize, String> = there.into_iter().map(|(id, there)| (named[&id], there.task.name)).collect();
    let arrays = || appended().filter_map(|(at, task)| Some((at, task.name.as_str(), task.count?)));
    let places: Vec<i32> = arrays().map(|(at, ..)| i32::try_from(at).unwrap_or(i32::MAX)).collect();
    let prefixes: Vec<&str> = arrays().map(|(_, prefix, _)| prefix).collect();
    let counts: Vec<i32> = arrays().map(|(.., count)| int(count)).collect();
    if !places.is_empty() {
        let rows = sqlx::query!(
            r#"SELECT DISTINCT ON (p.place) p.place AS "place!", t.name
               FROM unnest($3::int4[], $4::text[], $5::int4[]) AS p(place, prefix, count)
               JOIN igor.tasks t ON t.layer_id = $1 AND t.created_at = $2 AND t.ix IS NULL AND starts_with(t.name, p.prefix || '-')
               WHERE CASE WHEN substr(t.name, length(p.prefix) + 2) ~ '^(0|[1-9][0-9]{0,6})$'
                          THEN substr(t.name, length(p.prefix) + 2)::int4 < p.count ELSE false END"#,
            row.id,
            job.created() as _,
            &places,
            &prefixes as _,
            &counts
        )
        .fetch_all(connection)
        .await
        .act(ACT)?;
        taken.extend(rows.into_iter().map(|row| (row.place.unsigned_abs() as usize, row.name)));
    }
    let fault = |(at, name): (usize, String)| Fault {
        path: format!("layers[{}].tasks[{at}].name", planned.name),
        reason: Reason::DuplicateTaskName,
        message: format!("the layer has a task {name} already, from a list or added by itself: give this one another name"),
    };
    Ok(taken.into_iter().map(fault).collect())
}
