//! Values that cannot be meant are refused, and the refusal says what to do.

use super::tools::{examples, template};

/// What Helm says of the least values with these settings.
fn refusal(settings: &[&str]) -> String {
    template(&examples()["default"], settings).expect_err("a refusal")
}

#[test]
fn what_is_missing_is_named() {
    for (setting, said) in [
        (r#"image={"repository": ""}"#, "set image.repository: Igor publishes no image yet; `make image` builds one"),
        (r#"postgres={"existingSecret": ""}"#, "set postgres.existingSecret: the name of a secret in the release's namespace"),
        (r#"redis={"existingSecret": ""}"#, "or devStores.enabled, to try Igor out"),
        (r#"api={"enabled": true, "ingress": {"enabled": true}}"#, "set api.ingress.hosts"),
        (r#"api={"enabled": true, "httpRoute": {"enabled": true}}"#, "set api.httpRoute.parentRefs"),
        (r#"watch={"namespaces": ["film"]}"#, "set config.clusterId: with watch.namespaces the operator may not read the uid"),
    ] {
        let refusal = refusal(&[setting]);
        assert!(refusal.contains(said), "{setting}: {refusal}");
    }
}

#[test]
fn what_does_not_go_together_is_named() {
    let stores = r#"devStores={"enabled": true}"#;
    let without = [r#"postgres={"existingSecret": ""}"#, r#"redis={"existingSecret": ""}"#];
    for (settings, said) in [
        (vec![r#"api={"ingress": {"enabled": true, "hosts": ["igor.example.com"]}}"#], "lead to the API: set api.enabled too"),
        (vec![stores], "devStores.enabled brings its own stores"),
        (vec![stores, without[0], without[1], r#"migrations={"mode": "job"}"#], "runs before devStores are there"),
        (vec![r#"metrics={"serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true}}"#], "everything is counted twice"),
        (vec![r#"workers=[{"name": "a"}, {"name": "a"}]"#], "the name \"a\" occurs twice"),
        (
            vec![r#"workers=[{"name": "a", "hpa": {"maxReplicas": 2}, "keda": {"triggers": [{"type": "cron"}]}}]"#],
            "one of the two scales it",
        ),
    ] {
        let refusal = refusal(&settings);
        assert!(refusal.contains(said), "{settings:?}: {refusal}");
    }
}

#[test]
fn a_value_that_there_is_not_is_refused_at_every_depth() {
    for (setting, place) in [
        ("operater={}", "operater"),
        (r#"operator={"replica": 3}"#, "replica"),
        (r#"postgres={"tls": {"sslmode": "require"}}"#, "sslmode"),
        (r#"postgres={"keys": {"pasword": "a"}}"#, "pasword"),
        (r#"redis={"tls": {"mode": "require"}}"#, "mode"),
        (r#"workers=[{"name": "a", "cocurrency": 3}]"#, "cocurrency"),
        (r#"workers=[{"name": "a", "hpa": {"max": 3}}]"#, "max"),
        (r#"config={"clusterID": "a"}"#, "clusterID"),
        (r#"api={"limits": {"atonce": 3}}"#, "atonce"),
        (r#"api={"httpRoute": {"parentRefs": [{"name": "public", "listener": "https"}]}}"#, "listener"),
        (r#"api={"ingress": {"tls": [{"secret": "igor-tls"}]}}"#, "secret"),
        (r#"api={"ingress": {"hosts": ["https://igor.example.com"]}}"#, "hosts"),
        (r#"migrations={"mode": "sometimes"}"#, "mode"),
    ] {
        let refusal = refusal(&[setting]);
        assert!(refusal.contains("schema") && refusal.contains(place), "{setting}: {refusal}");
    }
}

/// An object of the schema that takes any key would let a slip of the pen through.
#[test]
fn the_schema_leaves_no_object_of_ours_open() {
    let schema: serde_json::Value = serde_json::from_str(&super::tools::text("charts/igor/values.schema.json")).expect("JSON");
    let mut open = Vec::new();
    look(&schema, "", &mut open);
    assert_eq!(open, Vec::<String>::new());
}

fn look(schema: &serde_json::Value, path: &str, open: &mut Vec<String>) {
    let ours = schema["properties"].is_object() && schema["type"] == "object" && !path.ends_with("Env[]");
    if ours && schema["additionalProperties"] != false {
        open.push(path.to_owned());
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        look(below, &format!("{path}.{key}"), open);
    }
    if schema["items"].is_object() {
        look(&schema["items"], &format!("{path}[]"), open);
    }
}
