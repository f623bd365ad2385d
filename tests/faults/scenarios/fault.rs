//! The classes of faults: how each strikes a cast, and how it heals.

use std::time::{Duration, Instant};

use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::Cast;
use super::operators::TAKEOVER;
use crate::disk::SmallDisk;
use crate::proxy::{Mode, Proxy};
use crate::slot::Switches;
use crate::stores::rig;
use crate::workload::{plain, work};

/// Two processes, or a process and a store, that talk to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    OperatorPostgres,
    OperatorRedis,
    OperatorApi,
    WorkerRedis,
}

/// What may break. Numbers say which operator or worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    OperatorKilled(usize),
    OperatorStopped(usize),
    WorkerKilled(usize),
    WorkerStopped(usize),
    LeaseStolen,
    RedisFlushed,
    RedisRestarted,
    RedisFull,
    PostgresRestarted,
    PostgresReadOnly,
    PostgresTaken,
    /// On a disk of its own.
    PostgresFull,
    ApiserverDown,
    Cut(Link),
    Reset(Link),
    HalfOpen(Link),
    Late(Link),
}

/// After a link or a store is whole again, where nothing shorter is promised.
pub(crate) const HEALED: Duration = Duration::from_secs(30);

impl Fault {
    /// Its name in histories and tables.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::OperatorKilled(_) => "operator kill -9",
            Self::OperatorStopped(_) => "operator stopped",
            Self::WorkerKilled(_) => "worker kill -9",
            Self::WorkerStopped(_) => "worker stopped",
            Self::LeaseStolen => "operator's lease stolen",
            Self::RedisFlushed => "redis FLUSHALL",
            Self::RedisRestarted => "redis restarted empty",
            Self::RedisFull => "redis out of memory",
            Self::PostgresRestarted => "postgres restarted",
            Self::PostgresReadOnly => "postgres read-only",
            Self::PostgresTaken => "postgres out of connections",
            Self::PostgresFull => "postgres disk full",
            Self::ApiserverDown => "apiserver down",
            Self::Cut(link) => link.classes()[0],
            Self::Reset(link) => link.classes()[1],
            Self::HalfOpen(link) => link.classes()[2],
            Self::Late(link) => link.classes()[3],
        }
    }

    /// What breaks: two faults of one part cannot strike together.
    pub(crate) fn part(self) -> &'static str {
        match self {
            Self::LeaseStolen => "apiserver",
            _ => self.class().split(' ').next().unwrap_or_default(),
        }
    }

    /// How long after it is healed work may take to go on.
    pub(crate) fn bound(self, lease: Duration) -> Duration {
        match self {
            Self::OperatorKilled(_) | Self::OperatorStopped(_) | Self::LeaseStolen => TAKEOVER,
            Self::WorkerKilled(_) => lease * 2,
            Self::RedisFlushed | Self::RedisRestarted => lease / 2 + Duration::from_secs(5),
            Self::PostgresRestarted | Self::ApiserverDown => Duration::from_secs(10),
            _ => HEALED,
        }
    }

    /// Strikes.
    pub(crate) async fn strike(self, cast: &mut Cast) {
        let world = cast.world.clone();
        match self {
            Self::OperatorKilled(number) => cast.operators[number].kill(),
            Self::OperatorStopped(number) => cast.operators[number].signal("STOP"),
            Self::WorkerKilled(number) => cast.workers[number].kill(),
            Self::WorkerStopped(number) => cast.workers[number].signal("STOP"),
            Self::LeaseStolen => steal(cast).await,
            Self::RedisFlushed => tell_redis(cast, redis::cmd("FLUSHALL")).await,
            Self::RedisRestarted => world.redis.lock().await.restart_empty().await,
            Self::RedisFull => tell_redis(cast, redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1mb").clone()).await,
            Self::PostgresRestarted => rig("stop", "postgres"),
            Self::PostgresReadOnly => {
                world.ledger.administer("ALTER SYSTEM SET default_transaction_read_only = on").await;
                world.ledger.administer("SELECT pg_reload_conf()").await;
            }
            Self::PostgresTaken => {
                world.ledger.administer("ALTER ROLE {} CONNECTION LIMIT 0").await;
                world.ledger.administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'").await;
            }
            Self::PostgresFull => cast.disk().fill(),
            Self::ApiserverDown => rig("stop", "apiserver"),
            Self::Cut(link) => cast.each(link, |proxy| proxy.set(Mode::Refuse)),
            Self::Reset(link) => cast.each(link, Proxy::reset),
            Self::HalfOpen(link) => cast.each(link, |proxy| proxy.set(Mode::Silent)),
            Self::Late(link) => cast.each(link, |proxy| proxy.set(Mode::Late(Duration::from_secs(5)))),
        }
    }

    /// Makes whole what broke.
    pub(crate) async fn heal(self, cast: &mut Cast) {
        let world = cast.world.clone();
        match self {
            Self::OperatorKilled(number) => cast.operators[number].start(&Switches::default()),
            Self::OperatorStopped(number) => cast.operators[number].signal("CONT"),
            Self::WorkerKilled(number) => cast.workers[number].start(),
            Self::WorkerStopped(number) => cast.workers[number].signal("CONT"),
            Self::LeaseStolen | Self::RedisFlushed | Self::RedisRestarted | Self::Reset(_) => {}
            Self::RedisFull => tell_redis(cast, redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").clone()).await,
            Self::PostgresRestarted => rig("start", "postgres"),
            Self::PostgresReadOnly => {
                world.ledger.administer("ALTER SYSTEM RESET default_transaction_read_only").await;
                world.ledger.administer("SELECT pg_reload_conf()").await;
            }
            Self::PostgresTaken => world.ledger.administer("ALTER ROLE {} CONNECTION LIMIT -1").await,
            Self::PostgresFull => cast.disk().free(),
            Self::ApiserverDown => rig("start", "apiserver"),
            Self::Cut(link) | Self::HalfOpen(link) | Self::Late(link) => cast.each(link, |proxy| proxy.set(Mode::Open)),
        }
    }
}

impl Link {
    const fn classes(self) -> [&'static str; 4] {
        match self {
            Self::OperatorPostgres => [
                "link operator-postgres cut",
                "link operator-postgres reset",
                "link operator-postgres half-open",
                "link operator-postgres 5 s late",
            ],
            Self::OperatorRedis => {
                ["link operator-redis cut", "link operator-redis reset", "link operator-redis half-open", "link operator-redis 5 s late"]
            }
            Self::OperatorApi => [
                "link operator-apiserver cut",
                "link operator-apiserver reset",
                "link operator-apiserver half-open",
                "link operator-apiserver 5 s late",
            ],
            Self::WorkerRedis => {
                ["link worker-redis cut", "link worker-redis reset", "link worker-redis half-open", "link worker-redis 5 s late"]
            }
        }
    }
}

impl Cast {
    /// Does it to this link of every process that has one.
    fn each(&self, link: Link, act: impl Fn(&Proxy)) {
        match link {
            Link::OperatorPostgres => self.operators.iter().for_each(|operator| act(&operator.postgres)),
            Link::OperatorRedis => self.operators.iter().for_each(|operator| act(&operator.redis)),
            Link::OperatorApi => self.operators.iter().for_each(|operator| act(&operator.api)),
            Link::WorkerRedis => self.workers.iter().for_each(|worker| act(&worker.redis)),
        }
    }

    fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("a ledger on a small disk")
    }

    /// Lets a fault last so long; when it was healed.
    pub(crate) async fn suffer(&mut self, fault: Fault, time: Duration) -> Instant {
        self.world.fault(fault.class(), &format!("{fault:?}"));
        fault.strike(self).await;
        tokio::time::sleep(time).await;
        fault.heal(self).await;
        self.world.healed(fault.class(), &format!("{fault:?}"))
    }

    /// Lets a fault last so long, and measures until work goes on.
    pub(crate) async fn suffer_and_go_on(&mut self, fault: Fault, time: Duration) {
        let healed = self.suffer(fault, time).await;
        let took = self.until_work_goes_on(fault, healed).await;
        self.world.recovered(fault.class(), took, fault.bound(self.world.lease));
    }

    /// How long it took since: until a new job is accepted where the API server was out of reach, a worker begins a task where
    /// workers were, and else tasks are dispatched.
    pub(crate) async fn until_work_goes_on(&self, fault: Fault, since: Instant) -> Duration {
        let world = &self.world;
        match fault {
            Fault::ApiserverDown
            | Fault::Cut(Link::OperatorApi)
            | Fault::Reset(Link::OperatorApi)
            | Fault::HalfOpen(Link::OperatorApi)
            | Fault::Late(Link::OperatorApi) => {
                let job = plain(&format!("probe-{}", world.next_process()), &[(2, work(5, 50, 0))]);
                while !world.submit(&job).await {}
                assert!(world.accepted(&job.name, HEALED * 3).await, "{}: no job is accepted any more", fault.class());
                since.elapsed()
            }
            Fault::WorkerStopped(_)
            | Fault::Cut(Link::WorkerRedis)
            | Fault::Reset(Link::WorkerRedis)
            | Fault::HalfOpen(Link::WorkerRedis)
            | Fault::Late(Link::WorkerRedis) => {
                let begun = world.said("begin").len();
                world.until_said("begin", begun + 1).await;
                since.elapsed()
            }
            _ => world.until_dispatch(since, HEALED * 3).await,
        }
    }
}

async fn tell_redis(cast: &Cast, command: redis::Cmd) {
    cast.world.redis.lock().await.ask::<()>(&command).await.expect("Redis does it");
}

/// Somebody else writes himself into the lease and is not heard of again.
async fn steal(cast: &Cast) {
    let leases: Api<k8s_openapi::api::coordination::v1::Lease> = Api::namespaced(cast.world.cluster.client.clone(), "igor-system");
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime(k8s_openapi::jiff::Timestamp::now());
    let patch = json!({"spec": {"holderIdentity": "thief", "renewTime": now, "acquireTime": now, "leaseDurationSeconds": 15}});
    leases.patch(&cast.world.cluster.namespace, &PatchParams::default(), &Patch::Merge(patch)).await.expect("the lease is stolen");
}
