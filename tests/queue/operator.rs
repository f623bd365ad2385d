//! The operator's side alone: fence, admitting, revoking, recalling, reading results.

use igor::core::fold::Said;
use igor::queue::{Backlog, EntryId, EntryRef, Error, Lane, Meta, Owner, ResultStream, Settled, TypeKey};

use crate::rig::{OWNER, client, entry, meta, prepared, raw};

async fn write_result(client: &igor::queue::Client, key: &TypeKey, json: &str) -> String {
    let mut add = redis::cmd("XADD");
    add.arg(client.keys().results(key)).arg("*").arg("w").arg("host-1-abcdef").arg("r").arg(json);
    add.query_async(&mut raw().await).await.expect("XADD")
}

#[tokio::test]
async fn a_type_is_prepared_once_and_its_generation_kept_by_the_next_leader() {
    let client = client().await;
    let key = TypeKey::new("film.default", "render");
    assert_eq!(client.prepare(&key, &meta(), Owner(1)).await.unwrap().generation, None);
    let first = client.meta(&key).await.unwrap();
    assert_eq!(client.prepare(&key, &meta(), Owner(2)).await.unwrap().generation.as_ref(), first.get("gen"));
    let second = client.meta(&key).await.unwrap();
    let mut expected = first.clone();
    expected.insert("owner".into(), "2".into());
    assert_eq!(second, expected);
    for (field, value) in [("v", "1"), ("lease_ms", "900"), ("batch_max", "100"), ("batch_delay_ms", "0"), ("share", "0")] {
        assert_eq!(first.get(field).map(String::as_str), Some(value), "{field}");
    }
}

#[tokio::test]
async fn a_stale_leader_can_change_nothing() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let ids = client.admit(&key, Lane::Normal, &[entry("a")], OWNER).await.unwrap();
    client.prepare(&key, &meta(), Owner(2)).await.unwrap();
    let fenced = |error: Error| matches!(error, Error::Fenced(of) if of == key);
    assert!(fenced(client.prepare(&key, &Meta::default(), OWNER).await.unwrap_err()));
    assert!(fenced(client.admit(&key, Lane::Normal, &[entry("b")], OWNER).await.unwrap_err()));
    assert!(fenced(client.remove(&key, &[EntryRef { lane: Lane::Normal, id: ids[0] }], OWNER).await.unwrap_err()));
    assert!(fenced(client.recall(&key, Lane::Normal, &ids, OWNER).await.unwrap_err()));
    assert!(fenced(client.set_share(&key, OWNER, 5).await.unwrap_err()));
    let settled = Settled { key: key.clone(), entries: vec![EntryRef { lane: Lane::Normal, id: ids[0] }], results: vec![] };
    assert!(fenced(client.settle(&[settled], OWNER).await.unwrap_err()));
    assert_eq!(client.backlog(&key).await.unwrap()[1], Backlog { length: 1, ..Backlog::default() });
}

#[tokio::test]
async fn a_type_without_meta_takes_nothing() {
    let client = client().await;
    let key = TypeKey::new("film.default", "never");
    let error = client.admit(&key, Lane::High, &[entry("a")], OWNER).await.unwrap_err();
    assert!(matches!(&error, Error::NoMeta(of) if *of == key), "{error:?}");
    assert!(!error.is_transient() && !error.is_doubt());
    assert_eq!(client.backlog(&key).await.unwrap(), [Backlog::default(); 3]);
    assert_eq!(client.pending_idle(&key, Lane::High, 0).await.unwrap(), []);
    assert_eq!(client.workers(&key).await.unwrap(), []);
}

#[tokio::test]
async fn entries_come_back_in_order_with_their_headers() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let entries: Vec<_> = (0..1200).map(|n| entry(&n.to_string())).collect();
    let ids = client.admit(&key, Lane::High, &entries, OWNER).await.unwrap();
    assert_eq!(ids.len(), 1200);
    assert!(ids.is_sorted());
    let mut seen = Vec::new();
    let mut after = EntryId::ZERO;
    loop {
        let page = client.entries(&key, Lane::High, after, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.into_iter().map(|stored| (stored.id, stored.header.unwrap())));
    }
    let expected: Vec<_> = ids.into_iter().zip(entries.into_iter().map(|entry| entry.header)).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn recall_takes_what_nobody_got_and_remove_takes_all() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let entries: Vec<_> = (0..5).map(|n| entry(&n.to_string())).collect();
    let ids = client.admit(&key, Lane::Low, &entries, OWNER).await.unwrap();
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg("igor").arg("w1").arg("COUNT").arg(2).arg("STREAMS").arg(client.keys().lane(&key, Lane::Low)).arg(">");
    read.query_async::<redis::Value>(&mut raw().await).await.unwrap();
    assert_eq!(client.backlog(&key).await.unwrap()[2], Backlog { length: 5, pending: 2, delivered: ids[1] });
    let held = client.pending_idle(&key, Lane::Low, 0).await.unwrap();
    assert_eq!(
        held.iter().map(|held| (held.id, held.consumer.as_str(), held.deliveries)).collect::<Vec<_>>(),
        [(ids[0], "w1", 1), (ids[1], "w1", 1)]
    );
    assert_eq!(client.pending_idle(&key, Lane::Low, 3_600_000).await.unwrap(), []);
    assert_eq!(client.recall(&key, Lane::Low, &ids, OWNER).await.unwrap(), ids[2..]);
    assert_eq!(client.recall(&key, Lane::Low, &ids, OWNER).await.unwrap(), []);
    let of_all_lanes: Vec<_> = Lane::ALL.into_iter().flat_map(|lane| ids.iter().map(move |id| EntryRef { lane, id: *id })).collect();
    assert_eq!(client.remove(&key, &of_all_lanes, OWNER).await.unwrap(), 2);
    assert_eq!(client.backlog(&key).await.unwrap()[2], Backlog { delivered: ids[1], ..Backlog::default() });
}

#[tokio::test]
async fn a_consumer_is_forgotten_only_when_it_holds_nothing_and_its_card_is_gone() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let ids = client.admit(&key, Lane::Normal, &[entry("a")], OWNER).await.unwrap();
    let mut connection = raw().await;
    for lane in Lane::ALL {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("igor").arg("w1").arg("STREAMS").arg(client.keys().lane(&key, lane)).arg(">");
        read.query_async::<redis::Value>(&mut connection).await.unwrap();
    }
    let card = client.keys().worker("w1");
    redis::cmd("HSET")
        .arg(&card)
        .arg(&["types", "film.default/render", "slots", "8", "started", "5"])
        .exec_async(&mut connection)
        .await
        .unwrap();
    let workers = client.workers(&key).await.unwrap();
    assert_eq!(workers.len(), 1);
    let read = workers[0].card.clone().unwrap();
    assert_eq!((workers[0].id.as_str(), workers[0].pending, read.slots, read.started_ms), ("w1", 1, 8, 5));
    assert_eq!(read.types, ["film.default/render"]);
    assert!(!client.forget(&key, "w1", OWNER).await.unwrap(), "its card is there");
    redis::cmd("DEL").arg(&card).exec_async(&mut connection).await.unwrap();
    assert!(!client.forget(&key, "w1", OWNER).await.unwrap(), "it holds an entry");
    client.remove(&key, &[EntryRef { lane: Lane::Normal, id: ids[0] }], OWNER).await.unwrap();
    assert!(!client.discard(&key, OWNER).await.unwrap(), "it has a consumer");
    assert!(client.forget(&key, "w1", OWNER).await.unwrap());
    assert_eq!(client.workers(&key).await.unwrap(), []);
}

#[tokio::test]
async fn a_type_is_discarded_only_when_nothing_is_left_of_it() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let ids = client.admit(&key, Lane::Low, &[entry("a")], OWNER).await.unwrap();
    assert_eq!(client.types_with_entries().await.unwrap(), std::slice::from_ref(&key));
    assert!(!client.discard(&key, OWNER).await.unwrap(), "a task waits");
    client.remove(&key, &[EntryRef { lane: Lane::Low, id: ids[0] }], OWNER).await.unwrap();
    let result: EntryId = write_result(&client, &key, "[]").await.parse().unwrap();
    assert_eq!(client.types_with_entries().await.unwrap(), std::slice::from_ref(&key));
    assert!(!client.discard(&key, OWNER).await.unwrap(), "a result waits");
    client.settle(&[Settled { key: key.clone(), entries: vec![], results: vec![result] }], OWNER).await.unwrap();
    assert_eq!(client.types_with_entries().await.unwrap(), []);
    assert!(matches!(client.discard(&key, Owner(0)).await.unwrap_err(), Error::Fenced(_)));
    assert!(client.discard(&key, OWNER).await.unwrap());
    assert!(client.meta(&key).await.unwrap().is_empty());
    assert_eq!(client.prepare(&key, &meta(), OWNER).await.unwrap().generation, None);
}

#[tokio::test]
async fn results_of_types_followed_later_come_too_and_settled_ones_are_gone() {
    let client = client().await;
    let (render, thumb) = (prepared(&client, "render").await, prepared(&client, "thumb").await);
    let id = "019a0000-0000-7000-8000-000000000001";
    let said = format!(r#"[{{"e":"5-1","q":"1","id":"{id}","a":2,"s":"COMPLETED","ts":7}}]"#);
    let mut stream = ResultStream::open(&client);
    stream.follow(render.clone());
    write_result(&client, &render, &said).await;
    let first = stream.next().await.unwrap().remove(0);
    stream.follow(thumb.clone());
    write_result(&client, &thumb, "not json").await;
    let second = stream.next().await.unwrap().remove(0);
    let reports = first.reports.clone().unwrap();
    assert_eq!((first.key.clone(), first.worker.as_str(), reports.len()), (render.clone(), "host-1-abcdef", 1));
    assert_eq!(reports[0].0, EntryRef { lane: Lane::Normal, id: EntryId { ms: 5, seq: 1 } });
    assert_eq!((reports[0].1.task.to_string(), reports[0].1.attempt, reports[0].1.said), (id.into(), 2, Said::Completed));
    assert_eq!(second.key, thumb);
    second.reports.unwrap_err();
    assert_eq!(client.last_result(&render).await.unwrap(), Some(first.id));
    let settled = |key: &TypeKey, id| Settled { key: key.clone(), entries: vec![], results: vec![id] };
    client.settle(&[settled(&render, first.id), settled(&thumb, second.id)], OWNER).await.unwrap();
    assert_eq!((client.last_result(&render).await.unwrap(), client.last_result(&thumb).await.unwrap()), (None, None));
}

#[tokio::test]
async fn after_a_lost_connection_what_is_not_settled_comes_again() {
    let client = client().await;
    let key = prepared(&client, "render").await;
    let mut stream = ResultStream::open(&client);
    stream.follow(key.clone());
    write_result(&client, &key, "[]").await;
    let first = stream.next().await.unwrap();
    let mut connection = raw().await;
    let name = format!("name=igor-results:{} ", client.settings().prefix);
    let blocked = crate::rig::until("a blocked reader", || {
        let (mut connection, name) = (connection.clone(), name.clone());
        async move {
            let list: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.unwrap();
            let readers: Vec<_> =
                list.lines().filter(|line| line.contains(&name) && line.contains("cmd=xread ")).map(str::to_owned).collect();
            if readers.is_empty() { Err(list) } else { Ok(readers) }
        }
    })
    .await;
    for reader in blocked {
        let id = reader.split(' ').find_map(|word| word.strip_prefix("id=")).unwrap();
        redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async::<i64>(&mut connection).await.unwrap();
    }
    assert!(stream.next().await.unwrap_err().is_transient());
    assert_eq!(stream.next().await.unwrap(), first);
}

#[tokio::test]
async fn whose_redis_it_is_stands_there_once_written() {
    let client = client().await;
    assert_eq!(client.install().await.unwrap(), None);
    client.set_install("5f0c").await.unwrap();
    assert_eq!(client.install().await.unwrap().as_deref(), Some("5f0c"));
    assert_eq!(client.eviction_policy().await.unwrap().as_deref(), Some("noeviction"));
}
