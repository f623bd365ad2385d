//! The pure core: what a plan is, what may happen to it, and why it waits.
//!
//! No async, clock, randomness, logging, Kubernetes or SQL here: time and random bits are arguments, collections are ordered, and
//! the same input gives the same answer. Everything else in this crate asks these functions and does what they say.

pub mod advance;
pub mod command;
pub mod end;
pub mod fold;
pub mod id;
pub mod job;
pub mod name;
pub mod plan;
pub mod retry;
pub mod slug;
pub mod status;
pub mod wait;
pub mod words;
