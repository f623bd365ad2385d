//! Growth of accepted jobs: single tasks that are added to a layer.

mod add;
mod there;

pub use add::MAX_ADDED;
