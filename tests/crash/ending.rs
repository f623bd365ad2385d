//! How a run ended, as text to compare: one line a fact. What may differ when a process dies is left out, everything else has to be
//! the same to the letter.
//!
//! Left out: times, ids, and the message that names a lost worker. After the death of a worker its tasks are run again, so their
//! attempts, versions and losses rise; after that of an operator not even those may differ.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

use crate::support::laws;
use crate::world::World;

/// The lines, in order.
pub(crate) type Ending = BTreeSet<String>;

const JOBS: &str =
    "SELECT format('job %s: %s %s, version %s, paused %s, gate %s, deleted %s, expired %s, started %s, finished %s, loaded %s',
        name, status, reason, version, paused_by, gate, deleted_at IS NOT NULL, expired_at IS NOT NULL, started_at IS NOT NULL,
        finished_at IS NOT NULL, loaded_at IS NOT NULL)
    FROM igor.jobs";

const LAYERS: &str = "SELECT format('layer %s/%s: %s %s, run %s, version %s, paused %s, gate %s, tasks %s of %s: %s completed, %s errored, %s skipped, %s others',
        j.name, l.name, l.status, l.reason, l.run, l.version, l.paused_by, l.gate, l.n_loaded, l.n_expected, l.n_completed, l.n_errored,
        l.n_skipped, l.n_pending + l.n_queued + l.n_running)
    FROM igor.layers l JOIN igor.jobs j ON j.id = l.job_id";

const TASKS: &str = "SELECT format('tasks %s/%s/%s: %s times %s %s %s, %s failures, paused %s',
        j.name, l.name, regexp_replace(t.name, '-[0-9]+$', ''), count(*), t.status, t.reason, CASE WHEN t.lost = 0 THEN t.message END, t.failures, t.paused_at IS NOT NULL)
    FROM igor.tasks t JOIN igor.layers l ON l.id = t.layer_id JOIN igor.jobs j ON j.id = t.job_id
    GROUP BY j.name, l.name, regexp_replace(t.name, '-[0-9]+$', ''), t.status, t.reason,
        CASE WHEN t.lost = 0 THEN t.message END, t.failures, t.paused_at IS NOT NULL";

/// How lines begin that may differ when a worker has died.
pub(crate) const ATTEMPTS: &str = "attempts ";

const TRIES: &str = "SELECT format('attempts %s/%s/%s: %s times attempt %s, version %s, %s losses',
        j.name, l.name, regexp_replace(t.name, '-[0-9]+$', ''), count(*), t.attempt, t.version, t.lost)
    FROM igor.tasks t JOIN igor.layers l ON l.id = t.layer_id JOIN igor.jobs j ON j.id = t.job_id
    GROUP BY j.name, l.name, regexp_replace(t.name, '-[0-9]+$', ''), t.attempt, t.version, t.lost";

const COMMANDS: &str = "SELECT format('command %s on %s %s by %s: matched %s, changed %s, done %s',
        c.verb, j.name, c.selector, c.actor, c.matched, c.changed, c.done_at IS NOT NULL)
    FROM igor.commands c JOIN igor.jobs j ON j.id = c.job_id";

/// Reads how it ended, and fails when the ledger contradicts itself.
pub(crate) async fn ending(world: &World<'_>) -> Ending {
    let broken = laws::broken(world.ledger()).await;
    assert!(broken.is_empty(), "the ledger contradicts itself: {broken:#?}");
    let mut ending = Ending::new();
    for sql in [JOBS, LAYERS, TASKS, TRIES, COMMANDS] {
        let lines: Vec<String> = sqlx::query_scalar(sql).fetch_all(world.ledger()).await.expect("lines");
        ending.extend(lines);
    }
    objects(world, &mut ending).await;
    ending
}

/// A sentence without its moments.
fn timeless(words: &str) -> String {
    let is_moment = |word: &&str| word.len() == "2026-11-24T22:28:49Z".len() && word.ends_with('Z') && word.starts_with("20");
    words.split(' ').map(|word| if is_moment(&word) { "TIME" } else { word }).collect::<Vec<_>>().join(" ")
}

/// The jobs' objects; the layers' where they were made: a job that seems short to an operator has none.
async fn objects(world: &World<'_>, ending: &mut Ending) {
    for job in world.objects("IgorJob").list(&ListParams::default()).await.expect("jobs") {
        let (name, status) = (job.name_any(), &job.data["status"]);
        ending.insert(format!("object {name}: annotations {:?}", job.annotations()));
        for field in ["phase", "observedGeneration", "progress", "layer"] {
            ending.insert(format!("object {name}: {field} {}", status[field]));
        }
        ending.insert(format!("object {name}: why {}", timeless(status["why"].as_str().unwrap_or_default())));
        for field in ["pending", "queued", "running", "completed", "errored", "skipped"] {
            ending.insert(format!("object {name}: tasks {field} {}", status["tasks"][field]));
        }
        for condition in list(&status["conditions"]) {
            ending.insert(format!("object {name}: {} is {}, {}", condition["type"], condition["status"], condition["reason"]));
        }
        for layer in list(&status["layers"]) {
            ending.insert(format!("object {name}: layer {} {}", layer["name"], layer["phase"]));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
