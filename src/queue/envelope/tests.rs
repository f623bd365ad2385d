use super::*;

fn id() -> Uuid {
    "019a0000-0000-7000-8000-000000000001".parse().unwrap()
}

#[test]
fn a_header_writes_only_what_is_set() {
    let bare = Header::new(id(), 1);
    assert_eq!(String::from_utf8(bare.to_json()).unwrap(), r#"{"v":1,"id":"019a0000-0000-7000-8000-000000000001","a":1}"#);
    let full = Header {
        job: "film/nightly".into(),
        layer: "render".into(),
        name: "frame-17".into(),
        index: 17,
        timeout_ms: 60_000,
        deadline_ms: 1_764_000_000_000,
        retries_left: 2,
        solo: true,
        exclusive: true,
        traceparent: Some("00-ab-cd-01".into()),
        ..Header::new(id(), 3)
    };
    assert_eq!(
        String::from_utf8(full.to_json()).unwrap(),
        concat!(
            r#"{"v":1,"id":"019a0000-0000-7000-8000-000000000001","a":3,"job":"film/nightly","layer":"render","name":"frame-17","ix":17,"#,
            r#""to":60000,"dl":1764000000000,"ra":2,"solo":1,"ex":1,"tp":"00-ab-cd-01"}"#
        )
    );
    assert_eq!(Header::from_json(&full.to_json()), Ok(full));
}

#[test]
fn unknown_keys_are_ignored_and_flags_may_be_words() {
    let json = br#"{"v":1,"id":"019a0000-0000-7000-8000-000000000001","a":2,"solo":true,"ex":0,"new":{"x":[1]}}"#;
    assert_eq!(Header::from_json(json), Ok(Header { solo: true, ..Header::new(id(), 2) }));
}

#[test]
fn another_version_is_refused_and_still_says_who_it_is() {
    let json = br#"{"v":2,"id":"019a0000-0000-7000-8000-000000000001","a":4,"job":["of","another","shape"]}"#;
    assert_eq!(Header::from_json(json), Err("the header has version 2 of the contract, this worker knows 1".into()));
    assert_eq!(Header::identity(json), Some((id(), 4)));
    assert!(Header::from_json(b"{").unwrap_err().starts_with("the header does not parse: "));
    assert_eq!(Header::identity(b"{"), None);
}

#[test]
fn items_are_read_as_the_contract_writes_them() {
    let json = br#"[{"e":"5-1","q":"2","id":"019a0000-0000-7000-8000-000000000001","a":1,"s":"ERRORED","m":"no \u0000disk","ts":9,"dur":12,
        "why":"Timeout","retry_ms":5000,"final":true,"other":1},{"e":"5-2","q":"0","s":"RELEASED","why":"Unreadable"}]"#;
    let read: Vec<_> = items(json).unwrap().into_iter().map(|item| item.into_report("w1")).collect();
    let failed = Report {
        task: id(),
        attempt: 1,
        said: Said::Errored,
        message: Some("no disk".into()),
        why: Some("Timeout".into()),
        retry_ms: Some(5000),
        last: true,
        at_ms: 9,
        run_ms: Some(12),
        worker: Some("w1".into()),
    };
    let unreadable = Report {
        task: Uuid::nil(),
        attempt: 0,
        said: Said::Released,
        message: None,
        why: Some("Unreadable".into()),
        retry_ms: None,
        last: false,
        at_ms: 0,
        run_ms: None,
        worker: Some("w1".into()),
    };
    let at = |lane, seq| EntryRef { lane, id: EntryId { ms: 5, seq } };
    assert_eq!(read, [(at(Lane::Low, 1), failed), (at(Lane::High, 2), unreadable)]);
}

#[test]
fn what_a_worker_must_not_write_does_not_parse() {
    let item = |s: &str| format!(r#"{{"e":"1-1","q":"1","id":"{}","a":1,"s":"{s}"}}"#, id());
    assert!(items(format!("[{}]", item("LOST")).as_bytes()).unwrap_err().contains("unknown status \"LOST\""));
    assert!(items(b"{}").is_err());
    assert!(items(br#"[{"e":"x","q":"1","s":"COMPLETED"}]"#).is_err());
    let many = format!("[{}]", vec![item("COMPLETED"); ITEMS_MAX + 1].join(","));
    assert!(items(many.as_bytes()).unwrap_err().starts_with("1001 items"));
    let big = format!("[{}]{}", item("COMPLETED"), " ".repeat(RESULT_BYTES_MAX));
    assert!(items(big.as_bytes()).unwrap_err().contains("at most 262144"));
}

#[test]
fn messages_are_cut_between_characters() {
    assert_eq!(cut("a\0bc".into(), 10), "abc");
    assert_eq!(cut("zwölf".into(), 3), "zw");
    assert_eq!(cut("zwölf".into(), 4), "zwö");
    let item = Item {
        message: Some("ü".repeat(5000)),
        retry_ms: Some(u64::MAX),
        ..items(br#"[{"e":"1-1","q":"1","s":"ERRORED"}]"#).unwrap().remove(0)
    };
    let (_, report) = item.into_report("w");
    assert_eq!((report.message.unwrap().len(), report.retry_ms), (4096, Some(30 * 24 * 3_600_000)));
}

#[test]
fn an_item_writes_what_it_reads() {
    let json = format!(r#"{{"e":"5-1","q":"1","id":"{}","a":1,"s":"COMPLETED","ts":9,"dur":0}}"#, id());
    let item: Item = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&item).unwrap(), json);
}
