//! The pages for users: every example of theirs is run, in order and in a namespace of its own, and shows what the page says.
//!
//! Blocks of `yaml` whose first line is a comment with a file name become that file; the others have to be objects that the API server
//! takes. In blocks of `console` the lines behind `$ ` are run by a shell. What stands below one is what it prints, with ages, times
//! and ids masked, and with any lines where the page says `…`; where nothing stands below it, it only has to succeed. A block that is
//! marked `later` tells of what is not built yet, and is not run.

mod page;
mod shown;
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use page::{Block, Step};

use crate::served::served;
use crate::support::{from_rig, stores, until};
use crate::world::{Setup, World, world};

/// The languages that blocks may have; `sh` is for what installs, builds, or needs another machine.
const LANGUAGES: [&str; 7] = ["console", "yaml", "sh", "mermaid", "text", "python", "rust"];

/// How long after a command what it brings about may take to be seen. Counters are written every five seconds.
const SEEN: Duration = Duration::from_secs(40);

/// A page and the folder in which its commands run.
struct Reader {
    world: std::sync::Arc<World>,
    page: &'static str,
    folder: PathBuf,
    /// Where the HTTP API is and a token for it, on a page that asks it.
    api: Option<(String, String)>,
}

async fn follow(name: &str, page: &'static str, workers: fn(&World) -> Vec<crate::support::process::Process>) {
    world(name, Setup::default(), |world, _running| async move {
        let _workers = workers(&world);
        let folder = world.folder.join("page");
        Reader { world, page, folder, api: None }.read().await;
    })
    .await;
}

fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Reader {
    /// Does what the page says, from top to bottom.
    async fn read(&self) {
        self.set_up();
        let markdown = std::fs::read_to_string(from_root(self.page)).expect("the page");
        for block in page::blocks(&markdown).into_iter().filter(|block| !block.later) {
            self.block(&block).await;
        }
    }

    /// A folder with the programs that the page calls, and the examples of the repository.
    fn set_up(&self) {
        let bin = self.folder.join("bin");
        std::fs::create_dir_all(&bin).expect("a folder");
        let kubectl = format!(
            "#!/bin/sh\nexec '{}' --cache-dir='{}/kubectl-{}' -n '{}' \"$@\"\n",
            from_rig("IGOR_TEST_KUBECTL"),
            env!("CARGO_TARGET_TMPDIR"),
            std::process::id(),
            self.world.namespace()
        );
        std::fs::write(bin.join("kubectl"), kubectl).expect("a script");
        Command::new("chmod").arg("+x").arg(bin.join("kubectl")).status().expect("chmod runs");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_igor"), bin.join("igor")).expect("a link");
        std::os::unix::fs::symlink(from_root("examples"), self.folder.join("examples")).expect("a link");
    }

    async fn block(&self, block: &Block) {
        let place = format!("{}:{}", self.page, block.line);
        assert!(LANGUAGES.contains(&block.language.as_str()), "{place}: a block of {:?}", block.language);
        match (block.language.as_str(), block.file_name()) {
            (_, Some(name)) => std::fs::write(self.folder.join(name), &block.text).expect("a file"),
            ("yaml", None) => drop(self.world.kubectl(&["apply", "--dry-run=server", "-f", "-"], Some(&block.text)).expect(&place)),
            ("console", _) => {
                for step in block.steps() {
                    self.step(&step, block.moving).await;
                }
            }
            _ => {}
        }
    }

    /// Runs a command. One that only looks is asked again until it shows what the page does.
    async fn step(&self, step: &Step, moving: bool) {
        let place = format!("{}:{}: {}", self.page, step.line, step.command);
        let judge = |(succeeded, came): (bool, String)| {
            let as_shown = if step.shown.is_empty() { succeeded } else { shown::is_shown(&step.shown, &came, moving) };
            if as_shown { Ok(()) } else { Err(came) }
        };
        if only_looks(&step.command) {
            until(&place, SEEN, || async { judge(self.shell(&step.command)) }).await;
        } else if let Err(came) = judge(self.shell(&step.command)) {
            panic!("{place}\nshows\n{}\nand what came is\n{came}", step.shown.join("\n"));
        }
    }

    /// Runs a line in a shell: whether it succeeded, and all that it printed.
    fn shell(&self, line: &str) -> (bool, String) {
        let path = std::env::var("PATH").unwrap_or_default();
        let (api, token) = self.api.clone().unwrap_or_default();
        let output = Command::new("bash")
            .env("IGOR_API", api)
            .env("IGOR_TOKEN", token)
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .env("KUBECONFIG", from_rig("IGOR_TEST_KUBECONFIG"))
            .env("DATABASE_URL", &self.world.database.url)
            .env("REDIS_URL", stores::redis_url())
            .env("IGOR_PREFIX", self.world.namespace())
            .env("IGOR_NAMESPACE", self.world.namespace())
            .output()
            .expect("bash runs");
        // Readers have their own namespace; most are in this one.
        let came = String::from_utf8_lossy(&output.stdout).replace(self.world.namespace(), "default");
        (output.status.success(), came)
    }
}

fn only_looks(command: &str) -> bool {
    const LOOKS: [&str; 8] = [
        "kubectl get",
        "kubectl describe",
        "kubectl events",
        "kubectl explain",
        "igor get",
        "igor why",
        "igor audit",
        "curl -sSK igor.curl \"$IGOR_API",
    ];
    LOOKS.iter().any(|look| command.starts_with(look))
}

fn none(_: &World) -> Vec<crate::support::process::Process> {
    Vec::new()
}

/// The job of an example ends so with workers of the built-in types alone; of the others, only that they are taken is seen here.
const ENDS: [(&str, &str); 3] = [("hello", "Completed"), ("from-configmap", "Completed"), ("failing", "Errored")];

#[tokio::test]
async fn the_examples_run_and_so_does_what_their_comments_tell_to_type() {
    world("docs_examples", Setup::default(), |world, _running| async move {
        let reader = Reader { folder: world.folder.join("page"), world: world.clone(), page: "examples", api: None };
        reader.set_up();
        for entry in std::fs::read_dir(from_root("examples")).expect("examples") {
            let path = entry.expect("a file").path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("an example").replace("  namespace: default\n", "");
            world.apply(&text);
            for line in text.lines().filter_map(|line| line.strip_prefix("#   ")).filter(|line| line.starts_with("kubectl ")) {
                let tried = || async { Some(reader.shell(line)).filter(|(succeeded, _)| *succeeded).ok_or_else(|| reader.shell(line).1) };
                until(line, SEEN, tried).await;
            }
        }
        for (job, phase) in ENDS {
            world.until_phase(job, &[phase]).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_readme_shows_what_people_see() {
    let renders = |world: &World| {
        let script = ["--type", "render", "--type", "join", "--slots", "8", "--exec", "sleep", "0.1"];
        vec![world.worker(&script)]
    };
    follow("docs_readme", "README.md", renders).await;
}

#[tokio::test]
async fn the_page_of_concepts_shows_what_people_see() {
    follow("docs_concepts", "docs/concepts.md", none).await;
}

#[tokio::test]
async fn the_page_of_steering_shows_what_people_see() {
    follow("docs_steering", "docs/steering.md", none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_http_api_shows_what_callers_see() {
    served("docs_http_api", Setup::default(), async |api, _| {
        let folder = api.world.folder.join("page");
        let address = Some((api.url.clone(), api.token.clone()));
        Reader { world: api.world.clone(), page: "docs/http-api.md", folder, api: address }.read().await;
    })
    .await;
}

/// The workers that the page writes, of its own files.
fn of_the_page(world: &World) -> Vec<crate::support::process::Process> {
    let folder = world.folder.join("page");
    std::fs::create_dir_all(&folder).expect("a folder");
    for block in page::blocks(&std::fs::read_to_string(from_root("docs/workers.md")).expect("the page")) {
        if let Some(name) = block.file_name() {
            std::fs::write(folder.join(name), &block.text).expect("a file");
        }
    }
    let script = folder.join("measure.sh");
    Command::new("chmod").arg("+x").arg(&script).status().expect("chmod runs");
    let program = world.worker(&["--type", "measure", "--slots", "4", "--exec", script.to_str().expect("a path")]);
    let mut python = Command::new("python3");
    let package = from_root("clients/python/src");
    python.arg("pictures.py").args(["--slots", "4"]).current_dir(&folder).env("REDIS_URL", stores::redis_url());
    python.env("PYTHONPATH", format!("{}:{}", package.display(), from_rig("IGOR_TEST_PYTHONPATH")));
    python.env("IGOR_PREFIX", world.namespace()).env("IGOR_NAMESPACE", world.namespace());
    vec![program, crate::support::process::Process::start(&world.folder, "pictures", &mut python)]
}

#[tokio::test]
async fn the_workers_of_the_page_run_its_job() {
    follow("docs_workers", "docs/workers.md", of_the_page).await;
}

#[test]
fn the_rust_of_the_page_of_workers_is_that_of_the_example() {
    let example = std::fs::read_to_string(from_root("examples/worker.rs")).expect("the example");
    let page = std::fs::read_to_string(from_root("docs/workers.md")).expect("the page");
    let blocks = page::blocks(&page);
    let rust: Vec<_> = blocks.iter().filter(|block| block.language == "rust").collect();
    assert!(!rust.is_empty() && rust.iter().all(|block| example.contains(&block.text)), "{rust:#?}");
}
