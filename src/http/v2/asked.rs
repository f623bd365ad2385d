//! What is asked: query strings, places in lists, moments. Everything that is wrong is said at once.

pub(super) mod place;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::Fault;
use super::shown::StatusWord;
use crate::core::name;
use crate::core::status::Status;
use crate::store::{JobFilter, Moment, Order, TaskFilter, TaskPlace};

/// Entries of a page, unless asked otherwise.
const USUAL: u32 = 100;
/// Most entries of a page.
const MOST: u32 = 1_000;
/// Longest text to look for.
const TEXT: usize = 500;

/// A query string, whole: a parameter that is not known is a fault.
pub(super) struct Query<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let query = parts.uri.query().unwrap_or_default();
        if query.contains("%00") || query.contains('\0') {
            return Err(Fault::bad("the query: a text holds no NUL"));
        }
        serde_html_form::from_str(query).map(Self).map_err(|error| Fault::bad(format!("the query: {error}")))
    }
}

/// Which way jobs are listed.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(super) enum JobSort {
    /// The newest first.
    #[default]
    #[serde(rename = "-created")]
    Newest,
    /// The oldest first.
    #[serde(rename = "created")]
    Oldest,
}

/// Which way tasks are listed.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub(super) enum TaskSort {
    /// Type by type in the order of the plan.
    #[default]
    #[serde(rename = "place")]
    Place,
    /// The other way round.
    #[serde(rename = "-place")]
    Reversed,
}

/// How a list of jobs is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct OfJobs {
    /// Most jobs of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Which way.
    #[param(inline)]
    sort: JobSort,
    /// Only these fields of each job, separated by commas.
    pub(super) fields: Option<String>,
    /// In this status; repeat for more.
    #[param(value_type = Vec<StatusWord>)]
    status: Vec<String>,
    /// With this text in the name or the title, in any case.
    #[param(max_length = 500)]
    name: Option<String>,
    /// With this reason.
    #[param(max_length = 500)]
    reason: Option<String>,
    /// Of this queue.
    #[param(max_length = 500)]
    queue: Option<String>,
    /// Paused or not.
    paused: Option<bool>,
    /// Ended or not.
    finished: Option<bool>,
    /// Their objects deleted or not.
    deleted: Option<bool>,
    /// Created then or later.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// Created then or earlier.
    #[param(format = DateTime)]
    created_before: Option<String>,
}

/// A list of jobs, as the ledger is asked.
pub(super) struct JobsAsked {
    pub(super) filter: JobFilter,
    pub(super) order: Order,
    pub(super) after: Option<Uuid>,
    pub(super) limit: u32,
}

impl OfJobs {
    /// In the ledger's words, of these namespaces.
    pub(super) fn read(&self, namespaces: Option<Vec<String>>) -> Result<JobsAsked, Fault> {
        let mut faults = Faults::default();
        let filter = JobFilter {
            namespaces,
            statuses: faults.statuses(&self.status),
            contains: faults.text("name", self.name.as_ref()),
            reason: faults.text("reason", self.reason.as_ref()),
            queue: faults.text("queue", self.queue.as_ref()),
            paused: self.paused,
            finished: self.finished,
            deleted: self.deleted,
            from_ms: faults.moment("createdAfter", self.created_after.as_deref()),
            to_ms: faults.moment("createdBefore", self.created_before.as_deref()),
        };
        let order = match self.sort {
            JobSort::Newest => Order::Usual,
            JobSort::Oldest => Order::Reversed,
        };
        let after = faults.place(self.after.as_deref(), |text| Uuid::parse_str(text).ok());
        let limit = faults.limit(self.limit);
        faults.or(JobsAsked { filter, order, after, limit })
    }
}

/// How a list of tasks is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct OfTasks {
    /// Most tasks of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Which way.
    #[param(inline)]
    sort: TaskSort,
    /// Only these fields of each task, separated by commas.
    pub(super) fields: Option<String>,
    /// In this status; repeat for more.
    #[param(value_type = Vec<StatusWord>)]
    status: Vec<String>,
    /// Of this type.
    #[serde(rename = "type")]
    #[param(max_length = 500)]
    kind: Option<String>,
    /// With this text in the name or the title, in any case.
    #[param(max_length = 500)]
    name: Option<String>,
    /// With this reason.
    #[param(max_length = 500)]
    reason: Option<String>,
    /// Paused one by one or not.
    paused: Option<bool>,
}

/// A list of tasks, as the ledger is asked.
pub(super) struct TasksAsked {
    pub(super) filter: TaskFilter,
    pub(super) order: Order,
    pub(super) after: Option<TaskPlace>,
    pub(super) limit: u32,
}

impl OfTasks {
    /// In the ledger's words.
    pub(super) fn read(&self) -> Result<TasksAsked, Fault> {
        let mut faults = Faults::default();
        let filter = TaskFilter {
            statuses: faults.statuses(&self.status),
            kind: faults.text("type", self.kind.as_ref()),
            contains: faults.text("name", self.name.as_ref()),
            reason: faults.text("reason", self.reason.as_ref()),
            paused: self.paused,
        };
        let order = match self.sort {
            TaskSort::Place => Order::Usual,
            TaskSort::Reversed => Order::Reversed,
        };
        let after = faults.place(self.after.as_deref(), |text| {
            let (ordinal, kind) = text.split_once(' ')?;
            name::is_task_type(kind).then(|| Some(TaskPlace { kind: kind.to_owned(), ordinal: ordinal.parse().ok()? }))?
        });
        let limit = faults.limit(self.limit);
        faults.or(TasksAsked { filter, order, after, limit })
    }
}

/// How a list that has no filters is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Plain {
    /// Most entries of the page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Only these fields of each entry, separated by commas.
    pub(super) fields: Option<String>,
}

impl Plain {
    /// Limit and place of a list that goes by moments.
    pub(super) fn by_moment(&self) -> Result<(u32, Option<Moment>), Fault> {
        self.read(|text| {
            let mut words = text.splitn(3, ' ');
            let us = words.next()?.parse().ok()?;
            Some(Moment { us, id: Uuid::parse_str(words.next()?).ok()?, version: words.next()?.parse().ok()? })
        })
    }

    /// Limit and place of a list that goes by numbers.
    pub(super) fn by_number(&self) -> Result<(u32, Option<u32>), Fault> {
        self.read(|text| text.parse().ok())
    }

    fn read<Place>(&self, place: impl FnOnce(&str) -> Option<Place>) -> Result<(u32, Option<Place>), Fault> {
        let mut faults = Faults::default();
        let read = (faults.limit(self.limit), faults.place(self.after.as_deref(), place));
        faults.or(read)
    }
}

/// What is asked of a single thing.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct OfOne {
    /// Only these fields, separated by commas.
    pub(super) fields: Option<String>,
}

/// What is wrong with a request, so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn or<T>(self, value: T) -> Result<T, Fault> {
        if self.0.is_empty() { Ok(value) } else { Err(Fault::Bad(self.0)) }
    }

    fn limit(&mut self, limit: Option<u32>) -> u32 {
        let limit = limit.unwrap_or(USUAL);
        if !(1..=MOST).contains(&limit) {
            self.0.push(format!("limit: {limit} is not between 1 and {MOST}"));
        }
        limit
    }

    fn place<Place>(&mut self, after: Option<&str>, read: impl FnOnce(&str) -> Option<Place>) -> Option<Place> {
        let place = place::text(after?).as_deref().and_then(read);
        if place.is_none() {
            self.0.push("after: is no `next` of this list".to_owned());
        }
        place
    }

    fn statuses(&mut self, words: &[String]) -> Vec<Status> {
        let known = || Status::ALL.map(Status::as_str).join(", ");
        let read = words.iter().filter_map(|word| {
            let status = Status::parse(word);
            if status.is_none() {
                self.0.push(format!("status: {word:?} is none of {}", known()));
            }
            status
        });
        read.collect()
    }

    fn text(&mut self, field: &str, text: Option<&String>) -> Option<String> {
        let text = text?;
        if text.len() > TEXT {
            self.0.push(format!("{field}: has more than {TEXT} bytes"));
        }
        Some(text.clone())
    }

    /// Unix milliseconds; what lies before 1970 is taken for it.
    fn moment(&mut self, field: &str, text: Option<&str>) -> Option<i64> {
        let text = text?;
        match text.parse::<jiff::Timestamp>() {
            Ok(at) => Some(at.as_millisecond().max(0)),
            Err(_) => {
                self.0.push(format!("{field}: {text:?} is no time as 2026-11-24T15:14:36Z"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
