//! Which seeds are run: the kept ones first, then as many as are asked for.

use std::collections::BTreeSet;

/// The first seed of a world in which people steer layers and tasks too.
const STEERED: u64 = 1 << 32;

/// Seeds that found something once, or show what a safeguard is for.
pub(crate) fn kept() -> Vec<u64> {
    let lines = include_str!("seeds.txt").lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| line.parse().expect("a line of seeds.txt begins with a number")).collect()
}

/// The kept seeds, then those from 0 on, `SEEDS` of them or `usual`.
pub(crate) fn to_run(usual: u64) -> Vec<u64> {
    let mut seeds = kept();
    let known: BTreeSet<u64> = seeds.iter().copied().collect();
    seeds.extend((0..number("SEEDS").unwrap_or(usual)).filter(|seed| !known.contains(seed)));
    seeds
}

/// The worlds in which people steer layers and tasks too: `usual` of them, or a quarter of `SEEDS`.
pub(crate) fn steered(usual: u64) -> impl Iterator<Item = u64> {
    (0..number("SEEDS").map_or(usual, |seeds| seeds / 4)).map(|seed| STEERED + seed)
}

pub(crate) fn is_steered(seed: u64) -> bool {
    seed >= STEERED
}

/// The one seed that a person wants to see.
pub(crate) fn to_replay() -> Option<u64> {
    number("SEED")
}

/// The command that shows a seed step by step.
pub(crate) fn replay(seed: u64) -> String {
    format!("SEED={seed} cargo test --no-default-features --test model -- simulate --nocapture")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
