//! The API against a program that nobody here wrote, which asks what the document allows and what it does not.

use std::process::Command;

use igor::core::fold::Said;

use super::{array, layer, still, task};

/// Examples for each route. The routes are asked for what they should take and for what they should refuse.
const EXAMPLES: &str = "12";

/// How a stream of lines is written.
const HOOKS: &str = r#"
import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return json.dumps(value).encode()
"#;

/// Where schemathesis is; the rig makes it when it is missing.
fn schemathesis() -> String {
    let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/rig/http-tools");
    let found = Command::new(tools).stderr(std::process::Stdio::inherit()).output().expect("rig/http-tools");
    let text = String::from_utf8(found.stdout).expect("text");
    text.lines().find_map(|line| line.strip_prefix("schemathesis=")).expect("schemathesis").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_that_breaks_the_document() {
    still("schemathesis_finds_no_answer_that_breaks_the_document", async |api, hand| {
        let object = hand.accept_object(&api, "j", vec![layer("a", 0, vec![array("t", 20), task("x")]), layer("b", 1, vec![])]).await;
        let tasks = hand.dispatch(&object).await;
        hand.say(&tasks[..5], Said::Errored).await;
        hand.say(&tasks[5..9], Said::Completed).await;
        let folder = api.world.folder.clone();
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("hooks.py"), HOOKS).expect("hooks");
        // What it makes up is about a job that is there; names that are none have a test of their own.
        let known = [("namespace", object.namespace.as_str()), ("job", "j"), ("uid", &object.uid), ("layer", "a"), ("task", "t-3")];
        let known: String = known.map(|(part, name)| format!("\"path.{part}\" = \"{name}\"\n")).concat();
        std::fs::write(folder.join("schemathesis.toml"), format!("[parameters]\n{known}")).expect("settings");
        let output = Command::new("python3")
            .current_dir(&folder)
            .env("PYTHONPATH", format!("{}:{}", schemathesis(), folder.display()))
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .args(["-m", "schemathesis.cli", "run", &format!("{}/api/openapi.json", api.url)])
            .args(["--header", &format!("Authorization: Bearer {}", api.token)])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
            .args([
                "--max-examples",
                EXAMPLES,
                "--phases",
                "examples,coverage,fuzzing",
                "--seed",
                "1",
                "--workers",
                "1",
                "--max-time",
                "60",
                "--no-color",
            ])
            .output()
            .expect("python runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        std::fs::write(folder.join("schemathesis.log"), &said).expect("a log");
        assert!(output.status.success(), "{said}");
        let audit = api.get(&format!("/api/v2/namespaces/{}/jobs/j/commands", object.namespace)).await.ok();
        assert!(!audit["items"].as_array().expect("commands").is_empty(), "what it asked reached the job");
    })
    .await;
}
