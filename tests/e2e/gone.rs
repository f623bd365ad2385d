//! Objects that go while nobody looks, and answers that prove nothing.

use std::process::Command;

use crate::support::from_rig;
use crate::world::{Setup, World, world};

const ALONE: Setup = Setup { operators: 0, workers: 1, task_lease: 30.0 };
const RUNNING: &str = "SELECT count(*) FROM igor.tasks WHERE status = 'RUNNING'";
const STOPPED: &str = "SELECT count(*) FROM igor.jobs WHERE deleted_at IS NOT NULL";

fn job(name: &str, kind: &str) -> String {
    format!(
        "{{apiVersion: igor.dev/v1alpha1, kind: IgorJob, metadata: {{name: {name}}}, spec: {{layers: [{{name: a, tasks: [{{type: {kind}, args: '600'}}]}}]}}}}"
    )
}

fn delete(world: &World, names: &[&str]) {
    world.kubectl(&[&["delete", "ij", "--wait=true"], names].concat(), None).expect("deleted");
}

#[tokio::test]
async fn what_was_deleted_while_no_operator_ran_is_stopped_and_nothing_else() {
    world("gone_meanwhile", ALONE, |world, _running| async move {
        let mut operator = world.operator_named("same");
        for name in ["stays", "elsewhere", "goes", "again", "later"] {
            world.apply(&job(name, "sleep"));
        }
        world.until_count(RUNNING, |count| count == 5).await;
        operator.kill();
        // One is of a namespace that this operator does not watch: another one's.
        sqlx::query("UPDATE igor.live_jobs SET namespace = 'elsewhere' WHERE name = 'elsewhere'")
            .execute(&world.database.pool)
            .await
            .expect("moved");
        delete(&world, &["elsewhere", "goes", "again"]);
        world.apply(&job("again", "noop"));
        let _operator = world.operator_named("same");
        let new = world.until_phase("again", &["Completed"]).await;
        world.until_count(STOPPED, |count| count == 2).await;
        // The look that ended those two is over before a later deletion is heard of.
        delete(&world, &["later"]);
        world.until_count(STOPPED, |count| count == 3).await;
        let stopped: Vec<String> = sqlx::query_scalar("SELECT name FROM igor.jobs WHERE deleted_at IS NOT NULL ORDER BY name")
            .fetch_all(&world.database.pool)
            .await
            .expect("names");
        assert_eq!(stopped, ["again", "goes", "later"]);
        let uid = new["metadata"]["uid"].as_str().expect("a uid").to_owned();
        let status: String = sqlx::query_scalar("SELECT status::text FROM igor.jobs WHERE uid = $1")
            .bind(uid)
            .fetch_one(&world.database.pool)
            .await
            .expect("the second of that name");
        assert_eq!(status, "COMPLETED");
        assert_eq!(world.count(RUNNING).await, 2);
    })
    .await;
}

#[tokio::test]
async fn an_operator_that_may_not_look_takes_nothing_for_gone() {
    world("gone_forbidden", ALONE, |world, _running| async move {
        let settings = world.folder.join("settings.yaml");
        std::fs::write(&settings, "clusterId: this\n").expect("settings");
        let narrow = world.folder.join("kubeconfig");
        let admin = std::fs::read_to_string(from_rig("IGOR_TEST_KUBECONFIG")).expect("the test rig's kubeconfig");
        std::fs::write(&narrow, admin.replace("user: {client", "user: {as: narrow, client")).expect("a kubeconfig");
        let adapt = |command: &mut Command| {
            command.env("IGOR_CONFIG", &settings);
        };
        let mut operator = world.operator_adapted("same", |command| {
            adapt(command);
            command
        });
        world.apply(&job("goes", "sleep"));
        world.until_count(RUNNING, |count| count == 1).await;
        operator.kill();
        delete(&world, &["goes"]);
        let allow = |verbs: &str| {
            let role = format!(
                "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: narrow}}
rules:
- {{apiGroups: [igor.dev], resources: ['*'], verbs: [{verbs}]}}
- {{apiGroups: [coordination.k8s.io], resources: [leases], verbs: ['*']}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: narrow}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: narrow}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: narrow}}]
"
            );
            world.apply(&role);
        };
        allow("list, watch, patch");
        let namespace = world.namespace().to_owned();
        let operator = world.operator_adapted("same", |command| {
            adapt(command);
            command.env("KUBECONFIG", &narrow).args(["--lease-namespace", &namespace])
        });
        crate::support::until("it may not look", crate::world::SOON, || {
            let log = operator.printed();
            let refused = log.lines().any(|line| line.contains("end a job whose object is gone") && line.contains("failed"));
            std::future::ready(if refused { Ok(()) } else { Err(log.lines().last().map(str::to_owned)) })
        })
        .await;
        assert_eq!((world.count(STOPPED).await, world.count(RUNNING).await), (0, 1));
        allow("get, list, watch, patch");
        world.until_count(STOPPED, |count| count == 1).await;
    })
    .await;
}
