//! Each safeguard, and what the checker says of a system without it. The same scenario with it must pass.

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::proxy::Mode;
use crate::slot::{Operator, Switches};
use crate::suite::{Scenario, tally};
use crate::workload::{NewJob, plain, work};
use crate::world::World;

/// Short: several scenarios wait until it is over.
const LEASE: Duration = Duration::from_secs(2);
/// What lacks a safeguard may never come to rest.
const REST: Duration = Duration::from_secs(20);
/// How long a client waits for its acknowledgement.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn all() -> Vec<Scenario> {
    macro_rules! of {
        ($($name:literal $scenario:ident),*) => {
            vec![$(Scenario::new(concat!("sabotage_", $name), prove($name, async |trial: Trial| $scenario(&trial).await))),*]
        };
    }
    of!(
        "attempt-fence" attempt_fence, "epoch-check" epoch_check, "job-mutex" job_mutex, "drain-before-sweep" drain_before_sweep,
        "ack-after-commit" ack_after_commit, "outbox" outbox, "fold" fold, "relay-join" relay_join, "loading-gate" loading_gate
    )
}

/// One world, with or without the safeguard.
struct Trial {
    world: std::sync::Arc<World>,
    sabotage: Option<&'static str>,
}

impl Trial {
    async fn new(name: &str, sabotage: Option<&'static str>) -> Self {
        let world = World::new(&format!("{}_{name}", if sabotage.is_some() { "without" } else { "with" }), LEASE).await;
        Self { world, sabotage }
    }

    /// An operator that leads, or stands by; `linger` slows places down.
    async fn operator(&self, name: &str, linger: Option<&'static str>) -> Operator {
        let mut operator = self.world.operator(name).await;
        let epoch = self.world.epoch().await;
        self.start(&mut operator, linger);
        self.world.until_count("SELECT number FROM igor.epoch", PATIENCE, |number| number > epoch).await;
        operator
    }

    fn start(&self, operator: &mut Operator, linger: Option<&'static str>) {
        operator.start(&Switches { sabotage: self.sabotage, linger });
    }

    /// Kills an operator, and starts it again without its slow places.
    fn kill_and_start(&self, operator: &mut Operator) {
        self.world.fault("operator kill -9", "operator");
        operator.kill();
        self.start(operator, None);
    }

    /// Notes what ended so far as stored: the operator has read it.
    fn note_stored(&self) {
        for end in self.world.said("end") {
            self.world.history.note("stored", json!({"id": end["id"], "attempt": end["attempt"]}));
        }
    }
}

/// Runs the scenario with the safeguard and without: the one must pass, the other must be caught.
async fn prove(name: &'static str, scenario: impl AsyncFn(Trial)) {
    let (with, without) = tokio::join!(Trial::new(name, None), Trial::new(name, Some(name)));
    let (kept, broken) = (with.world.clone(), without.world.clone());
    tokio::join!(scenario(with), scenario(without));
    kept.conclude(true).await;
    let caught = broken.judge().await.broken();
    tally(|tally| tally.sabotage.insert(name.to_owned(), caught.first().cloned()));
    assert!(!caught.is_empty(), "without {name} nothing was found: the checker is blind for it");
    std::fs::remove_dir_all(&broken.folder).ok();
}

/// A worker that was cut off while its task ran says how it ended when another already runs the next attempt.
async fn attempt_fence(trial: &Trial) {
    let world = &trial.world;
    let _operator = trial.operator("operator", None).await;
    let first = world.worker("worker-0", 1).await;
    let payload = json!({"least": 1500, "most": 1500, "later": 8000});
    world.submit(&plain("work", &[(1, payload)])).await;
    world.until_said("begin", 1).await;
    world.fault("worker cut off", "worker-0");
    first.redis.set(Mode::Refuse);
    let _second = world.worker("worker-1", 1).await;
    world.until_said("end", 1).await;
    world.until_said("begin", 2).await;
    world.healed("worker cut off", "worker-0");
    first.redis.set(Mode::Open);
    rest(trial).await;
}

/// A leader stands still between reading results and writing them, another takes over, and the first goes on.
async fn epoch_check(trial: &Trial) {
    let world = &trial.world;
    let mut first = trial.operator("operator-0", Some("collect=2000")).await;
    let _worker = world.worker("worker-0", 8).await;
    world.submit(&plain("work", &[(300, work(100, 200, 0))])).await;
    first.until_printed("lingers place=\"collect\"").await;
    world.fault("operator stopped", "operator-0");
    first.signal("STOP");
    free_the_lease(world).await;
    let _second = trial.operator("operator-1", None).await;
    world.until_count(super::COMPLETED, PATIENCE, |count| count > 40).await;
    world.healed("operator stopped", "operator-0");
    first.signal("CONT");
    rest(trial).await;
}

/// As if the leader's lease had run out: who starts now leads at once.
async fn free_the_lease(world: &World) {
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> = Api::namespaced(world.cluster.client.clone(), "igor-system");
    let patch = json!({"spec": {"holderIdentity": null, "renewTime": null, "acquireTime": null, "leaseDurationSeconds": null}});
    leases.patch(&world.cluster.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.expect("the lease is freed");
}

/// The last task of a layer ends while its job is unpaused: each of the two transactions would leave the next layer to the other.
async fn job_mutex(trial: &Trial) {
    let world = &trial.world;
    let operator = trial.operator("operator", Some("collect-decided=1500")).await;
    let _worker = world.worker("worker-0", 2).await;
    world.submit(&plain("work", &[(1, work(4500, 4500, 0)), (1, work(5, 5, 0))])).await;
    world.until_said("begin", 1).await;
    world.pause("work", PATIENCE).await;
    world.until_said("end", 1).await;
    world.unpause("work", PATIENCE).await;
    rest(trial).await;
    drop(operator);
}

/// A worker dies right after its result was written, and the collector is slow to bring it in.
async fn drain_before_sweep(trial: &Trial) {
    let world = &trial.world;
    let operator = trial.operator("operator", Some("collect=8000")).await;
    let mut first = world.worker("worker-0", 1).await;
    world.submit(&plain("work", &[(1, work(100, 100, 0))])).await;
    operator.until_printed("lingers place=\"collect\"").await;
    trial.note_stored();
    world.fault("worker kill -9", "worker-0");
    first.kill();
    let _second = world.worker("worker-1", 1).await;
    rest(trial).await;
}

/// The operator dies while a result that it has read is on its way into the ledger.
async fn ack_after_commit(trial: &Trial) {
    let world = &trial.world;
    let mut operator = trial.operator("operator", Some("collect=20000")).await;
    let _worker = world.worker("worker-0", 1).await;
    world.submit(&plain("work", &[(1, work(100, 100, 0))])).await;
    operator.until_printed("lingers place=\"collect\"").await;
    trial.note_stored();
    trial.kill_and_start(&mut operator);
    rest(trial).await;
}

/// The operator dies between a pause in the ledger and its effect in Redis.
async fn outbox(trial: &Trial) {
    let world = &trial.world;
    let mut operator = trial.operator("operator", None).await;
    let _worker = world.worker("worker-0", 2).await;
    world.submit(&plain("work", &[(60, work(300, 300, 0))])).await;
    world.until_said("begin", 2).await;
    operator.kill();
    trial.start(&mut operator, Some("relay=20000"));
    operator.until_printed("lingers place=\"relay\"").await;
    // The dispatcher lingers; the pause is committed beside it.
    let (paused, ()) = tokio::join!(world.pause("work", PATIENCE), async {
        world.until_count("SELECT count(*) FROM igor.outbox WHERE kind = 'R'", PATIENCE, |count| count > 0).await;
        trial.kill_and_start(&mut operator);
    });
    assert!(paused, "the pause is acknowledged");
    // Behind the moment until which the checker takes an execution for one that was delivered before.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.unpause("work", PATIENCE).await;
    rest(trial).await;
    drop(operator);
}

/// That a task runs and that it has ended come in one batch.
async fn fold(trial: &Trial) {
    let world = &trial.world;
    let operator = trial.operator("operator", Some("collect=2500")).await;
    let _worker = world.worker("worker-0", 8).await;
    world.submit(&plain("work", &[(32, work(700, 1200, 0))])).await;
    rest(trial).await;
    drop(operator);
}

/// The operator dies after pushes that it had not yet noted as done, whose tasks have ended since.
async fn relay_join(trial: &Trial) {
    let world = &trial.world;
    let mut operator = trial.operator("operator", Some("forget=20000")).await;
    let _worker = world.worker("worker-0", 8).await;
    world.submit(&plain("work", &[(20, work(20, 20, 0))])).await;
    world.until_count(super::COMPLETED, PATIENCE, |count| count == 20).await;
    // Behind the moment in which the checker takes an execution for one that was delivered before.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    trial.kill_and_start(&mut operator);
    rest(trial).await;
}

/// A job is unpaused while its tasks are still being written.
async fn loading_gate(trial: &Trial) {
    let world = &trial.world;
    let operator = trial.operator("operator", Some("accept=2500")).await;
    let _worker = world.worker("worker-0", 8).await;
    let NewJob { name, spec, shape } = plain("work", &[(5, work(5, 5, 0)), (20_000, work(5, 5, 0)), (5, work(5, 5, 0))]);
    let mut spec = spec;
    spec["paused"] = json!(true);
    world.submit(&NewJob { name, spec, shape }).await;
    operator.until_printed("lingers place=\"accept\"").await;
    let unpaused = json!({"spec": {"paused": false}});
    world.jobs().patch("work", &PatchParams::default(), &Patch::Merge(unpaused)).await.expect("unpaused");
    world.accepted("work", PATIENCE).await;
    world.kill_job("work", PATIENCE).await;
    rest(trial).await;
    drop(operator);
}

/// The processes must be there until it is over.
async fn rest(trial: &Trial) {
    trial.world.come_to_rest(if trial.sabotage.is_some() { REST } else { Duration::from_secs(60) }).await;
}
