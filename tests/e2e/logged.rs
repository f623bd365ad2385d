//! Logs: a level that changes while the program runs, and errors told with all their causes.

use serde_json::Value;

use crate::support::{unique, until};
use crate::world::{SOON, Setup, World, world};

const JOB: &str = "
apiVersion: igor.dev/v1alpha1
kind: IgorJob
metadata: {name: NAME}
spec:
  layers: [{name: a, tasks: [{name: x, type: noop}]}]
";

async fn done(world: &World, name: &str) {
    world.apply(&JOB.replace("NAME", name));
    world.until_phase(name, &["Completed"]).await;
}

#[tokio::test]
async fn the_level_of_the_log_is_what_its_file_says_now() {
    world("logged_level", Setup { operators: 0, ..Setup::default() }, |world, _running| async move {
        let level = world.folder.join("level");
        let say = |text: &str| std::fs::write(&level, text).expect("written");
        say("info\n");
        let operator = world.operator_adapted(&unique("operator"), |command| command.env("IGOR_LOG_FROM", &level));
        let said = |text: String| {
            let operator = &operator;
            async move {
                until(&format!("the log says {text}"), SOON, || async {
                    let printed = operator.printed();
                    if printed.contains(&text) { Ok(()) } else { Err(printed) }
                })
                .await;
            }
        };
        let details = || operator.printed().lines().filter(|line| line.contains("wrote status")).count();
        done(&world, "quiet").await;
        assert_eq!(details(), 0, "{}", operator.printed());
        say("info,igor=debug");
        said("level=info,igor=debug was=info".to_owned()).await;
        done(&world, "told").await;
        said("wrote status job=told".to_owned()).await;
        say("igor=loud");
        said("the level of the log stays error=\"igor=loud\" is not a level of the log".to_owned()).await;
        let before = details();
        done(&world, "still-told").await;
        said("wrote status job=still-told".to_owned()).await;
        assert!(details() > before);
        say("warn");
        said("the level of the log changes level=warn".to_owned()).await;
    })
    .await;
}

#[tokio::test]
async fn an_error_in_json_names_its_causes() {
    world("logged_causes", Setup { operators: 0, workers: 0, ..Setup::default() }, |world, _running| async move {
        let operator = world.operator_adapted(&unique("operator"), |command| {
            command.env("IGOR_LOG_FORMAT", "json").env("DATABASE_URL", "postgres://nobody:secret-word@127.0.0.1:1/none")
        });
        let line: Value = until("it says that the ledger is away", SOON, || async {
            let printed = operator.printed();
            let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["fields"]["message"] == "not ready yet").ok_or(printed)
        })
        .await;
        let error = line["fields"]["error"].as_str().expect("an error");
        assert!(error.starts_with("cannot connect to the ledger: ") && error.contains("refused"), "{error}");
        assert!(!operator.printed().contains("secret-word"));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_level_is_refused_at_once() {
    world("logged_refused", Setup { operators: 0, workers: 0, ..Setup::default() }, |world, _running| async move {
        let level = world.folder.join("level");
        let refused = |args: &[&str]| world.by_hand(&[&["worker"], args].concat()).expect_err("refused");
        let said = refused(&["--log", "igor=loud"]);
        assert!(said.starts_with("igor: \"igor=loud\" is not a level of the log, nor target=level,…: "), "{said}");
        assert_eq!(said.matches("expected one of").count(), 1, "{said}");
        let path = level.to_str().expect("a path");
        let expected = format!("igor: cannot read the level of the log from {path}: No such file or directory (os error 2)\n");
        assert_eq!(refused(&["--log-from", path]), expected);
    })
    .await;
}
