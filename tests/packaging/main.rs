//! The chart and the kustomization: what they render to, what that asks of a cluster, and what they repeat of each other. Helm,
//! kustomize and two outside checkers do the reading; no cluster is needed.

mod bar;
mod checkers;
mod copies;
mod described;
mod image;
mod pages;
mod refused;
mod rendered;
mod tools;
mod watched;
mod workflows;
