use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::core::name;

fn task(name: &str) -> TaskSpec {
    TaskSpec { name: Some(name.to_owned()), kind: Some("render".to_owned()), ..TaskSpec::default() }
}

fn array(name: &str, count: i64) -> TaskSpec {
    TaskSpec { count: Some(count), ..task(name) }
}

fn layer(name: &str, tasks: Vec<TaskSpec>) -> LayerSpec {
    let placed = |(index, task)| TaskSpec { place: Place::Listed(u32::try_from(index).expect("few")), ..task };
    LayerSpec { name: name.to_owned(), tasks: tasks.into_iter().enumerate().map(placed).collect(), ..LayerSpec::default() }
}

fn job(layers: Vec<LayerSpec>) -> JobSpec {
    JobSpec { queue: "default".to_owned(), layers, ..JobSpec::default() }
}

fn one(task: TaskSpec) -> JobSpec {
    job(vec![layer("a", vec![task])])
}

fn faults(spec: JobSpec) -> Vec<String> {
    Plan::resolve(spec).expect_err("faults").iter().map(|fault| format!("{} {fault}", fault.reason.as_str())).collect()
}

#[test]
fn a_spec_resolves_with_every_default_filled_in() {
    let spec = JobSpec {
        title: Some("Nightly render".to_owned()),
        priority: -5,
        max_in_flight: Some(1000),
        on_failure: OnFailure::Continue,
        active_deadline_seconds: Some(86_400),
        defaults: Defaults {
            kind: Some("render".to_owned()),
            retries: Some(3),
            timeout_seconds: Some(600),
            backoff: BackoffSpec { initial_seconds: Some(5), max_seconds: Some(50) },
        },
        ..job(vec![
            layer(
                "fetch",
                vec![
                    TaskSpec {
                        kind: Some("fetch".to_owned()),
                        args: Some("s3://plates".to_owned()),
                        retries: Some(0),
                        ..TaskSpec::default()
                    },
                    TaskSpec {
                        name: Some("frame".to_owned()),
                        count: Some(50_000),
                        payload: Some("{\"a\":1}".to_owned()),
                        ..TaskSpec::default()
                    },
                    TaskSpec { args_base64: Some("AAH/".to_owned()), timeout_seconds: Some(7), paused: true, ..TaskSpec::default() },
                ],
            ),
            LayerSpec { title: Some(String::new()), priority: 10, paused: true, max_in_flight: Some(0), ..layer("join", vec![]) },
        ])
    };
    let plan = Plan::resolve(spec).expect("a plan");
    let base = TaskPlan {
        name: "t0".to_owned(),
        title: None,
        kind: "fetch".to_owned(),
        args: Some(b"s3://plates".to_vec()),
        count: None,
        max_failures: 1,
        timeout_ms: Some(600_000),
        paused: false,
    };
    let render = TaskPlan { kind: "render".to_owned(), max_failures: 4, ..base.clone() };
    let tasks = vec![
        base,
        TaskPlan { name: "frame".to_owned(), args: Some(b"{\"a\":1}".to_vec()), count: Some(50_000), ..render.clone() },
        TaskPlan { name: "t50001".to_owned(), args: Some(vec![0, 1, 255]), timeout_ms: Some(7_000), paused: true, ..render },
    ];
    let expected = Plan {
        title: Some("Nightly render".to_owned()),
        queue: "default".to_owned(),
        priority: -5,
        max_in_flight: Some(1000),
        on_failure: OnFailure::Continue,
        deadline_seconds: Some(86_400),
        paused: false,
        backoff: Backoff { initial: Duration::from_secs(5), max: Duration::from_secs(50) },
        layers: vec![
            LayerPlan {
                name: "fetch".to_owned(),
                title: None,
                priority: 0,
                paused: false,
                max_in_flight: None,
                inline: 3,
                spec_hash: digest::tasks(&tasks),
                sources_hash: None,
                tasks,
            },
            LayerPlan {
                name: "join".to_owned(),
                title: None,
                priority: 10,
                paused: true,
                max_in_flight: Some(0),
                tasks: vec![],
                inline: 0,
                spec_hash: digest::tasks(&[]),
                sources_hash: None,
            },
        ],
    };
    assert_eq!(plan, expected);
    assert_eq!((plan.total(), plan.layers[0].expected(), plan.layers[1].expected()), (50_002, 50_002, 0));
}

#[test]
fn each_rule_has_its_words() {
    let long = "x".repeat(63);
    let table: Vec<(JobSpec, &str)> = vec![
        (job(vec![]), "InvalidSpec layers: a job has at least one layer"),
        (
            JobSpec { queue: "De fault".to_owned(), ..one(task("a")) },
            "InvalidSpec queue: \"De fault\" may hold lower-case letters, digits and -, begins and ends with a letter or digit, and has 1 to 63 characters",
        ),
        (JobSpec { priority: 101, ..one(task("a")) }, "InvalidSpec priority: must lie from -100 to 100"),
        (JobSpec { max_in_flight: Some(-1), ..one(task("a")) }, "InvalidSpec maxInFlight: must lie from 0 to 2147483647"),
        (
            JobSpec { active_deadline_seconds: Some(0), ..one(task("a")) },
            "InvalidSpec activeDeadlineSeconds: must lie from 1 to 2147483647",
        ),
        (
            JobSpec { title: Some("a\0".to_owned()), ..one(task("a")) },
            "InvalidSpec title: has at most 500 characters, none of them a control character",
        ),
        (
            JobSpec { defaults: Defaults { kind: Some("a b".to_owned()), ..Defaults::default() }, ..one(task("a")) },
            "InvalidSpec defaults.type: \"a b\" may hold letters, digits, . _ - begins with a letter or digit, and has 1 to 100 characters",
        ),
        (
            JobSpec {
                defaults: Defaults { backoff: BackoffSpec { initial_seconds: Some(9), max_seconds: Some(8) }, ..Defaults::default() },
                ..one(task("a"))
            },
            "InvalidSpec defaults.backoff.maxSeconds: must not be less than initialSeconds",
        ),
        (job(vec![layer("a", vec![]), layer("a", vec![])]), "InvalidSpec layers[1].name: is the name of layers[0] too"),
        (
            job(vec![LayerSpec { priority: 1 << 40, ..layer("a", vec![]) }]),
            "InvalidSpec layers[0].priority: must lie from -2147483648 to 2147483647",
        ),
        (
            one(task("ren der")),
            "InvalidSpec layers[0].tasks[0].name: \"ren der\" may hold letters, digits, . _ - and has 1 to 63 characters",
        ),
        (
            one(array(&long, 2)),
            "InvalidSpec layers[0].tasks[0].name: is too long: its elements' names have an index and at most 63 characters",
        ),
        (one(TaskSpec { kind: None, ..task("a") }), "InvalidSpec layers[0].tasks[0].type: is missing, here and in defaults.type"),
        (
            one(TaskSpec { title: Some("x".repeat(501)), ..task("a") }),
            "InvalidSpec layers[0].tasks[0].title: has at most 500 characters, none of them a control character",
        ),
        (one(array("a", 0)), "InvalidSpec layers[0].tasks[0].count: must lie from 1 to 1000000"),
        (one(TaskSpec { retries: Some(101), ..task("a") }), "InvalidSpec layers[0].tasks[0].retries: must lie from 0 to 100"),
        (
            one(TaskSpec { timeout_seconds: Some(0), ..task("a") }),
            "InvalidSpec layers[0].tasks[0].timeoutSeconds: must lie from 1 to 2000000",
        ),
        (
            one(TaskSpec { args_base64: Some("?".to_owned()), ..task("a") }),
            "InvalidSpec layers[0].tasks[0].argsBase64: is not base64 (RFC 4648, with padding)",
        ),
        (
            one(TaskSpec { args: Some("ä".repeat(5001)), ..task("a") }),
            "InvalidSpec layers[0].tasks[0].args: has 10002 bytes, at most 10000",
        ),
        (
            one(TaskSpec { args: Some(String::new()), args_base64: Some(String::new()), payload: Some("{}".to_owned()), ..task("a") }),
            "InvalidSpec layers[0].tasks[0].args: comes with argsBase64 and payload: one of args, argsBase64 and payload",
        ),
        (
            job(vec![layer("a", vec![task("a"), task("b"), task("a")])]),
            "DuplicateTaskName layers[0].tasks[2].name: a collides with tasks[0], a",
        ),
        (
            job(vec![layer("a", vec![task("frame-3"), array("frame", 4)])]),
            "DuplicateTaskName layers[0].tasks[1].name: frame-0 … frame-3 collides with tasks[0], frame-3",
        ),
        (
            job(vec![layer("a", vec![array("b", 4), array("b", 9)])]),
            "DuplicateTaskName layers[0].tasks[1].name: b-0 … b-8 collides with tasks[0], b-0 … b-3",
        ),
        (
            job(vec![layer("a", vec![TaskSpec { name: None, ..task("") }, task("t0")])]),
            "DuplicateTaskName layers[0].tasks[1].name: t0 collides with tasks[0], t0",
        ),
        (
            job(vec![layer("a", vec![array("x", 600_000)]), layer("b", vec![array("x", 400_001)])]),
            "TooLarge layers: have 1000001 tasks, arrays counted by their elements; at most 1000000",
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(faults(spec), [expected]);
    }
}

#[test]
fn too_many_layers_are_too_large() {
    let layers = |count: usize| (0..count).map(|at| layer(&format!("l{at}"), vec![])).collect();
    assert_eq!(faults(job(layers(257))), ["TooLarge layers: has 257 layers, at most 256"]);
    assert_eq!(Plan::resolve(job(layers(256))).map(|plan| plan.layers.len()), Ok(256));
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_spec() {
    let spec = JobSpec {
        priority: 200,
        ..job(vec![
            layer("a", vec![TaskSpec { retries: Some(-1), ..task("b c") }]),
            layer("b", vec![task("x"), TaskSpec { kind: Some("-".to_owned()), ..task("x") }]),
        ])
    };
    let paths: Vec<String> = Plan::resolve(spec).expect_err("faults").into_iter().map(|fault| fault.path).collect();
    assert_eq!(
        paths,
        ["priority", "layers[0].tasks[0].retries", "layers[0].tasks[0].name", "layers[1].tasks[1].type", "layers[1].tasks[1].name"]
    );
}

#[test]
fn what_stands_in_a_file_is_named_by_its_line_and_never_shown() {
    let at = |line, task| TaskSpec { place: Place::Line { source: 1, line }, ..task };
    let mut secret = layer("a", vec![]);
    secret.tasks = vec![at(3, task("pass word")), at(5, TaskSpec { kind: Some("-hunter2".to_owned()), ..task("a") }), at(9, task("a"))];
    let said = faults(job(vec![secret]));
    assert_eq!(
        said,
        [
            "InvalidSpec layers[0].tasksFrom[1].line 3.name: may hold letters, digits, . _ - and has 1 to 63 characters",
            "InvalidSpec layers[0].tasksFrom[1].line 5.type: may hold letters, digits, . _ - begins with a letter or digit, and has 1 to 100 characters",
            "DuplicateTaskName layers[0].tasksFrom[1].line 9.name: collides with the name of tasksFrom[1].line 5",
        ]
    );
}

#[test]
fn one_bound_of_the_backoff_moves_the_default_of_the_other() {
    let backoff = |initial_seconds, max_seconds| {
        let defaults = Defaults { backoff: BackoffSpec { initial_seconds, max_seconds }, ..Defaults::default() };
        let plan = Plan::resolve(JobSpec { defaults, ..one(task("a")) }).expect("a plan");
        (plan.backoff.initial.as_secs(), plan.backoff.max.as_secs())
    };
    assert_eq!(backoff(None, None), (10, 3600));
    assert_eq!(backoff(Some(7200), None), (7200, 7200));
    assert_eq!(backoff(None, Some(2)), (2, 2));
    assert_eq!(backoff(Some(0), Some(0)), (0, 0));
}

#[test]
fn a_hash_does_not_confuse_neighbours() {
    let hash = |tasks: Vec<TaskSpec>| Plan::resolve(job(vec![layer("a", tasks)])).expect("a plan").layers[0].spec_hash;
    let args = |args: Option<&str>| TaskSpec { args: args.map(str::to_owned), ..task("a") };
    let all = [
        vec![],
        vec![task("ab")],
        vec![task("a"), task("b")],
        vec![args(Some(""))],
        vec![args(None)],
        vec![array("a", 1)],
        vec![TaskSpec { paused: true, ..task("a") }],
        vec![TaskSpec { title: Some("t".to_owned()), ..task("a") }],
    ];
    let count = all.len();
    assert_eq!(all.into_iter().map(hash).collect::<BTreeSet<_>>().len(), count);
}

#[test]
fn the_stored_hash_of_a_task_never_changes() {
    let plan = Plan::resolve(one(array("frame", 3))).expect("a plan");
    let hash = plan.layers[0].spec_hash;
    let hex =
        format!("{:032x}{:032x}", u128::from_be_bytes(hash[..16].try_into().unwrap()), u128::from_be_bytes(hash[16..].try_into().unwrap()));
    insta::assert_snapshot!(hex, @"3c7d0a1789fa40f44c290dbf76f1fdc6cd9c6ff2e8736fa7d38c94ba1b950620");
}

#[test]
fn a_million_tasks_are_resolved_without_unfolding_and_many_faults_are_cut() {
    let plan = Plan::resolve(one(array("frame", 1_000_000))).expect("a plan");
    assert_eq!((plan.total(), plan.layers[0].tasks.len()), (1_000_000, 1));
    let bad = (0..100_000).map(|at| TaskSpec { kind: None, ..task(&format!("n{at}")) }).collect();
    assert_eq!(faults(job(vec![layer("a", bad)])).len(), MAX_FAULTS);
}

fn some_task() -> impl Strategy<Value = TaskSpec> {
    let name = proptest::option::of(prop_oneof![Just("a"), Just("a-1"), Just("a-1-0"), Just("b"), Just("t0"), Just("t2"), Just("a-01")]);
    (name, proptest::option::of(1..4i64)).prop_map(|(name, count)| TaskSpec { name: name.map(str::to_owned), count, ..task("") })
}

fn near(limit: i64) -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(prop_oneof![0..3i64, limit - 1..limit + 2, any::<i64>()])
}

proptest! {
    #[test]
    fn names_collide_exactly_when_the_unfolded_ones_do(specs in proptest::collection::vec(some_task(), 0..7)) {
        let mut ordinal = 0;
        let mut unfolded = Vec::new();
        for spec in &specs {
            let own = spec.name.clone().unwrap_or_else(|| format!("t{ordinal}"));
            match spec.count {
                None => unfolded.push(own),
                Some(count) => unfolded.extend((0..u32::try_from(count).expect("small")).map(|ix| name::of_element(&own, ix))),
            }
            ordinal = unfolded.len();
        }
        let distinct = unfolded.iter().collect::<BTreeSet<_>>().len();
        match Plan::resolve(job(vec![layer("a", specs)])) {
            Ok(plan) => {
                prop_assert_eq!(distinct, unfolded.len());
                prop_assert_eq!(plan.total() as usize, unfolded.len());
            }
            Err(faults) => {
                prop_assert!(faults.iter().all(|fault| fault.reason == Reason::DuplicateTaskName));
                prop_assert!(distinct < unfolded.len());
            }
        }
    }

    #[test]
    fn an_appended_list_has_the_hash_of_its_beginning(count in 0..6usize, more in 0..6usize) {
        let names = |count: usize| (0..count).map(|at| task(&format!("n{at}"))).collect();
        let before = Plan::resolve(job(vec![layer("a", names(count))])).expect("a plan").layers.remove(0);
        let after = Plan::resolve(job(vec![layer("a", names(count + more))])).expect("a plan").layers.remove(0);
        prop_assert_eq!(after.hash_of_first(count), before.spec_hash);
        prop_assert_eq!(after.spec_hash == before.spec_hash, more == 0);
    }

    #[test]
    fn anything_gives_a_plan_within_its_bounds_or_faults(
        priority in -110..110i64, count in near(MAX_TASKS.into()), retries in near(MAX_RETRIES), timeout in near(MAX_TIMEOUT_SECONDS),
        text in "[a-z._-]{1,64}", args in ".{0,8}", queue in "[a-z-]{1,3}",
    ) {
        let task = TaskSpec {
            name: Some(text.clone()), kind: Some(text.clone()), title: Some(text.clone()), args_base64: Some(args), count, retries,
            timeout_seconds: timeout, ..TaskSpec::default()
        };
        let spec = JobSpec { queue, priority, ..one(task) };
        if let Ok(plan) = Plan::resolve(spec) {
            let task = &plan.layers[0].tasks[0];
            prop_assert!(plan.priority.abs() <= 100 && task.max_failures <= 101 && task.rows() <= MAX_TASKS);
            prop_assert!(name::is_task_name(&task.name) && name::is_task_type(&task.kind));
        }
    }
}
