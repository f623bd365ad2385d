//! Pause as an edge: of all that speaks about an object, the last change wins, whatever is seen twice, late or again after a restart.

use igor::core::command::Object;
use igor::store::{Sighting, Source};
use uuid::Uuid;

use crate::dice::Dice;
use crate::table::quick_world;
use crate::table::seen::{Job, one};
use crate::world::{World, asked, job_id, layer, object, plan, task};

/// Sequences, and changes in each.
const SEQUENCES: u64 = 25;
const CHANGES: usize = 40;

/// An object in Kubernetes: what it says now, and what the operator has seen of it.
#[derive(Clone, Debug)]
struct Shown {
    object: Object,
    version: u64,
    spec: bool,
    annotation: Option<bool>,
    seen: Vec<[Sighting; 2]>,
    /// Who paused it last, if nobody let it go since.
    paused_by: Option<&'static str>,
}

impl Shown {
    fn new(object: Object) -> Self {
        let mut shown = Self { object, version: 1, spec: false, annotation: None, seen: Vec::new(), paused_by: None };
        shown.seen.push(shown.sighting());
        shown
    }

    fn sighting(&self) -> [Sighting; 2] {
        let of = |source, paused| Sighting { object: self.object.clone(), source, paused, version: self.version };
        [of(Source::Spec, Some(self.spec)), of(Source::Annotation, self.annotation)]
    }

    /// The operator sees it: what has changed since it saw it last decides, and of two at once the annotation.
    fn is_seen(&mut self) -> [Sighting; 2] {
        let [spec, annotation] = self.seen.last().cloned().expect("it was seen");
        if annotation.paused != self.annotation {
            let by_spec = self.spec.then_some("spec");
            self.paused_by = self.annotation.map_or(by_spec, |paused| paused.then_some("annotation"));
        } else if spec.paused != Some(self.spec) {
            self.paused_by = self.spec.then_some("spec");
        }
        self.seen.push(self.sighting());
        self.sighting()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_change_of_a_pause_wins_in_any_order_of_sources() {
    let world = quick_world().await;
    for number in 0..SEQUENCES {
        let seed = u64::try_from(crate::world::now_ms()).unwrap_or(1).wrapping_mul(2 * number + 3) | 1;
        sequence(&world, Dice(seed), seed).await;
    }
    world.check().await;
}

/// One job; its objects change in a random order and are seen at random.
async fn sequence(world: &World, mut dice: Dice, seed: u64) {
    let identity = object("j");
    let job = job_id(&identity);
    world.accept(&identity, &plan(vec![layer("a", 0, vec![task("t"), task("u")]), layer("b", 1, vec![task("z")])])).await;
    let of_task = Object::Task { layer: "a".to_owned(), task: "t".to_owned() };
    let mut objects = [Object::Job, Object::Layer("a".to_owned()), Object::Layer("b".to_owned()), of_task].map(Shown::new);
    let mut said = Vec::new();
    for step in 0..CHANGES {
        let place = dice.roll(objects.len());
        said.push(change(world, job, &mut dice, &mut objects[place], step).await);
        let seen = look(&mut dice, &mut objects, place);
        said.push(format!("seen: {seen:?}"));
        world.store.observe(Some(world.epoch), job, &seen, None).await.expect("observed");
        let found = one(&world.database.pool, job).await;
        for shown in &objects {
            assert_eq!(paused_by(&found, shown), shown.paused_by, "seed {seed}: {} after {said:#?}", shown.object);
        }
    }
}

/// Somebody edits an object, or gives a command. Gives what happened, in words.
async fn change(world: &World, job: Uuid, dice: &mut Dice, shown: &mut Shown, step: usize) -> String {
    match dice.roll(4) {
        0 => {
            let pause = dice.roll(2) == 0;
            let verb = if pause { "pause" } else { "unpause" };
            world.store.command(None, &asked(job, &shown.object, verb, "true", &step.to_string())).await.expect("carried out");
            shown.paused_by = pause.then_some("ann");
            return format!("{verb} of {}", shown.object);
        }
        1 => shown.spec = !shown.spec,
        _ => {
            let before = shown.annotation;
            shown.annotation = [None, Some(true), Some(false)].into_iter().filter(|other| *other != before).nth(dice.roll(2)).flatten();
        }
    }
    shown.version += 1;
    format!("{} says spec {}, annotation {:?}", shown.object, shown.spec, shown.annotation)
}

/// The operator sees what was changed, mostly; or it is away, sees all objects as after a restart, or again what it saw before.
fn look(dice: &mut Dice, objects: &mut [Shown], changed: usize) -> Vec<Sighting> {
    match dice.roll(6) {
        0 => Vec::new(),
        1 => objects.iter_mut().flat_map(Shown::is_seen).collect(),
        2 => {
            let seen = &objects[dice.roll(objects.len())].seen;
            seen[dice.roll(seen.len())].to_vec()
        }
        _ => objects[changed].is_seen().to_vec(),
    }
}

fn paused_by<'a>(job: &'a Job, shown: &Shown) -> Option<&'a str> {
    let layer_of = |name: &str| job.layers.iter().find(|layer| layer.name == name).expect("a layer");
    match &shown.object {
        Object::Job => job.paused_by.as_deref(),
        Object::Layer(name) => layer_of(name).paused_by.as_deref(),
        // Of a task it is not kept by whom.
        Object::Task { layer, task } => {
            let paused = layer_of(layer).tasks.iter().any(|found| found.name == *task && found.paused);
            paused.then_some(shown.paused_by.unwrap_or("somebody"))
        }
    }
}
