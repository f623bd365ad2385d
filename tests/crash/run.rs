//! One run: the reference work in a world of its own, with a process that dies or without.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use crate::ending::{ATTEMPTS, Ending, ending};
use crate::points::{Point, Who};
use crate::scenario;
use crate::world::{Ground, World};

/// What came of a run.
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    /// How many effects each process had in all.
    pub(crate) effects: BTreeMap<Who, u64>,
    /// Whether the process to die did.
    pub(crate) reached: bool,
}

/// Runs to the end, which has to be as `expected`; in a failure what is wrong, with the effect at which the process died.
pub(crate) async fn run(ground: &Ground, name: &str, cut: Option<Point>, expected: Option<&Ending>) -> Result<Ended, String> {
    let world = World::new(ground, name, cut);
    let played = AssertUnwindSafe(play(&world, cut, expected)).catch_unwind().await;
    let effect = cut.and_then(|cut| effect_of(&world, cut));
    let last_words = if played.is_err() { world.last_words() } else { String::new() };
    let ended = played.map(|ending| Ended {
        ending,
        effects: [Who::Operator, Who::Worker].map(|who| (who, world.effects(who).len() as u64)).into(),
        reached: world.has_died(),
    });
    world.end(ended.is_err()).await;
    ended.map_err(|panic| format!("{}\ndied at {}\n{last_words}", said(&*panic), effect.as_deref().unwrap_or("no effect")))
}

async fn play(world: &World<'_>, cut: Option<Point>, expected: Option<&Ending>) -> Ending {
    tokio::select! {
        never = world.revive() => never,
        () = scenario::play(world) => {}
    }
    let ending = ending(world).await;
    if let Some(expected) = expected {
        let lines = |ending: &Ending| -> Ending {
            let may_differ = |line: &&String| cut.is_some_and(|cut| cut.who == Who::Worker) && line.starts_with(ATTEMPTS);
            ending.iter().filter(|line| !may_differ(line)).cloned().collect()
        };
        let (ending, expected) = (lines(&ending), lines(expected));
        let missing = expected.difference(&ending).map(|line| format!("- {line}"));
        let wrong: Vec<String> = missing.chain(ending.difference(&expected).map(|line| format!("+ {line}"))).collect();
        assert!(wrong.is_empty(), "it does not end as without a death:\n{}", wrong.join("\n"));
    }
    ending
}

fn effect_of(world: &World<'_>, cut: Point) -> Option<String> {
    let number = format!("{} ", cut.effect);
    world.effects(cut.who).into_iter().find(|line| line.starts_with(&number))
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
