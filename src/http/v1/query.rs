//! Filters of lists, as they stand in the query.

use super::super::Fault;
use super::super::auth::Namespaces;
use super::body;
use crate::core::status::Status;
use crate::store::Filter;

/// Rows of a list that does not say, and of the longest one.
const LIMIT: (u32, u32) = (1_000, 10_000);

/// Reads a query; parameters that nobody knows are ignored.
pub(super) fn read(query: Option<&str>, namespaces: Namespaces) -> Result<Filter, Fault> {
    let namespaces = match namespaces {
        Namespaces::All => None,
        Namespaces::Some(namespaces) => Some(namespaces),
    };
    let mut filter = Filter { namespaces, limit: LIMIT.0, ..Filter::default() };
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        take(&mut filter, &name, &value)?;
    }
    Ok(filter)
}

fn take(filter: &mut Filter, name: &str, value: &str) -> Result<(), Fault> {
    let id = |what: &str| body::id(value).ok_or_else(|| Fault::bad(format!("bad {what} id")));
    let number = || value.parse::<i64>().map_err(|_| Fault::bad(format!("bad {name}: {value:?} is not a number")));
    match name {
        "limit" => {
            filter.limit = u32::try_from(number()?.clamp(0, LIMIT.1.into())).unwrap_or(0);
            if filter.limit == 0 {
                filter.limit = LIMIT.0;
            }
        }
        "offset" => filter.offset = u32::try_from(number()?.max(0)).unwrap_or(u32::MAX),
        "job_ids" => filter.jobs.push(id("job")?),
        "layer_ids" => filter.layers.push(id("layer")?),
        "task_ids" => filter.tasks.push(id("task")?),
        "statuses" => status(filter, value)?,
        "created_before" => filter.created_before = moment(number()?),
        "created_after" => filter.created_after = moment(number()?),
        "updated_before" => filter.updated_before = moment(number()?),
        "updated_after" => filter.updated_after = moment(number()?),
        _ => {}
    }
    Ok(())
}

/// A second; 0 is none, as everywhere in this version.
fn moment(second: i64) -> Option<i64> {
    (second > 0).then_some(second)
}

fn status(filter: &mut Filter, word: &str) -> Result<(), Fault> {
    let statuses = filter.statuses.get_or_insert_default();
    match word.to_uppercase().as_str() {
        "KILLED" => filter.killed = true,
        // Of the original's own; no object of ours stands so.
        "READY" => {}
        word => statuses.push(Status::parse(word).ok_or_else(|| Fault::bad("bad status"))?),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<Filter, String> {
        read(Some(query), Namespaces::All).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_limit_is_kept_within_its_bounds() {
        let limit = |query| filter(query).map(|filter| filter.limit);
        assert_eq!(
            [limit(""), limit("limit=-3"), limit("limit=0"), limit("limit=7"), limit("limit=99999999999")],
            [1000, 1000, 1000, 7, 10_000].map(Ok)
        );
        assert_eq!(filter("offset=-1").map(|filter| filter.offset), Ok(0));
        assert_eq!(limit("limit=many"), Err("bad limit: \"many\" is not a number".to_owned()));
        assert!(filter("offset=").is_err() && filter("created_before=x").is_err());
    }

    #[test]
    fn parameters_repeat_and_unknown_ones_are_ignored() {
        let read = filter("statuses=errored&statuses=KiLLeD&statuses=pending&created_after=5&created_before=0&color=red");
        let statuses = Some(vec![Status::Errored, Status::Pending]);
        let expected = Filter { statuses, killed: true, created_after: Some(5), limit: 1000, ..Filter::default() };
        assert_eq!(read, Ok(expected));
        assert_eq!(filter("statuses=done"), Err("bad status".to_owned()));
        assert_eq!(filter("layer_ids=17"), Err("bad layer id".to_owned()));
    }
}
