//! What cannot be done as it is written, what matches nothing, and what has to wait.

use super::{acknowledged, job, told};
use crate::steer::{annotate, object, steer, until_handled, until_object, until_told};
use crate::world::{Setup, world};

const HELD: &str = "  - {name: fetch, tasks: [{name: plate, type: fail}]}
  - {name: render, priority: 1, tasks: [{name: frame, count: 4}]}";

#[tokio::test]
async fn what_does_not_parse_or_fit_is_told_with_its_place_and_removed() {
    world("commands_refused", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0", HELD));
        world.until_phase("film", &["Errored"]).await;
        steer(&world, "ij", "film", &["igor/skip=true", "igor/kill=render/1,,2", "igor/reason=in a hurry"]).await;
        until_told(&world, ("IgorJob", "film"), ("Warning", "CommandRefused"), "igor/skip: a job is not skipped as a whole").await;
        until_told(&world, ("IgorJob", "film"), ("Warning", "CommandRefused"), "igor/kill: item 2 at character 10").await;
        steer(&world, "il", "film.render", &["igor/kill=render/3-1"]).await;
        until_told(&world, ("IgorLayer", "film.render"), ("Warning", "CommandRefused"), "igor/kill: item 1").await;
        steer(&world, "it", "film.fetch.plate", &["igor/pause-tasks=true"]).await;
        until_told(&world, ("IgorTask", "film.fetch.plate"), ("Warning", "CommandRefused"), "a task is paused by igor/pause=true").await;
        assert_eq!(world.count("SELECT count(*) FROM igor.commands").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_fault_in_what_is_the_users_to_keep_is_told_once_and_left() {
    world("commands_refused_own", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0", HELD));
        world.until_phase("film", &["Errored"]).await;
        annotate(&world, "ij", "film", &["igor/kill=render/#friday"]).await;
        until_told(&world, ("IgorJob", "film"), ("Warning", "CommandRefused"), "igor/kill").await;
        // Another command afterwards shows that the job was looked at again.
        steer(&world, "ij", "film", &["igor/retry=fetch/nobody"]).await;
        until_told(&world, ("IgorJob", "film"), ("Normal", "CommandHandled"), "0 tasks").await;
        assert_eq!(object(&world, "ij", "film").expect("the job")["metadata"]["annotations"]["igor/kill"], "render/#friday");
        assert_eq!(told(&world, "IgorJob", "film").iter().filter(|told| told.contains("igor/kill")).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_matches_nothing_is_handled_and_says_so() {
    world("commands_nothing", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0", HELD));
        world.until_phase("film", &["Errored"]).await;
        steer(&world, "il", "film.render", &["igor/kill=ghost"]).await;
        until_told(&world, ("IgorLayer", "film.render"), ("Normal", "CommandHandled"), "0 tasks").await;
        assert!(acknowledged(&world, "il", "film.render", "kill").is_some());
    })
    .await;
}

#[tokio::test]
async fn odd_levels_of_layers_and_tasks_are_told_and_left_alone() {
    world("commands_odd", Setup::default(), |world, _running| async move {
        world.apply(&job("film", "priority: 0", HELD));
        for (kind, name, called) in [("il", "film.render", "IgorLayer"), ("it", "film.fetch.plate", "IgorTask")] {
            annotate(&world, kind, name, &["igor/pause=perhaps"]).await;
            until_told(&world, (called, name), ("Warning", "UnknownLevel"), "perhaps").await;
            assert_eq!(object(&world, kind, name).expect("it is there")["metadata"]["annotations"]["igor/pause"], "perhaps");
        }
        assert_eq!(world.count("SELECT count(*) FROM igor.layers WHERE paused_at IS NOT NULL").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_command_waits_until_its_tasks_are_loaded() {
    world("commands_loading", Setup { workers: 0, ..Setup::default() }, |world, _running| async move {
        let film = job("film", "priority: 0", "  - {name: render, tasks: [{name: frame, count: 300000}]}");
        world.apply(&film.replace("{name: film}", "{name: film, annotations: {igor/skip: render/7}}"));
        until_told(&world, ("IgorJob", "film"), ("Normal", "CommandWaits"), "skip").await;
        let waiting = object(&world, "ij", "film").expect("the job");
        assert!(waiting["metadata"]["annotations"]["igor/skip"].as_str().is_some_and(|value| value.starts_with("render/7")), "{waiting}");
        assert!(waiting["status"]["lastHandled"]["skip"].is_null(), "{waiting}");
        until_object(&world, "ij", "film", "is acknowledged", |job| job["status"]["lastHandled"]["skip"].is_string()).await;
        assert_eq!(world.count("SELECT count(*) FROM igor.tasks WHERE status = 'SKIPPED'").await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_kill_ends_a_job_that_is_still_being_loaded() {
    world("commands_loading_kill", Setup { workers: 0, ..Setup::default() }, |world, _running| async move {
        let film = job("film", "priority: 0", "  - {name: render, tasks: [{name: frame, count: 500000}]}");
        world.apply(&film.replace("{name: film}", "{name: film, annotations: {igor/kill: 'true'}}"));
        world.until_phase("film", &["Errored"]).await;
        until_handled(&world, "ij", "film").await;
        assert!(world.count("SELECT n_loaded::int8 FROM igor.layers").await < 500_000, "it ended before all of it was loaded");
        steer(&world, "ij", "film", &["igor/retry=true"]).await;
        until_told(&world, ("IgorJob", "film"), ("Warning", "CommandRefused"), "ended before it was loaded").await;
    })
    .await;
}
