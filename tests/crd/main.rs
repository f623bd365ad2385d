//! The three kinds: their definitions are what the sources generate, and a real API server takes, refuses, explains and shows objects
//! as it should.

#[path = "../support/mod.rs"]
mod support;

mod explained;
mod generated;
mod refused;
mod shown;
mod taken;
