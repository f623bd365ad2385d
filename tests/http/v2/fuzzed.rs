//! The API against a program that nobody here wrote, which asks what the document allows and what it does not.

use std::process::Command;

use igor::core::fold::Said;

use super::{array, layer, still, task};

/// Examples for each route. The routes are asked for what they should take and for what they should refuse.
const EXAMPLES: &str = "12";

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
        // Half of what it makes up is of a job that is there.
        let hooks = format!(
            "import random\nimport schemathesis\n\nKNOWN = {{'namespace': {:?}, 'job': 'j', 'uid': {:?}, 'layer': 'a', 'task': 't-3'}}\n\n\n\
             @schemathesis.hook\ndef map_path_parameters(context, path_parameters):\n    \
             if path_parameters and random.random() < 0.7:\n        \
             path_parameters.update({{part: name for part, name in KNOWN.items() if part in path_parameters}})\n    \
             return path_parameters\n",
            object.namespace, object.uid
        );
        std::fs::write(folder.join("hooks.py"), hooks).expect("hooks");
        let output = Command::new("python3")
            .current_dir(&folder)
            .env("PYTHONPATH", format!("{}:{}", schemathesis(), folder.display()))
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .args(["-m", "schemathesis.cli", "run", &format!("{}/api/openapi.json", api.url)])
            .args(["--header", &format!("Authorization: Bearer {}", api.token)])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
            .args(["--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--seed", "1", "--workers", "4", "--no-color"])
            .output()
            .expect("python runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        std::fs::write(folder.join("schemathesis.log"), &said).expect("a log");
        assert!(output.status.success(), "{said}");
    })
    .await;
}
