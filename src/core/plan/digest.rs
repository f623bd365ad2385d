//! Hashes of a plan, by which a later edit is told from what was accepted.
//!
//! SHA-256 over an encoding in which no two plans look the same: each text is led by its length, each optional value by a mark.
//! What is stored was hashed so: a change of the encoding needs another domain word.

use sha2::{Digest, Sha256};

use super::TaskPlan;

/// The hash of `tasks`, in their order.
pub(super) fn tasks(tasks: &[TaskPlan]) -> [u8; 32] {
    let mut hash = Hash::new("igor.tasks.1");
    for task in tasks {
        hash.task(task);
    }
    hash.end()
}

/// The hash of the names of a layer's lists, in their order; `None` when there are none.
pub(super) fn sources(names: &[String]) -> Option<[u8; 32]> {
    let mut hash = Hash::new("igor.sources.1");
    for name in names {
        hash.text(name);
    }
    (!names.is_empty()).then(|| hash.end())
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
