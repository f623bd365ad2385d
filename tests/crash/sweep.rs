//! Which runs there are, several at once, and what is said of them.
//!
//! `CRASH_AT=[worker:]<number>:before|after` does one, `TIMES` times (1); `ALL=1` does all; else a tenth of them, by the day or as
//! `TENTH=<0 to 9>` says. `AT_ONCE` runs (8) go on at the same time. How many effects a run has varies with its timing, so the points go a little behind the
//! last one of the uncut run; one that a run does not reach proves nothing and is not counted as covered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::StreamExt;

use crate::ending::Ending;
use crate::points::{Point, Side, Who};
use crate::run::{Ended, run};
use crate::support::cluster;
use crate::world::Ground;

/// A run that takes so long has waited for something: it is named.
const SLOW: Duration = Duration::from_secs(15);

/// What came of a point.
struct Tried {
    point: Point,
    outcome: Result<bool, String>,
    took: Duration,
}

/// Does it all; whether every run ended as it should.
pub(crate) async fn sweep() -> bool {
    let began = Instant::now();
    // Where a run fails says nothing that its words do not say.
    std::panic::set_hook(Box::new(|panic| say(&format!("{panic}"))));
    let client = cluster::client().await;
    let grounds = futures::stream::iter(0..number("AT_ONCE").unwrap_or(8)).then(|_| Ground::new(client.clone())).collect::<Vec<_>>().await;
    let uncut = run(&grounds[0], "crash-uncut", None, None).await.unwrap_or_else(|why| panic!("the uncut run: {why}"));
    say(&format!(
        "the uncut run has {} effects of the operator and {} of the worker",
        uncut.effects[&Who::Operator],
        uncut.effects[&Who::Worker]
    ));
    let points = points(&uncut);
    let sweep = Arc::new(Sweep { expected: uncut.ending, all: points.len(), left: Mutex::new(points.into()), tried: Mutex::default() });
    let lanes = grounds.into_iter().map(|ground| tokio::spawn(sweep.clone().work(ground)));
    futures::future::join_all(lanes).await.into_iter().for_each(|lane| lane.expect("the panic of a run is its outcome"));
    let tried = std::mem::take(&mut *sweep.tried.lock().expect("no panic"));
    summary(&tried, began.elapsed());
    tried.iter().all(|tried| tried.outcome.is_ok())
}

/// What those who work on it at once share.
struct Sweep {
    expected: Ending,
    all: usize,
    left: Mutex<VecDeque<Point>>,
    tried: Mutex<Vec<Tried>>,
}

impl Sweep {
    /// Takes point after point, on one ground.
    async fn work(self: Arc<Self>, ground: Ground) {
        loop {
            let Some(point) = self.left.lock().expect("no panic").pop_front() else { break };
            let began = Instant::now();
            let outcome =
                run(&ground, &format!("{}-{point}", ground.namespace), Some(point), Some(&self.expected)).await.map(|ended| ended.reached);
            let tried = Tried { point, outcome, took: began.elapsed() };
            report(&tried);
            let mut all = self.tried.lock().expect("no panic");
            all.push(tried);
            if all.len().is_multiple_of(50) {
                say(&format!("{} of {} points", all.len(), self.all));
            }
        }
        ground.remove().await;
    }
}

/// The points that are asked for.
fn points(uncut: &Ended) -> Vec<Point> {
    if let Ok(at) = std::env::var("CRASH_AT") {
        return vec![at.parse().unwrap_or_else(|fault| panic!("{fault}")); number("TIMES").unwrap_or(1)];
    }
    let tenth = if number("ALL") == Some(1) { None } else { Some(number("TENTH").unwrap_or_else(of_today)) };
    say(&tenth.map_or_else(|| "all points".to_owned(), |tenth| format!("points of tenth {tenth}; the others: ALL=1, or TENTH=0 to 9")));
    let mut points = Vec::new();
    for (&who, &effects) in &uncut.effects {
        let numbers = (1..=effects + effects / 20).filter(|number| tenth.is_none_or(|tenth| number % 10 == tenth as u64));
        points.extend(numbers.flat_map(|effect| [Side::Before, Side::After].map(|side| Point { who, side, effect })));
    }
    points
}

fn number(variable: &str) -> Option<usize> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

fn of_today() -> usize {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() / 86_400;
    usize::try_from(days % 10).expect("a digit")
}

fn report(tried: &Tried) {
    match &tried.outcome {
        // Half of what a step is waited for.
        Ok(true) if tried.took > SLOW => say(&format!("{} took {:.0?}", tried.point, tried.took)),
        Ok(true) => {}
        Ok(false) => say(&format!("{}: the run had fewer effects", tried.point)),
        Err(why) => say(&format!("FAILED {}: {why}\nagain: CRASH_AT={} make test-crash", tried.point, tried.point)),
    }
}

fn summary(tried: &[Tried], took: Duration) {
    let mut parts: BTreeMap<(Who, Side), (usize, usize)> = BTreeMap::new();
    for tried in tried {
        let part = parts.entry((tried.point.who, tried.point.side)).or_default();
        match tried.outcome {
            Ok(true) => *part = (part.0 + 1, part.1 + 1),
            Ok(false) => {}
            Err(_) => part.1 += 1,
        }
    }
    let words: Vec<String> = parts.iter().map(|((who, side), (covered, all))| format!("{who} {side} {covered}/{all}")).collect();
    let (covered, reached) = parts.values().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let slowest = tried.iter().map(|tried| tried.took).max().unwrap_or_default();
    say(&format!("{} points lie behind the end of their run; slowest run {slowest:.1?}, all in {took:.0?}", tried.len() - reached));
    say(&format!("crash points covered {covered}/{reached} ({})", words.join(", ")));
}

#[expect(clippy::print_stdout, reason = "this program's output is its result")]
fn say(text: &str) {
    println!("{text}");
}
