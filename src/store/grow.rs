//! Growth of accepted jobs: by an edit of the spec, and by single tasks that are added to a layer.
//!
//! An edit is announced in one transaction and its rows follow in chunks, as those of a new job do. Until its last one is in, a layer is
//! loading: it does not open, hand out or end, nobody may touch its tasks, and what is added to it can be taken back. That happens when
//! the spec changes again and does not go on with it, or when the job is ended.

mod add;
mod announce;
mod changed;
pub(super) mod edit;
mod live;
mod there;

pub use add::MAX_ADDED;
pub(super) use announce::take_back;
