//! Bodies as the original reads them: names of fields in any case, `null` as if absent, unknown fields refused.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Map, Value};
use uuid::Uuid;

use super::super::Fault;
use crate::core::plan::{MAX_ARGS, MAX_RETRIES};
use crate::core::{name, plan};

/// `POST /jobs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewJob {
    pub(super) name: String,
    pub(super) layers: Vec<NewLayer>,
}

/// A layer of a new job.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewLayer {
    pub(super) name: String,
    pub(super) priority: i64,
    pub(super) paused_at: i64,
    pub(super) tasks: Vec<NewTask>,
}

/// A new task; `layer_id` only where tasks are added.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewTask {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    args: Option<String>,
    pub(super) paused_at: i64,
    pub(super) retries: i64,
    /// What an older client of the original says `LayerID` for.
    #[serde(alias = "layerid")]
    pub(super) layer_id: String,
}

/// An object in a state in which its caller saw it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ref {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) id: String,
    #[serde(default)]
    pub(super) etag: String,
}

/// Reads a body; an array or object that is `null` is an empty one.
pub(super) fn read<T: DeserializeOwned + Default>(bytes: &[u8]) -> Result<T, Fault> {
    let bad = |error: &serde_json::Error| Fault::bad(format!("the body cannot be read: {error}"));
    let Some(first) = Deserializer::from_slice(bytes).into_iter::<Value>().next() else {
        return Err(Fault::bad("there is no body"));
    };
    match plain(first.map_err(|error| bad(&error))?) {
        Value::Null => Ok(T::default()),
        value => serde_json::from_value(value).map_err(|error| bad(&error)),
    }
}

/// The same with the names of fields in lower case, and without those that are `null`.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let some = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(some.map(|(name, value)| (name.to_lowercase(), plain(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        other => other,
    }
}

/// An id or an etag: lower-case, with its hyphens.
pub(super) fn id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text)
}

/// Checks the length of a name of such a thing.
pub(super) fn checked_name(what: &str, text: &str) -> Result<(), Fault> {
    let length = text.chars().count();
    if length > name::MAX_TITLE {
        return Err(Fault::bad(format!("max length exceeded {what} name is {length} chars, max {}", name::MAX_TITLE)));
    }
    if !name::is_title(text) {
        return Err(Fault::bad(format!("invalid arg: a {what} name may not hold control characters")));
    }
    Ok(())
}

/// Checks the second since which something is paused; 0 = it is not.
pub(super) fn checked_pause(second: i64) -> Result<(), Fault> {
    /// The end of the year 9999.
    const LAST: i64 = 253_402_300_799;
    if (0..=LAST).contains(&second) {
        return Ok(());
    }
    Err(Fault::bad(format!("invalid arg: paused_at {second} is no time in unix seconds")))
}

impl NewTask {
    /// What of it is wrong, if anything; in the order of the original.
    pub(super) fn check(&self) -> Result<(), Fault> {
        checked_name("task", &self.name)?;
        if self.kind.is_empty() {
            return Err(Fault::bad("no task type specified"));
        }
        if self.kind.len() > name::MAX_TYPE {
            return Err(Fault::bad(format!("max length exceeded task type is {} chars, max {}", self.kind.len(), name::MAX_TYPE)));
        }
        if !name::is_task_type(&self.kind) {
            return Err(Fault::bad(format!("invalid arg: task type {:?} {}", self.kind, name::TASK_TYPE_RULE)));
        }
        let length = self.args()?.map_or(0, |args| args.len());
        if length > MAX_ARGS {
            return Err(Fault::bad(format!("max length exceeded task args is {length} chars, max {MAX_ARGS}")));
        }
        if !(0..=MAX_RETRIES).contains(&self.retries) {
            return Err(Fault::bad(format!("invalid arg: retries {} is not between 0 and {MAX_RETRIES}", self.retries)));
        }
        checked_pause(self.paused_at)
    }

    /// Its arguments.
    pub(super) fn args(&self) -> Result<Option<Vec<u8>>, Fault> {
        let decode = |text: &String| {
            let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
            BASE64_STANDARD.decode(text).map_err(|_| Fault::bad("invalid arg: args are not base64 (RFC 4648, with padding)"))
        };
        self.args.as_ref().map(decode).transpose()
    }

    /// What people call it, if anything.
    pub(super) fn title(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| self.name.clone())
    }

    /// The task as a plan has it, under a name of our own.
    pub(super) fn plan(&self, name: String) -> Result<plan::TaskPlan, Fault> {
        Ok(plan::TaskPlan {
            name,
            title: self.title(),
            kind: self.kind.clone(),
            args: self.args()?,
            count: None,
            max_failures: u32::try_from(self.retries).unwrap_or(0).saturating_add(1),
            timeout_ms: None,
            paused: self.paused_at != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_in_any_case_and_null_is_absent() {
        let job: NewJob =
            read(br#"{"NAME": "a", "Layers": [{"name": null, "Tasks": [{"Type": "t", "args": null, "LayerID": "x"}]}]}"#).expect("a job");
        assert_eq!((job.name.as_str(), job.layers[0].tasks[0].kind.as_str()), ("a", "t"));
        assert_eq!((job.layers[0].tasks[0].layer_id.as_str(), job.layers[0].tasks[0].args().expect("none")), ("x", None));
        assert!(read::<NewJob>(b"null").expect("an empty job").layers.is_empty());
    }

    #[test]
    fn unknown_fields_wrong_types_and_no_body_are_refused() {
        for body in [r#"{"nme": 1}"#, r#"{"name": 5}"#, r#"{"layers": {}}"#, "", "{", r#"{"layers": [null]}"#] {
            assert!(read::<NewJob>(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn only_ids_as_we_write_them_are_ids() {
        let text = "01234567-89ab-7def-8123-456789abcdef";
        assert_eq!(id(text).map(|id| id.to_string()).as_deref(), Some(text));
        for other in ["", "x", &text.to_uppercase(), &text.replace('-', ""), &format!("{{{text}}}")] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
