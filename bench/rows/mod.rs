//! The rows of the table, in its order.

use std::pin::Pin;

use crate::Scale;
use crate::figure::Figure;

pub(crate) mod advance;
mod big;
mod drain;
mod idle;
mod past;
mod reads;
mod small;

type Run = fn(Scale) -> Pin<Box<dyn Future<Output = Vec<Figure>>>>;

/// A row to run.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether it is part of the quick bench.
    pub(crate) quick: bool,
    pub(crate) run: Run,
}

pub(crate) const ROWS: &[Entry] = &[
    Entry {
        name: "noop",
        about: "one job of one layer of no-op tasks, batches of 100",
        quick: true,
        run: |scale| Box::pin(drain::noop(scale)),
    },
    Entry { name: "layers", about: "100 jobs of 10 layers of 100 no-op tasks", quick: true, run: |scale| Box::pin(drain::layers(scale)) },
    Entry {
        name: "single",
        about: "one-task handlers, one worker process of 16 slots",
        quick: true,
        run: |scale| Box::pin(drain::single(scale)),
    },
    Entry {
        name: "advance",
        about: "from a layer's last handler to the first of the next",
        quick: false,
        run: |scale| Box::pin(advance::run(scale)),
    },
    Entry { name: "chain", about: "a job of 10 layers of one task", quick: false, run: |scale| Box::pin(drain::chain(scale)) },
    Entry {
        name: "small",
        about: "jobs of 2 layers of one task through the API server, 16 in flight",
        quick: true,
        run: |scale| Box::pin(small::run(scale)),
    },
    Entry { name: "million", about: "one job of 1,000,000 tasks, an array", quick: false, run: |scale| Box::pin(big::million(scale)) },
    Entry {
        name: "distinct",
        about: "one job of 200,000 distinct tasks from ConfigMaps",
        quick: false,
        run: |scale| Box::pin(big::distinct(scale)),
    },
    Entry { name: "idle", about: "10,000 paused jobs, then one runs", quick: false, run: |scale| Box::pin(idle::run(scale)) },
    Entry {
        name: "reads",
        about: "a ledger of 10,000,000 tasks in 30 days, 8 readers",
        quick: false,
        run: |scale| Box::pin(past::reads(scale)),
    },
    Entry {
        name: "http",
        about: "tasks listed through the HTTP API over 1,000,000 tasks, 8 readers",
        quick: false,
        run: |scale| Box::pin(past::http(scale)),
    },
];
