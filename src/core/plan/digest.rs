//! Hashes of a plan, by which a later edit is told from what was accepted.
//!
//! SHA-256 over an encoding in which no two plans look the same: each text is led by its length, each optional value by a mark.
//! What is stored was hashed so: a change of the encoding needs another domain word.

use sha2::{Digest, Sha256};

use super::{LayerPlan, OnFailure, Plan, TaskPlan};

/// The hash of everything in `plan` that an edit may not change.
pub(super) fn frozen(plan: &Plan) -> [u8; 32] {
    let mut hash = Hash::new("igor.plan.1");
    hash.optional_text(plan.title.as_deref());
    hash.text(&plan.queue);
    hash.number(match plan.on_failure {
        OnFailure::Hold => 0,
        OnFailure::Continue => 1,
    });
    hash.optional_number(plan.deadline_seconds);
    hash.text(&plan.backoff.initial.as_millis().to_string());
    hash.text(&plan.backoff.max.as_millis().to_string());
    for layer in &plan.layers {
        hash.layer(layer);
    }
    hash.end()
}

/// The hash of `tasks`, in their order.
pub(super) fn tasks(tasks: &[TaskPlan]) -> [u8; 32] {
    let mut hash = Hash::new("igor.tasks.1");
    for task in tasks {
        hash.task(task);
    }
    hash.end()
}

struct Hash(Sha256);

impl Hash {
    fn new(domain: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.text(domain);
        hash
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: u32) {
        self.0.update(number.to_be_bytes());
    }

    fn mark(&mut self, present: bool) {
        self.0.update([u8::from(present)]);
    }

    fn optional_text(&mut self, text: Option<&str>) {
        self.mark(text.is_some());
        self.text(text.unwrap_or_default());
    }

    fn optional_number(&mut self, number: Option<u32>) {
        self.mark(number.is_some());
        self.number(number.unwrap_or_default());
    }

    fn layer(&mut self, layer: &LayerPlan) {
        self.text(&layer.name);
        self.optional_text(layer.title.as_deref());
        self.0.update(layer.priority.to_be_bytes());
        self.bytes(&layer.spec_hash);
    }

    fn task(&mut self, task: &TaskPlan) {
        self.text(&task.name);
        self.optional_text(task.title.as_deref());
        self.text(&task.kind);
        self.mark(task.args.is_some());
        self.bytes(task.args.as_deref().unwrap_or_default());
        self.optional_number(task.count);
        self.number(task.max_failures);
        self.optional_number(task.timeout_ms);
        self.mark(task.paused);
    }

    fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
