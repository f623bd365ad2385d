//! The model: every order of steps of a small world, searched by stateright.

use std::time::{Duration, Instant};

use igor::core::plan::{BackoffSpec, Defaults, JobSpec, LayerSpec, TaskSpec};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::mischief::Budget;
use crate::promises::{Broken, counters_are_right, is_settled, limits_hold};
use crate::rules::{Rules, Safeguard};
use crate::world::{Action, World};

/// Nothing goes wrong.
const CALM: Budget = Budget {
    operator_crashes: 0,
    takeovers: 0,
    worker_crashes: 0,
    silences: 0,
    losses: 0,
    repeats: 0,
    failures: 0,
    releases: 0,
    pauses: 0,
    kills: 0,
    retries: 0,
    layer_pauses: 0,
    fail_overs: 0,
    lies: 0,
    skips: 0,
    narrow_kills: 0,
    narrow_retries: 0,
    task_pauses: 0,
};

/// What is searched: a name, the tasks of each layer, and what may happen.
pub(crate) const CONFIGURATIONS: &[(&str, &[i64], Budget)] = &[
    ("calm", &[2, 2], CALM),
    ("failures and a retry", &[2, 2], Budget { failures: 2, releases: 1, retries: 1, ..CALM }),
    ("operator crashes", &[2, 2], Budget { operator_crashes: 2, ..CALM }),
    ("takeover", &[2, 2], Budget { takeovers: 1, operator_crashes: 1, ..CALM }),
    ("dead worker, repeated results", &[2, 2], Budget { worker_crashes: 1, repeats: 1, releases: 1, ..CALM }),
    ("zombie", &[2, 2], Budget { silences: 1, ..CALM }),
    ("zombie, takeover", &[1, 1], Budget { silences: 1, takeovers: 1, ..CALM }),
    ("data loss", &[2, 2], Budget { losses: 1, ..CALM }),
    ("data loss, takeover", &[1, 1], Budget { losses: 1, takeovers: 1, ..CALM }),
    ("data loss, dead worker", &[2, 1], Budget { losses: 1, worker_crashes: 1, ..CALM }),
    ("pause, operator crash", &[2, 2], Budget { pauses: 1, operator_crashes: 1, ..CALM }),
    ("pause, takeover", &[2, 2], Budget { pauses: 1, takeovers: 1, ..CALM }),
    ("pause, data loss", &[2, 1], Budget { pauses: 1, losses: 1, ..CALM }),
    ("kill and retry, operator crash", &[2, 2], Budget { kills: 1, retries: 1, operator_crashes: 1, ..CALM }),
    ("kill, takeover", &[2, 2], Budget { kills: 1, takeovers: 1, ..CALM }),
    ("kill, data loss", &[2, 2], Budget { kills: 1, losses: 1, ..CALM }),
    ("skip, operator crash", &[2, 1], Budget { skips: 1, operator_crashes: 1, ..CALM }),
    ("narrow kill and retry", &[2, 1], Budget { narrow_kills: 1, narrow_retries: 1, ..CALM }),
    ("task pause, operator crash", &[2, 1], Budget { task_pauses: 1, operator_crashes: 1, ..CALM }),
];

/// What is searched with commands that take several steps: a task a step.
pub(crate) const LARGE: &[(&str, &[i64], Budget)] = &[
    ("large kill and retry, operator crash", &[2, 1], Budget { kills: 1, retries: 1, operator_crashes: 1, ..CALM }),
    ("large skip, takeover", &[2, 1], Budget { skips: 1, takeovers: 1, ..CALM }),
];

/// What each safeguard must be seen to be good for; the simulator does the same with what takes larger worlds.
pub(crate) const LEFT_OUT: &[(Safeguard, Budget)] = &[
    (Safeguard::AttemptFence, Budget { silences: 1, ..CALM }),
    (Safeguard::EpochCheck, Budget { takeovers: 1, silences: 1, ..CALM }),
    (Safeguard::JobMutex, Budget { failures: 1, retries: 1, ..CALM }),
    (Safeguard::LoadingGate, CALM),
    (Safeguard::Outbox, Budget { kills: 1, ..CALM }),
    (Safeguard::OutboxFence, Budget { pauses: 1, takeovers: 1, ..CALM }),
    (Safeguard::OutboxOrder, Budget { kills: 1, retries: 1, ..CALM }),
    (Safeguard::DrainBeforeSweep, Budget { worker_crashes: 1, ..CALM }),
    (Safeguard::Gate, Budget { kills: 1, ..CALM }),
    (Safeguard::SkipRevokes, Budget { skips: 1, ..CALM }),
    (Safeguard::TaskPause, Budget { task_pauses: 1, ..CALM }),
];

/// A small world and what may happen to it.
pub(crate) struct Small {
    pub(crate) rules: Rules,
    pub(crate) budget: Budget,
}

/// One job, layer behind layer, of so many tasks each.
pub(crate) fn small(tasks: &[i64], budget: Budget, without: Option<Safeguard>) -> Small {
    let array = |count: i64| TaskSpec { name: Some("task".to_owned()), count: Some(count), ..TaskSpec::default() };
    let layer = |(priority, count): (i64, &i64)| LayerSpec {
        name: format!("layer-{priority}"),
        priority,
        tasks: vec![array(*count)],
        ..LayerSpec::default()
    };
    let spec = JobSpec {
        queue: "default".to_owned(),
        defaults: Defaults { kind: Some("work".to_owned()), retries: Some(0), backoff: BackoffSpec::default(), ..Defaults::default() },
        layers: (0..).zip(tasks).map(layer).collect(),
        ..JobSpec::default()
    };
    let rules = Rules::of(vec![spec]);
    Small { rules: Rules { chunk: 2, without, ..rules }, budget }
}

impl Model for Small {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.rules, 2, self.budget)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.progress(&self.rules));
        actions.extend(world.mischief(&self.rules).into_iter().map(Action::Mischief));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.step(&self.rules, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("1, 7: at rest, every task ended or a wait says why", |model: &Self, world: &World| {
                !world.progress(&model.rules).is_empty() || is_settled(&world.ledger, &model.rules)
            }),
            Property::always("2: layers begin in order", |_, world: &World| world.ledger.broken != Some(Broken::Order)),
            Property::always("2: nothing ends before its tasks", |_, world: &World| world.ledger.broken != Some(Broken::EndedEarly)),
            Property::always("3: a layer opens once a run", |_, world: &World| world.ledger.broken != Some(Broken::OpenedTwice)),
            Property::always("4: only the attempt's own result counts", |_, world: &World| {
                world.ledger.broken != Some(Broken::StaleCounted)
            }),
            Property::always("5: nothing starts after an acknowledged pause or kill", |_, world: &World| {
                world.ledger.broken != Some(Broken::StartedAfterAck)
            }),
            Property::always("a kept lease is not taken", |_, world: &World| world.ledger.broken != Some(Broken::LeaseTaken)),
            Property::always("6: counters equal a recount", |model: &Self, world: &World| counters_are_right(&world.ledger, &model.rules)),
            Property::always("limits hold", |model: &Self, world: &World| limits_hold(&world.ledger, &model.rules)),
            Property::sometimes("the job completes", |_, world: &World| {
                world.ledger.jobs[0].finished && world.ledger.jobs[0].status == igor::core::status::Status::Completed
            }),
        ]
    }
}

/// What a search found.
pub(crate) struct Searched {
    pub(crate) states: usize,
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    /// Promises that were broken, each with the steps that lead there.
    pub(crate) broken: Vec<(&'static str, String)>,
}

impl Searched {
    /// The broken promises with their steps.
    pub(crate) fn told(&self) -> String {
        self.broken.iter().map(|(promise, steps)| [promise, steps.as_str()].join("\n")).collect::<Vec<_>>().join("\n")
    }
}

/// Searches a world wholly, or until a promise is broken.
pub(crate) fn search(small: Small) -> Searched {
    let began = Instant::now();
    let checker = small.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let failures = checker.discoveries().into_iter().filter(|(name, _)| checker.model().property(name).expectation.discovery_is_failure());
    let broken = failures.map(|(name, path)| {
        let steps: Vec<String> = path.into_actions().iter().map(|action| format!("  {action:?}")).collect();
        (name, steps.join("\n"))
    });
    let broken = broken.collect();
    Searched { states: checker.unique_state_count(), depth: checker.max_depth(), took: began.elapsed(), broken }
}
