//! The ledger on a real Postgres: every transaction twice, two callers at once, and the invariants checked by SQL after each test.

#[path = "../support/mod.rs"]
mod support;

mod accept;
mod audit;
mod classes;
mod collect;
mod command;
mod days;
mod dice;
mod dispatch;
mod edges;
mod ends;
mod fence;
mod growth;
mod large;
mod lists;
mod outbox;
mod partitions;
mod pause;
mod renew;
mod selectors;
mod silence;
mod snapshot;
mod stress;
mod table;
mod throughput;
mod why;
mod world;
