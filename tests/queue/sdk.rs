//! What the Rust SDK promises to handlers, with handlers of our own in this process.
