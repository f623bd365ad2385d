//! The processes of a world, each behind proxies of its own. A process that is started again takes the place, and the proxies, of the
//! one before it.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::history::History;
use crate::proxy::Proxy;
use crate::support::from_rig;
use crate::support::process::Process;
use crate::world::World;

/// What a process is told beside its usual settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches {
    /// `IGOR_SABOTAGE`: the safeguard that is left out.
    pub(crate) sabotage: Option<&'static str>,
    /// `IGOR_LINGER`: places that take longer, as `place=milliseconds,…`.
    pub(crate) linger: Option<&'static str>,
}

/// An operator and its links.
pub(crate) struct Operator {
    world: Arc<World>,
    name: String,
    pub(crate) postgres: Proxy,
    pub(crate) redis: Proxy,
    pub(crate) api: Proxy,
    /// Which process stands behind the links now.
    label: Arc<Mutex<String>>,
    pub(crate) process: Option<Process>,
}

impl Operator {
    pub(crate) async fn new(world: &Arc<World>, name: &str) -> Self {
        let kubeconfig = std::fs::read_to_string(from_rig("IGOR_TEST_OPERATOR_KUBECONFIG")).expect("the operator's kubeconfig");
        let server = kubeconfig.split("https://127.0.0.1:").nth(1).expect("a server");
        let server: String = server.chars().take_while(char::is_ascii_digit).collect();
        let label = Arc::new(Mutex::new(name.to_owned()));
        let ports = History::open(&world.folder.join("history"), &format!("{name}-ports"));
        let known = label.clone();
        let postgres = Proxy::start(world.ledger.port, move |port| {
            ports.note("connect", json!({"process": *known.lock().expect("not poisoned"), "port": port}));
        })
        .await;
        let redis = Proxy::start(world.redis_port, |_| {}).await;
        let api = Proxy::start(server.parse().expect("a port"), |_| {}).await;
        let own = kubeconfig.replace(&format!("https://127.0.0.1:{server}"), &format!("https://127.0.0.1:{}", api.port));
        std::fs::write(world.folder.join(format!("{name}.kubeconfig")), own).expect("a kubeconfig");
        Self { world: world.clone(), name: name.to_owned(), postgres, redis, api, label, process: None }
    }

    /// Starts it, under the same name in the lease each time: it need not wait for its own lease to run out.
    pub(crate) fn start(&mut self, switches: &Switches) {
        let world = &self.world;
        let label = format!("{}.{}", self.name, world.next_process());
        self.label.lock().expect("not poisoned").clone_from(&label);
        let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
        command
            .arg("operator")
            .args(["--identity", &format!("{}-{}", world.cluster.namespace, self.name)])
            .args(["--watch-namespace", &world.cluster.namespace, "--lease-name", &world.cluster.namespace])
            .args(["--metrics-addr", "127.0.0.1:0", "--task-lease-seconds", &world.lease.as_secs_f64().to_string()])
            .env("KUBECONFIG", world.folder.join(format!("{}.kubeconfig", self.name)))
            .env("DATABASE_URL", world.ledger.url(self.postgres.port))
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", self.redis.port))
            .env("IGOR_PREFIX", &world.cluster.namespace)
            .env("IGOR_LOG", std::env::var("IGOR_LOG").unwrap_or_else(|_| "info,igor=debug".to_owned()))
            .env("RUST_BACKTRACE", "1");
        command.envs(switches.sabotage.map(|name| ("IGOR_SABOTAGE", name)));
        command.envs(switches.linger.map(|places| ("IGOR_LINGER", places)));
        world.history.note("process", json!({"process": label, "does": "start", "switches": format!("{switches:?}")}));
        self.process = Some(Process::start(&world.folder, &self.name, &mut command));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.world.history.note("process", json!({"process": self.label(), "does": "kill -9"}));
        self.running().kill();
        self.process = None;
    }

    /// A signal, by its name.
    pub(crate) fn signal(&mut self, signal: &str) {
        self.world.history.note("process", json!({"process": self.label(), "does": signal}));
        self.running().signal(signal);
    }

    /// Waits for its end after SIGTERM; how long that took.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Duration {
        ended(self.process.as_mut().expect("a process"), limit).await
    }

    fn label(&self) -> String {
        self.label.lock().expect("not poisoned").clone()
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("a process")
    }

    /// Waits until what it printed holds `words`.
    pub(crate) async fn until_printed(&self, words: &str) {
        let probe = || async {
            let log = self.process.as_ref().expect("a process").printed();
            if log.contains(words) { Ok(()) } else { Err("not yet") }
        };
        crate::support::until(words, Duration::from_secs(60), probe).await;
    }
}

/// A worker and its link.
pub(crate) struct Worker {
    world: Arc<World>,
    name: String,
    slots: usize,
    /// Which process works in its place now, or did last.
    pub(crate) who: String,
    pub(crate) redis: Proxy,
    process: Option<Process>,
}

impl Worker {
    pub(crate) async fn new(world: &Arc<World>, name: &str, slots: usize) -> Self {
        let redis = Proxy::start(world.redis_port, |_| {}).await;
        let mut worker = Self { world: world.clone(), name: name.to_owned(), slots, who: String::new(), redis, process: None };
        worker.start();
        worker
    }

    /// Starts it, or the next one in its place.
    pub(crate) fn start(&mut self) {
        let world = &self.world;
        let who = format!("{}.{}", self.name, world.next_process());
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args(["worker", &format!("{}.default", world.cluster.namespace), &self.slots.to_string()])
            .arg(world.folder.join("history"))
            .arg(&who)
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", self.redis.port))
            .env("IGOR_PREFIX", &world.cluster.namespace)
            .env("RUST_BACKTRACE", "1");
        world.history.note("process", json!({"process": who, "does": "start"}));
        self.process = Some(Process::start(&world.folder, &self.name, &mut command));
        self.who = who;
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.world.history.note("process", json!({"process": self.name, "does": "kill -9"}));
        self.process.as_mut().expect("a process").kill();
        self.process = None;
    }

    /// A signal, by its name.
    pub(crate) fn signal(&mut self, signal: &str) {
        self.world.history.note("process", json!({"process": self.name, "does": signal}));
        self.process.as_mut().expect("a process").signal(signal);
    }

    /// Waits for its end after SIGTERM; how long that took.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Duration {
        ended(self.process.as_mut().expect("a process"), limit).await
    }
}

async fn ended(process: &mut Process, limit: Duration) -> Duration {
    let began = std::time::Instant::now();
    while process.ended().is_none() {
        assert!(began.elapsed() < limit, "after {limit:?} it still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}
