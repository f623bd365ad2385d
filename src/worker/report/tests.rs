use super::*;
use crate::queue::envelope::items;
use crate::queue::{EntryId, Header, Lane};
use std::time::Duration;
use uuid::Uuid;

fn held() -> Arc<Held> {
    let entry = EntryRef { lane: Lane::Normal, id: EntryId { ms: 5, seq: 1 } };
    let header = Header { timeout_ms: 1500, ..Header::new(Uuid::from_u128(7), 2) };
    Arc::new(Held::new(0, entry, &header, None))
}

fn concluded(held: &Held, end: &End) -> Option<(Said, Option<String>, Option<String>)> {
    conclude(held, end).map(|item| (item.said, item.why, item.message))
}

fn failed() -> End {
    End::Failed(Failure::new("no disk"))
}

#[test]
fn without_a_status_the_end_of_the_handler_decides() {
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(concluded(&held(), &End::Returned), Some((Said::Completed, None, None)));
    assert_eq!(concluded(&held(), &failed()), Some((Said::Errored, None, text("no disk"))));
    assert_eq!(concluded(&held(), &End::Panicked("index 3".into())), Some((Said::Errored, text("Panic"), text("panicked: index 3"))));
    assert_eq!(concluded(&held(), &End::Cut), Some((Said::Released, text("Cut"), None)));
}

#[test]
fn what_was_stopped_says_why_and_a_status_counts_more() {
    let cases = [
        (Stop::Killed, Some((Said::Cancelled, Some("Killed"), Some("no disk")))),
        (Stop::Timeout, Some((Said::Errored, Some("Timeout"), Some("no disk")))),
        (Stop::Deadline, Some((Said::Errored, Some("Deadline"), Some("no disk")))),
        (Stop::Shutdown, Some((Said::Released, Some("Shutdown"), None))),
        (Stop::NoContact, None),
    ];
    for (stop, expected) in cases {
        let held = held();
        held.stop(stop);
        let expected = expected.map(|(said, why, message)| (said, why.map(str::to_owned), message.map(str::to_owned)));
        assert_eq!(concluded(&held, &failed()), expected, "{stop:?}");
        held.decide(Ok(Outcome::message("made it")));
        let late = concluded(&held, &End::Returned);
        let told = (stop != Stop::NoContact).then(|| (Said::Completed, None, Some("made it".to_owned())));
        assert_eq!(late, told, "{stop:?}");
    }
    let held = held();
    held.stop(Stop::Timeout);
    assert_eq!(conclude(&held, &End::Cut).and_then(|item| item.message).as_deref(), Some("ran longer than its timeout of 1.5s"));
}

#[test]
fn a_failure_keeps_its_wishes_for_the_next_attempt() {
    let put_off = held();
    put_off.decide(Err(Failure::new("no licence").put_off(Duration::from_secs(4))));
    let item = conclude(&put_off, &End::Returned).unwrap();
    assert_eq!((item.said, item.why.as_deref(), item.retry_ms), (Said::Released, Some("PutOff"), Some(4000)));
    let held = held();
    held.decide(Err(Failure::new("busy").retry_after(Duration::from_secs(3)).last()));
    let item = conclude(&held, &End::Returned).unwrap();
    assert_eq!((item.said, item.retry_ms, item.last, item.attempt), (Said::Errored, Some(3000), true, 2));
}

#[test]
fn entries_keep_within_their_bounds_and_their_order() {
    let held = held();
    let outgoing = |message: String| Outgoing {
        held: held.clone(),
        item: Item { message: Some(message), ..item(&held, Said::Errored) },
        last_word: true,
    };
    let few = packed((0..2500).map(|n| outgoing(n.to_string())).collect());
    assert_eq!(few.iter().map(|(_, inside)| inside.len()).collect::<Vec<_>>(), [1000, 1000, 500]);
    let long = packed((0..200).map(|_| outgoing("x".repeat(MESSAGE_BYTES_MAX))).collect());
    assert!(long.len() > 1);
    for (json, inside) in few.iter().chain(&long) {
        assert_eq!(items(json).unwrap().len(), inside.len());
    }
    let messages: Vec<_> = few.iter().flat_map(|(json, _)| items(json).unwrap()).filter_map(|item| item.message).collect();
    assert_eq!(messages, (0..2500).map(|n| n.to_string()).collect::<Vec<_>>());
}
