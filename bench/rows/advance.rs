//! Layer advance: from the return of a layer's last handler to the call of the next layer's first one.
//!
//! The worker is this program under another name: its handlers note when they were called and when they returned.

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use igor::worker::{Failure, Outcome, Task, Worker};
use tokio_util::sync::CancellationToken;

use crate::Scale;
use crate::figure::{Figure, quantile};
use crate::site::{Site, layers};

pub(crate) async fn run(scale: Scale) -> Vec<Figure> {
    let mut site = Site::new("advance").await;
    start_marker(&mut site);
    let jobs = u32::try_from(scale.runs).unwrap_or(1);
    let mut figures = Vec::new();
    let alone = measure(&site, "alone", jobs, 0).await;
    figures.extend(shown("alone", &alone, Some(10.0), 50.0));
    site.work("noop", 2, 100);
    site.submit("neighbour", &layers("noop", 1, 1_000_000)).await;
    site.until_dispatched().await;
    let beside = measure(&site, "beside", jobs, 0).await;
    figures.extend(shown("beside a loaded job", &beside, None, 100.0));
    site.close().await;
    figures
}

/// Starts the worker of type `mark`.
pub(crate) fn start_marker(site: &mut Site) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["mark", &site.queue()]).arg(site.folder.join("marks"));
    site.start_worker(&mut command);
}

/// Runs so many jobs of 50 layers of one task, one after the other; the sorted waits between their layers in milliseconds.
pub(crate) async fn measure(site: &Site, name: &str, jobs: u32, already: i64) -> Vec<f64> {
    for job in 0..jobs {
        site.submit(&format!("{name}-{job}"), &layers("mark", 50, 1)).await;
        site.until_finished_named(&format!("{name}-%"), already + i64::from(job) + 1).await;
    }
    let marks = std::fs::read_to_string(site.folder.join("marks")).expect("the worker's notes");
    let mut notes: Vec<(&str, u32, f64, f64)> = marks.lines().filter_map(note).filter(|note| note.0.starts_with(name)).collect();
    notes.sort_by(|one, other| one.0.cmp(other.0).then(one.1.cmp(&other.1)));
    let pairs = notes.windows(2).filter(|pair| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1);
    let mut waits: Vec<f64> = pairs.map(|pair| (pair[1].2 - pair[0].3) * 1e3).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

/// Median and tail of waits.
pub(crate) fn shown(name: &str, waits: &[f64], half: Option<f64>, most: f64) -> Vec<Figure> {
    let of = |part: &str, value: f64| Figure { runs: waits.len(), ..Figure::one(format!("{name}, {part}"), "ms", value) };
    let median = of("p50", quantile(waits, 0.5));
    vec![half.map_or_else(|| median.clone(), |half| median.clone().at_most(half)), of("p99", quantile(waits, 0.99)).at_most(most)]
}

/// A line of the worker's: job, number of the layer, when it was called and when it returned.
fn note(line: &str) -> Option<(&str, u32, f64, f64)> {
    let mut words = line.split(' ');
    let job = words.next()?.split_once('/')?.1;
    let layer = words.next()?.strip_prefix('l')?.parse().ok()?;
    Some((job, layer, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// The worker: `mark QUEUE FILE`.
pub(crate) async fn serve(arguments: &[String]) {
    let [queue, file] = arguments else { panic!("mark QUEUE FILE") };
    let file = std::fs::File::options().create(true).append(true).open(file).expect("a file for notes");
    let file = Arc::new(Mutex::new(file));
    let mark = move |task: Task| {
        let file = file.clone();
        async move {
            let called = now();
            let line = format!("{} {} {called:.6}", task.job(), task.layer());
            writeln!(file.lock().expect("not poisoned"), "{line} {:.6}", now())?;
            Ok::<Outcome, Failure>(Outcome::default())
        }
    };
    let prefix = std::env::var("IGOR_PREFIX").expect("the site sets it");
    let worker = Worker::builder(crate::support::stores::redis_url()).prefix(prefix).queue(queue.clone()).slots(4).task("mark", mark);
    worker.build().expect("a worker").run(CancellationToken::new()).await;
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64()
}
