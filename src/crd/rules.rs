//! What the API server checks beyond single fields: CEL, told at once to whoever applies an object.
//!
//! Rules stand on jobs and layers only. Below `tasks` there are none: with thousands of tasks each write of a status would run them,
//! and take seconds. What is wrong there is told in the condition `Accepted`.

/// A rule and where it stands.
pub(super) struct Rule {
    /// The kind it belongs to.
    pub(super) kind: &'static str,
    /// The place in the kind's schema, as a JSON pointer.
    pub(super) place: &'static str,
    /// What must be true.
    pub(super) cel: &'static str,
    /// What is said when it is not.
    pub(super) message: &'static str,
}

const ROOT: &str = "";
const SPEC: &str = "/properties/spec";
const LAYER: &str = "/properties/spec/properties/layers/items";

/// All rules, in the order of their kinds and places.
pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: "IgorJob",
        place: ROOT,
        cel: "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        message: "the name of a job has at most 63 lower-case letters, digits and -, and begins and ends with a letter or digit",
    },
    Rule { kind: "IgorJob", place: SPEC, cel: "self.queue == oldSelf.queue", message: "queue cannot be changed" },
    Rule {
        kind: "IgorJob",
        place: SPEC,
        cel: "self.layers.map(l, has(l.tasks) ? size(l.tasks) : 0).sum() <= 2000",
        message: "a job lists at most 2,000 tasks: for more use arrays (count) or tasksFrom",
    },
    Rule {
        kind: "IgorJob",
        place: SPEC,
        cel: "!has(self.defaults) || !has(self.defaults.backoff) || !has(self.defaults.backoff.initialSeconds) \
              || !has(self.defaults.backoff.maxSeconds) || self.defaults.backoff.initialSeconds <= self.defaults.backoff.maxSeconds",
        message: "defaults.backoff.initialSeconds cannot be more than maxSeconds",
    },
    Rule { kind: "IgorJob", place: LAYER, cel: "self.priority == oldSelf.priority", message: "priority of a layer cannot be changed" },
    Rule {
        kind: "IgorJob",
        place: LAYER,
        cel: "!has(self.tasksFrom) || self.tasksFrom.all(t, has(t.configMapKeyRef) != has(t.upload))",
        message: "each entry of tasksFrom has exactly one of configMapKeyRef and upload",
    },
    Rule { kind: "IgorLayer", place: SPEC, cel: "self == oldSelf", message: "an IgorLayer shows a layer of its job and cannot be changed" },
    Rule {
        kind: "IgorTask",
        place: SPEC,
        cel: "[has(self.args), has(self.argsBase64), has(self.payload)].filter(given, given).size() <= 1",
        message: "only one of args, argsBase64 and payload can be set",
    },
    Rule {
        kind: "IgorTask",
        place: SPEC,
        cel: "self.jobName == oldSelf.jobName && self.layerName == oldSelf.layerName && self.type == oldSelf.type \
              && has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name) \
              && has(self.title) == has(oldSelf.title) && (!has(self.title) || self.title == oldSelf.title) \
              && has(self.args) == has(oldSelf.args) && (!has(self.args) || self.args == oldSelf.args) \
              && has(self.argsBase64) == has(oldSelf.argsBase64) && (!has(self.argsBase64) || self.argsBase64 == oldSelf.argsBase64) \
              && has(self.payload) == has(oldSelf.payload) && (!has(self.payload) || self.payload == oldSelf.payload) \
              && has(self.retries) == has(oldSelf.retries) && (!has(self.retries) || self.retries == oldSelf.retries) \
              && has(self.timeoutSeconds) == has(oldSelf.timeoutSeconds) \
              && (!has(self.timeoutSeconds) || self.timeoutSeconds == oldSelf.timeoutSeconds)",
        message: "only paused can be changed; make another IgorTask instead",
    },
];
