//! Where jobs, layers and tasks are, and how lists are asked for.

use std::fmt::Write;

/// A job, a layer of it, or a task of that, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    path: String,
}

impl Address {
    /// A job: the newest of that name.
    pub fn job(namespace: &str, job: &str) -> Self {
        Self { path: format!("{}/{}", jobs_of(Some(namespace)), spelled(job)) }
    }

    /// A layer of this job.
    #[must_use]
    pub fn layer(self, layer: &str) -> Self {
        Self { path: format!("{}/layers/{}", self.path, spelled(layer)) }
    }

    /// A task of this layer.
    #[must_use]
    pub fn task(self, task: &str) -> Self {
        Self { path: format!("{}/tasks/{}", self.path, spelled(task)) }
    }

    pub(super) fn path(&self) -> String {
        self.path.clone()
    }
}

/// The list of jobs of a namespace, or of all.
pub(super) fn jobs_of(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "/api/v2/jobs".to_owned(), |namespace| format!("/api/v2/namespaces/{}/jobs", spelled(namespace)))
}

pub(super) fn of_uid(uid: &str) -> String {
    format!("/api/v2/jobs/{}", spelled(uid))
}

/// A name as a part of a path.
fn spelled(name: &str) -> String {
    name.bytes().fold(String::new(), |mut spelled, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            spelled.push(char::from(byte));
        } else {
            write!(spelled, "%{byte:02X}").expect("a String takes all");
        }
        spelled
    })
}

/// Which of a list, and in which order; what is not said is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// All of it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A parameter as the API names it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push((name.to_owned(), value.to_string()));
        self
    }

    /// In this status; more than one if said again.
    #[must_use]
    pub fn status(self, status: &str) -> Self {
        self.with("status", status)
    }

    /// With this text in the name or the title.
    #[must_use]
    pub fn name(self, text: &str) -> Self {
        self.with("name", text)
    }

    /// Tasks of this type.
    #[must_use]
    pub fn kind(self, kind: &str) -> Self {
        self.with("type", kind)
    }

    /// So many a page, 1 to 1000.
    #[must_use]
    pub fn page(self, limit: u32) -> Self {
        self.with("limit", limit)
    }

    /// Behind the end of a page.
    pub(super) fn after(mut self, next: &str) -> Self {
        self.0.retain(|(name, _)| name != "after");
        self.with("after", next)
    }

    pub(super) fn words(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_a_path_as_what_they_are() {
        let task = Address::job("film", "nightly").layer("render").task("a/b ü");
        assert_eq!(task.path(), "/api/v2/namespaces/film/jobs/nightly/layers/render/tasks/a%2Fb%20%C3%BC");
        assert_eq!(jobs_of(None), "/api/v2/jobs");
    }

    #[test]
    fn the_next_page_is_asked_for_instead_of_the_last() {
        let query = Query::new().status("ERRORED").page(10).after("a").after("b");
        assert_eq!(query, Query::new().status("ERRORED").page(10).with("after", "b"));
    }
}
