//! The truth table: each verb on job, layer and task, wherever they stand, held against what users are promised.
//!
//! Every cell has a job of its own, brought to its place by what the ledger offers; all of them stand in one database.

mod cell;
pub(crate) mod follow;
mod script;
pub(crate) mod seen;
mod stage;
pub(crate) mod words;

use std::collections::BTreeMap;

use futures::StreamExt;
use igor::core::command::{Object, read};
use igor::core::fold::Said;
use igor::store::{Command, Dispatched, Done, Refusal, Settings, Store, Want};
use uuid::Uuid;

use crate::world::{World, asked, ledger, outcome};
use cell::Cell;
use seen::{Job, everything};
use stage::{Staged, stage};
use words::{Answer, Asked, Close, Refused, carried_out};

/// Cells at work at once.
const AT_ONCE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_of_the_truth_table_holds() {
    let (impossible, cells): (Vec<Cell>, Vec<Cell>) = Cell::all().into_iter().partition(|cell| cell.impossible().is_some());
    let world = quick_world().await;
    let mut table = Table { staged: stage(&world, cells).await, world, failed: BTreeMap::new() };
    table.run().await;
    let held = table.staged.len() - table.failed.len();
    report(held, &impossible);
    let failed: Vec<String> = table.failed.iter().map(|(cell, said)| format!("{cell}\n{}", said.join("\n"))).collect();
    assert!(failed.is_empty(), "{} cells do not hold:\n{}", failed.len(), failed.join("\n"));
    table.world.check().await;
}

#[expect(clippy::print_stdout, reason = "how much was held is the table's result")]
fn report(held: usize, impossible: &[Cell]) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in impossible.iter().filter_map(Cell::impossible) {
        *reasons.entry(reason).or_default() += 1;
    }
    println!("{held} cells held, {} impossible", impossible.len());
    for (reason, cells) in reasons {
        println!("  {cells} not: {reason}");
    }
}

/// A ledger that does not wait for the disk.
pub(crate) async fn quick_world() -> World {
    let database = ledger().await;
    let relaxed = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    sqlx::query(relaxed).execute(&database.pool).await.expect("relaxed");
    let store = Store::connect(&Settings::new(&database.url)).await.expect("the ledger");
    let epoch = store.bump_epoch().await.expect("an epoch");
    World { store, epoch, database }
}

struct Table {
    world: World,
    staged: Vec<Staged>,
    /// What was found to be otherwise, by cell.
    failed: BTreeMap<String, Vec<String>>,
}

impl Table {
    async fn run(&mut self) {
        let before = everything(&self.world.database.pool).await;
        self.check_places(&before);
        let told: Vec<(Job, Answer)> = self.staged.iter().map(|staged| told(staged, &before[&staged.job_id])).collect();
        let expected: BTreeMap<Uuid, Job> = self.staged.iter().zip(&told).map(|(staged, (job, _))| (staged.job_id, job.clone())).collect();
        let answers = self.give(true).await;
        for (place, ((_, answer), given)) in told.iter().zip(&answers).enumerate() {
            for done in given.iter().filter(|done| said(done) != *answer) {
                self.fail(place, format!("  expected {answer:?}\n  found    {:?}", said(done)));
            }
            if given.iter().filter(|done| has_moved(done)).count() > 1 {
                self.fail(place, "  both of two callers moved the job".to_owned());
            }
        }
        self.compare("after it", &expected).await;
        self.give(false).await;
        self.compare("given again", &expected).await;
        self.say_late(&before, &told).await;
        self.compare("after a late result", &expected).await;
        self.dispatch(&expected).await;
        let dispatched = everything(&self.world.database.pool).await;
        self.say_late(&before, &told).await;
        self.compare("after a late result behind the next attempt", &dispatched).await;
    }

    /// Each cell stands where it says.
    fn check_places(&self, before: &BTreeMap<Uuid, Job>) {
        for staged in &self.staged {
            let (cell, job) = (&staged.cell, &before[&staged.job_id]);
            assert!(cell.is_stood_by(job), "{cell} is not told by {job:#?}");
        }
    }

    fn fail(&mut self, place: usize, said: String) {
        self.failed.entry(self.staged[place].cell.to_string()).or_default().push(said);
    }

    /// Gives each cell its command; two callers at once, where it is told so.
    async fn give(&self, twice: bool) -> Vec<Vec<Done>> {
        let world = &self.world;
        let giving = self.staged.iter().map(|staged| async move {
            let command = command_of(staged);
            let Some(command) = command else { return Vec::new() };
            let leader = world.store.command(Some(world.epoch), &command);
            if !twice {
                return vec![leader.await.expect("an answer")];
            }
            let (one, two) = tokio::join!(leader, world.store.command(None, &command));
            vec![one.expect("an answer"), two.expect("an answer")]
        });
        futures::stream::iter(giving).buffered(AT_ONCE).collect().await
    }

    async fn compare(&mut self, when: &str, expected: &BTreeMap<Uuid, Job>) {
        let found = everything(&self.world.database.pool).await;
        for place in 0..self.staged.len() {
            let job = self.staged[place].job_id;
            let differences = seen::differences(&expected[&job], &found[&job]);
            if !differences.is_empty() {
                self.fail(place, format!(" {when}:\n{}", differences.join("\n")));
            }
        }
    }

    /// What workers still say of attempts that the command took from them: nothing of it counts.
    async fn say_late(&mut self, before: &BTreeMap<Uuid, Job>, told: &[(Job, Answer)]) {
        let mut late: Vec<(usize, Dispatched)> = Vec::new();
        for (place, staged) in self.staged.iter().enumerate() {
            let is_revoked = |task: &&Dispatched| {
                let row = format!("K {}/{}#{}", task.layer, task.name, task.attempt);
                told[place].0.outbox.contains(&row) && !before[&staged.job_id].outbox.contains(&row)
            };
            late.extend(staged.sent.iter().filter(is_revoked).map(|task| (place, task.clone())));
        }
        for batch in late.chunks(500) {
            let outcomes = batch.iter().map(|(_, task)| outcome(task, Said::Completed)).collect();
            let collected = self.world.store.collect(self.world.epoch, outcomes).await.expect("collected");
            let counted = collected.applied.iter().map(|applied| applied.task_id).collect::<Vec<Uuid>>();
            for (place, task) in batch.iter().filter(|(_, task)| counted.contains(&task.task_id)) {
                self.fail(*place, format!("  a late result of {} counted", task.name));
            }
        }
    }

    /// Hands out whatever may be: exactly what the words say.
    async fn dispatch(&mut self, expected: &BTreeMap<Uuid, Job>) {
        let open = self.world.store.open_types().await.expect("open types");
        let wants: Vec<Want> =
            open.into_iter().map(|open| Want { layer_id: open.layer_id, job_id: open.job_id, kind: open.kind, room: 10 }).collect();
        let mut found: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
        for wants in wants.chunks(100) {
            for task in self.world.store.dispatch(self.world.epoch, wants).await.expect("dispatched").tasks {
                found.entry(task.job_id).or_default().push(format!("{}/{}", task.layer, task.name));
            }
        }
        for place in 0..self.staged.len() {
            let job = self.staged[place].job_id;
            let mut found = found.remove(&job).unwrap_or_default();
            found.sort();
            let expected = follow::ready(&expected[&job]);
            if expected != found {
                self.fail(place, format!("  then dispatched: expected {expected:?}, found {found:?}"));
            }
        }
    }
}

/// The command of a cell; `None` = it cannot be asked like that.
fn command_of(staged: &Staged) -> Option<Command> {
    let Cell { verb, object, .. } = &staged.cell;
    read(*verb, object, staged.cell.selector()).ok()?;
    Some(asked(staged.job_id, object, verb.as_str(), staged.cell.selector(), "cell"))
}

/// What becomes of a cell, and what is answered. What cannot be asked changes nothing.
fn told(staged: &Staged, before: &Job) -> (Job, Answer) {
    match command_of(staged) {
        Some(_) => carried_out(before, &meaning(&staged.cell)),
        None => (before.clone(), Answer { refused: None, matched: 0, changed: 0 }),
    }
}

/// What a cell asks, in words.
fn meaning(cell: &Cell) -> Asked {
    let every = ["first", "stage", "last", "end"].map(str::to_owned);
    let stage = || ["stage".to_owned()];
    let mut asked = Asked { verb: cell.verb, actor: "ann".to_owned(), job: false, layers: [].into(), tasks: [].into(), failed: false };
    match &cell.object {
        Object::Job if cell.selector() == "true" => (asked.job, asked.layers) = (true, every.into()),
        Object::Job | Object::Layer(_) => asked.layers = stage().into(),
        Object::Task { layer, task } => asked.tasks = [((layer.clone(), task.clone()), Close::Named)].into(),
    }
    asked
}

/// What was answered, in words.
pub(crate) fn said(done: &Done) -> Answer {
    let refused = done.refused.map(|refusal| match refusal {
        Refusal::Deleted => Refused::Deleted,
        Refusal::Expired => Refused::Expired,
        Refusal::NeverLoaded => Refused::NeverLoaded,
        Refusal::Loading => Refused::Loading,
    });
    Answer { refused, matched: done.matched as usize, changed: done.changed as usize }
}

fn has_moved(done: &Done) -> bool {
    let change = &done.change;
    !change.layers.is_empty() || change.status.is_some() || change.finished
}
