//! What every pod and role of the chart keeps to, whatever the values.

use serde_yaml::Value;

use super::tools::{every_example, id, pods, word};

fn each_pod(check: impl Fn(&str, &Value, &Value)) {
    let mut seen = 0;
    for (name, documents) in every_example() {
        for document in &documents {
            let Some(pods) = pods(document) else { continue };
            for container in pods["containers"].as_sequence().expect("containers") {
                seen += 1;
                check(&format!("{name}: {}", id(document)), pods, container);
            }
        }
    }
    assert!(seen > 15, "only {seen} containers were seen");
}

/// The Pod Security Standard, word by word, as the admission plugin reads it.
#[test]
fn every_pod_is_restricted() {
    each_pod(|place, pods, container| {
        let (pod, own) = (&pods["securityContext"], &container["securityContext"]);
        assert_eq!(pod["runAsNonRoot"], true, "{place}");
        assert!(pod["runAsUser"].as_u64().is_some_and(|user| user > 0), "{place}");
        assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault", "{place}");
        assert_eq!(own["allowPrivilegeEscalation"], false, "{place}");
        assert_eq!(own["capabilities"], serde_yaml::from_str::<Value>("drop: [ALL]").expect("YAML"), "{place}");
        for shared in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pods[shared].is_null(), "{place}: {shared}");
        }
        for volume in pods["volumes"].as_sequence().expect("volumes") {
            let kinds = ["configMap", "emptyDir", "projected", "secret"];
            assert!(kinds.iter().any(|kind| !volume[*kind].is_null()), "{place}: {volume:?}");
        }
    });
}

#[test]
fn every_container_says_what_it_needs_and_writes_to_no_image() {
    each_pod(|place, _, container| {
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true, "{place}");
        for key in ["cpu", "memory"] {
            assert!(!container["resources"]["requests"][key].is_null(), "{place}: {key}");
        }
        assert!(!container["resources"]["limits"]["memory"].is_null(), "{place}");
    });
}

/// A server-side apply merges by name: of two alike one would be lost.
#[test]
fn names_within_a_container_are_unique() {
    each_pod(|place, pods, container| {
        for list in [&container["env"], &container["ports"], &pods["volumes"]] {
            let mut names: Vec<&str> = list.as_sequence().into_iter().flatten().map(|item| word(&item["name"])).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{place}: {list:?}");
        }
    });
}

/// A budget of a single pod would hold every drain up.
#[test]
fn only_what_has_a_second_pod_has_a_budget() {
    let mut seen = 0;
    for (name, documents) in every_example() {
        for budget in documents.iter().filter(|document| document["kind"] == "PodDisruptionBudget") {
            seen += 1;
            let chosen = &budget["spec"]["selector"]["matchLabels"];
            let guards = |document: &&Value| document["kind"] == "Deployment" && &document["spec"]["selector"]["matchLabels"] == chosen;
            let guarded = documents.iter().find(guards).unwrap_or_else(|| panic!("{name}: {} guards nothing", id(budget)));
            assert!(guarded["spec"]["replicas"].as_u64() > Some(1), "{name}: {}", id(budget));
        }
    }
    assert!(seen > 5, "only {seen} budgets were seen");
}

/// Nobody else talks to the API server.
#[test]
fn only_operator_api_and_the_test_have_a_token() {
    for (name, documents) in every_example() {
        for document in &documents {
            let Some(pods) = pods(document) else { continue };
            let component = word(&document["metadata"]["labels"]["app.kubernetes.io/component"]);
            let asks = ["api", "operator", "selftest"].contains(&component);
            assert_eq!(pods["automountServiceAccountToken"].is_null(), asks, "{name}: {}", id(document));
        }
    }
}

#[test]
fn no_role_reaches_secrets_or_pods_or_everything() {
    let mut seen = 0;
    for (name, documents) in every_example() {
        for role in documents.iter().filter(|document| !document["rules"].is_null()) {
            for rule in role["rules"].as_sequence().expect("rules") {
                seen += 1;
                let words = ["apiGroups", "resources", "verbs"].map(|key| rule[key].as_sequence().expect("words").clone()).concat();
                let never = ["*", "secrets", "pods", "pods/exec", "customresourcedefinitions", "escalate", "bind", "impersonate"];
                for word in never {
                    assert!(!words.contains(&Value::from(word)), "{name}: {} holds {word}: {words:?}", id(role));
                }
            }
        }
    }
    assert!(seen > 40, "only {seen} rules were seen");
}

#[test]
fn an_operator_of_some_namespaces_has_no_right_outside_of_them() {
    let documents = super::tools::example("namespaced");
    let all: Vec<String> = documents.iter().map(id).collect();
    assert!(!all.iter().any(|id| id.starts_with("ClusterRole")), "{all:?}");
    let mut roles: Vec<&String> = all.iter().filter(|id| id.starts_with("Role/")).collect();
    roles.sort_unstable();
    let expected =
        ["Role/data/igor-operator", "Role/film/igor-operator", "Role/film/igor-selftest", "Role/igor-system/igor-operator-lease"];
    assert_eq!(roles, expected);
}
