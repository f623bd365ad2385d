//! A worker that may do no more than the contract's ACL line says, and what it does when it is locked out.

use igor::core::fold::Said;
use igor::queue::{Client, Header, Lane, Meta, TypeKey};

use crate::contract::for_each_worker;
use crate::rig::{meta, raw, redis_url, unique, until};
use crate::stand_in::{Language, StandIn, Start, task};
use crate::support::process::Process;

for_each_worker!(
    a_worker_of_one_type_needs_no_more_rights_than_those,
    results_are_kept_until_they_are_taken,
    a_short_loss_of_contact_stops_nothing,
    a_long_loss_of_contact_ends_the_work_and_nobody_hears_of_it,
);

/// A user of the rig's Redis that goes with the test.
struct User {
    name: String,
}

const PASSWORD: &str = "opensesame";

impl User {
    /// A user with the rights of a worker of one type.
    async fn worker_of(client: &Client, key: &TypeKey) -> Self {
        let user = Self { name: unique("u") };
        let prefix = &client.settings().prefix;
        let rights = [
            "reset".to_owned(),
            "on".to_owned(),
            format!(">{PASSWORD}"),
            "-@all".to_owned(),
            format!("~{prefix}:{{{key}}}:q*"),
            format!("&{prefix}:{{{key}}}:ctl"),
            "+xreadgroup".to_owned(),
            "+xclaim".to_owned(),
            "+subscribe".to_owned(),
            "+unsubscribe".to_owned(),
            "+ping".to_owned(),
            "+hello".to_owned(),
            "+client|setname".to_owned(),
            format!("(-@all +xadd %W~{prefix}:{{{key}}}:r)"),
            format!("(-@all +hset +pexpire ~{prefix}:w:*)"),
            format!("(-@all +hgetall %R~{prefix}:{{{key}}}:meta)"),
        ];
        user.set(&rights.iter().map(String::as_str).collect::<Vec<_>>()).await;
        user
    }

    async fn set(&self, rules: &[&str]) {
        redis::cmd("ACL").arg("SETUSER").arg(&self.name).arg(rules).exec_async(&mut raw().await).await.expect("a user");
    }

    async fn kick(&self) {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("USER").arg(&self.name).query_async::<usize>(&mut raw().await).await.expect("a count");
    }

    /// No connection, and none to be had.
    async fn lock_out(&self) {
        self.set(&["off"]).await;
        self.kick().await;
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let url = redis_url();
        let address = url.rsplit_once(['@', '/']).map(|_| url.trim_start_matches("redis://")).expect("a URL");
        let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
        let client = redis::Client::open(format!("redis://{}:{PASSWORD}@{address}", self.name)).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("let in")
    }

    fn start(&self, start: &Start<'_>, language: Language, stand_in: &StandIn) -> Process {
        Start { user: Some((&self.name, PASSWORD)), ..*start }.worker(language, stand_in)
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut delete = redis::cmd("ACL");
        delete.arg("DELUSER").arg(&self.name);
        let client = redis::Client::open(redis_url()).expect("a URL");
        if let Ok(mut connection) = client.get_connection() {
            delete.exec(&mut connection).ok();
        }
    }
}

async fn a_worker_of_one_type_needs_no_more_rights_than_those(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let other = stand_in.prepare("other", &meta()).await;
    let user = User::worker_of(&stand_in.client, &sleep).await;
    let mut worker = user.start(&Start { types: &["sleep"], ..Start::default() }, language, &stand_in);
    let [short, killed, gone] = [task("1"), task("60"), task("60")];
    stand_in.give(&sleep, &short).await;
    assert_eq!(stand_in.until_ended(&short).await.said, Said::Completed);
    stand_in.give(&sleep, &killed).await;
    stand_in.until_said(&killed, Said::Running).await;
    stand_in.client.publish_kill(&sleep, &[(killed.header.id, 1)]).await.expect("published");
    assert_eq!(stand_in.until_ended(&killed).await.said, Said::Cancelled);
    let entry = stand_in.give(&sleep, &gone).await;
    stand_in.until_said(&gone, Said::Running).await;
    stand_in.remove(&sleep, entry).await;
    assert_eq!(stand_in.until_ended(&gone).await.said, Said::Cancelled);
    worker.signal("TERM");
    let status = until("its end", || std::future::ready(worker.ended().ok_or("it runs"))).await;
    assert!(status.success(), "{status}");

    let keys = stand_in.client.keys();
    let lane = keys.lane(&sleep, Lane::Normal);
    let forbidden: [&[&str]; 12] = [
        &["XADD", &lane, "*", "h", "{}", "p", ""],
        &["XDEL", &lane, "1-1"],
        &["XACK", &lane, "igor", "1-1"],
        &["XRANGE", &lane, "-", "+"],
        &["XRANGE", &keys.results(&sleep), "-", "+"],
        &["XDEL", &keys.results(&sleep), "1-1"],
        &["XREADGROUP", "GROUP", "igor", "x", "STREAMS", &keys.lane(&other, Lane::Normal), ">"],
        &["XADD", &keys.results(&other), "*", "w", "x", "r", "[]"],
        &["HSET", &keys.meta(&sleep), "owner", "9"],
        &["PUBLISH", &keys.control(&sleep), "{}"],
        &["KEYS", "*"],
        &["FLUSHALL"],
    ];
    let mut connection = user.connection().await;
    for words in forbidden {
        let answer = redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(&mut connection).await;
        let code = answer.as_ref().err().and_then(|error| error.code().map(str::to_owned));
        assert_eq!(code.as_deref(), Some("NOPERM"), "{words:?}: {answer:?}");
    }
}

async fn results_are_kept_until_they_are_taken(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let user = User::worker_of(&stand_in.client, &sleep).await;
    let _worker = user.start(&Start { types: &["sleep"], batch: 3, ..Start::default() }, language, &stand_in);
    let worker = stand_in.until_worker(&sleep, &[]).await.id;
    user.set(&["clearselectors"]).await;
    let prefix = &stand_in.client.settings().prefix;
    let read_and_renew = [format!("(-@all +hset +pexpire ~{prefix}:w:*)"), format!("(-@all +hgetall %R~{prefix}:{{{sleep}}}:meta)")];
    user.set(&read_and_renew.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let tasks = [task("0"), task("0"), task("0.1")];
    stand_in.admit(&sleep, Lane::Normal, &tasks).await;
    // Their leases are renewed beyond a lease's length although nobody can be told that they are done.
    let delivered = until("all three to be delivered and more than a lease to pass", || async {
        let held = stand_in.client.pending_idle(&sleep, Lane::Normal, 0).await.expect("what is pending");
        if held.len() == 3 { Ok(std::time::Instant::now()) } else { Err(held) }
    })
    .await;
    until("a lease and a half", || async {
        let held = stand_in.client.pending_idle(&sleep, Lane::Normal, meta().lease_ms).await.expect("what is pending");
        assert_eq!(held, [], "leases are renewed until the results are stored");
        if delivered.elapsed().as_millis() > 1350 { Ok(()) } else { Err(delivered.elapsed()) }
    })
    .await;
    assert_eq!(stand_in.seen().len(), 0);
    user.set(&[&format!("(-@all +xadd %W~{prefix}:{{{sleep}}}:r)")]).await;
    for task in &tasks {
        let report = stand_in.until_ended(task).await;
        assert_eq!((report.said, report.worker.as_ref()), (Said::Completed, Some(&worker)));
    }
}

async fn a_short_loss_of_contact_stops_nothing(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &meta()).await;
    let user = User::worker_of(&stand_in.client, &sleep).await;
    let _worker = user.start(&Start { types: &["sleep"], ..Start::default() }, language, &stand_in);
    let long = task("2.5");
    stand_in.give(&sleep, &long).await;
    stand_in.until_said(&long, Said::Running).await;
    user.lock_out().await;
    until_idle_for(&stand_in, &sleep, meta().lease_ms).await;
    user.set(&["on"]).await;
    assert_eq!(stand_in.until_ended(&long).await.said, Said::Completed);
    assert_eq!(stand_in.said(&long).len(), 2);
}

async fn until_idle_for(stand_in: &StandIn, key: &TypeKey, ms: u64) {
    until("an entry that is not renewed", || async {
        let held = stand_in.client.pending_idle(key, Lane::Normal, 0).await.expect("what is pending");
        if held.iter().any(|held| held.idle_ms > ms) { Ok(()) } else { Err(held) }
    })
    .await;
}

async fn a_long_loss_of_contact_ends_the_work_and_nobody_hears_of_it(language: Language) {
    let stand_in = StandIn::new().await;
    let sleep = stand_in.prepare("sleep", &Meta { grace_ms: 2500, ..meta() }).await;
    let user = User::worker_of(&stand_in.client, &sleep).await;
    let _worker = user.start(&Start { types: &["sleep"], batch: 2, ..Start::default() }, language, &stand_in);
    // The first of the batch is exclusive and given up after one lease: then the second runs, until the grace is over.
    let mut exclusive = task("60");
    exclusive.header = Header { exclusive: true, ..exclusive.header };
    let plain = task("60");
    let entries = stand_in.admit(&sleep, Lane::Normal, &[exclusive.clone(), plain.clone()]).await;
    stand_in.until_said(&exclusive, Said::Running).await;
    user.lock_out().await;
    until_idle_for(&stand_in, &sleep, 3500).await;
    for entry in entries {
        stand_in.remove(&sleep, entry).await;
    }
    user.set(&["on"]).await;
    let next = task("0");
    stand_in.give(&sleep, &next).await;
    assert_eq!(stand_in.until_ended(&next).await.said, Said::Completed, "its slot is free again");
    let of = |entry: &igor::queue::Entry| stand_in.said(entry).into_iter().map(|report| report.said).collect::<Vec<_>>();
    assert_eq!((of(&exclusive), of(&plain)), (vec![Said::Running], vec![]), "nobody is told how it went");
}
