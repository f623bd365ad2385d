//! The Python package: the promises of its SDK, its types and its form, as its own tools find them.

use std::path::Path;
use std::process::Command;

use crate::rig::redis_url;
use crate::support::from_rig;

/// Runs a module of Python in the package's folder; it has to succeed.
fn run(arguments: &[&str]) {
    let mut command = Command::new("python3");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python"));
    command.env("PYTHONPATH", from_rig("IGOR_TEST_PYTHONPATH")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("IGOR_TEST_REDIS_URL", redis_url()).arg("-m").args(arguments);
    let done = command.output().expect("python3");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "python3 -m {}:\n{}{}", arguments.join(" "), said(&done.stdout), said(&done.stderr));
}

#[test]
fn a_python_worker_keeps_its_promises_to_functions() {
    run(&["pytest", "-q", "-p", "no:cacheprovider", "tests/test_worker.py"]);
}

#[test]
fn the_python_package_is_typed_and_well_formed() {
    run(&["mypy", "--cache-dir=/dev/null"]);
    run(&["ruff", "check", "--no-cache", "src", "tests", "../../examples/python"]);
    run(&["ruff", "format", "--no-cache", "--check", "src", "tests"]);
}
