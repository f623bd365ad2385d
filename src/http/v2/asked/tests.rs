use super::place::Cursor;
use super::*;

fn tasks(query: &str) -> Result<TasksAsked, Fault> {
    serde_html_form::from_str::<OfTasks>(query).map_err(|error| Fault::bad(error.to_string()))?.read()
}

#[test]
fn a_query_is_read_with_its_repeated_parameters() {
    let asked = tasks("status=errored&status=SKIPPED&type=render&limit=7&sort=-place&paused=false").expect("a list");
    let filter = TaskFilter {
        statuses: vec![Status::Errored, Status::Skipped],
        kind: Some("render".to_owned()),
        paused: Some(false),
        ..TaskFilter::default()
    };
    assert_eq!((asked.filter, asked.order, asked.after, asked.limit), (filter, Order::Reversed, None, 7));
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let said = tasks("status=done&limit=0&after=x").err();
    let expected = [
        r#"status: "done" is none of PENDING, QUEUED, RUNNING, COMPLETED, ERRORED, SKIPPED"#,
        "after: is no `next` of this list",
        "limit: 0 is not between 1 and 1000",
    ];
    assert_eq!(said, Some(Fault::Bad(expected.map(str::to_owned).to_vec())));
    assert!(tasks("colour=red").is_err());
}

#[test]
fn places_read_back() {
    let place = TaskPlace { kind: "blender-4.2".to_owned(), ordinal: 17 };
    assert_eq!(tasks(&format!("after={}", place.text())).expect("a list").after, Some(place));
    let moment = Moment { us: 1_764_000_000_123_456, id: Uuid::from_u128(7), version: 3 };
    let plain = Plain { after: Some(moment.text()), ..Plain::default() };
    assert_eq!(plain.by_moment().expect("a list"), (100, Some(moment)));
    assert!(plain.by_number().is_err(), "a place of another list");
}

#[test]
fn times_before_the_epoch_are_the_epoch() {
    let asked = OfJobs { created_after: Some("-009999-01-02T01:59:59Z".to_owned()), ..OfJobs::default() };
    assert_eq!(asked.read(None).expect("a list").filter.from_ms, Some(0));
    let asked = OfJobs { created_after: Some("yesterday".to_owned()), ..OfJobs::default() };
    assert_eq!(asked.read(None).err(), Some(Fault::bad(r#"createdAfter: "yesterday" is no time as 2026-11-24T15:14:36Z"#)));
}
