//! How people name a job, a layer or a task: `JOB`, `JOB/LAYER`, `JOB/LAYER/TASK`.

use std::str::FromStr;

use igor::core::name::{is_label, is_task_name};

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) job: String,
    pub(super) layer: Option<String>,
    pub(super) task: Option<String>,
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, '/');
        let job = parts.next().unwrap_or_default().to_owned();
        let (layer, task) = (parts.next().map(str::to_owned), parts.next().map(str::to_owned));
        // The API server lets a job have dots in its name only to be refused by igor.
        if !is_label(&job)
            || layer.as_deref().is_some_and(|layer| !is_label(layer))
            || task.as_deref().is_some_and(|task| !is_task_name(task))
        {
            return Err("it is written JOB, JOB/LAYER or JOB/LAYER/TASK, as in nightly/render/frame-17".to_owned());
        }
        Ok(Self { job, layer, task })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_three_names_are_read_and_anything_else_is_refused() {
        let read = |text: &str| text.parse::<Reference>().map(|read| (read.job, read.layer, read.task));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("nightly"), Ok(("nightly".to_owned(), None, None)));
        assert_eq!(read("nightly/render"), Ok(("nightly".to_owned(), some("render"), None)));
        assert_eq!(read("nightly/render/frame-17"), Ok(("nightly".to_owned(), some("render"), some("frame-17"))));
        for wrong in ["", "/", "nightly/", "a/b/", "a/b/c/d", "Night ly"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
