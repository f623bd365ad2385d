//! The reference of the three kinds for people, as one page of Markdown: what the definitions say, and nothing beside it.
//!
//! Fields, bounds, defaults, columns and rules are read from the definitions; conditions, annotations and labels from the tables of
//! [`words`].

mod fields;
pub mod words;

use serde_json::Value;

use super::crdgen::{self, Error};
use words::{ANNOTATIONS, CONDITIONS, Condition, LABELS};

const HEAD: &str = "\
<!-- Written by `make generate` from src/crd. Edit the sources, not this page. -->
# Reference of the three kinds

Every field, column, condition and annotation of `IgorJob`, `IgorLayer` and `IgorTask`. The same words come from
`kubectl explain ij.spec`. What they mean together is told in [concepts](concepts.md), how a job is steered in
[steering](steering.md).

In the tables of fields, **Changes** says what an edit of an accepted object may do: *live* fields take effect at once, lists that
*grow* take more entries under the rules of the field, *fixed* fields keep what was accepted: an edit is refused, by the API server
or with `Accepted=False`, and the job runs on.
";

/// The page.
pub fn markdown() -> Result<String, Error> {
    let definitions = crdgen::definitions()?;
    let mut page = vec![HEAD.to_owned()];
    page.extend(definitions.iter().map(|(kind, definition)| section(kind, definition)));
    page.push(format!("## Annotations\n\n{}", ANNOTATIONS.iter().fold(table(&["Annotation", "On", "Value", "What it does"]), add)));
    page.push(format!("## Labels\n\n{}", LABELS.iter().fold(table(&["Label", "On", "What it says"]), add)));
    Ok(page.join("\n"))
}

/// Everything of one kind.
fn section(kind: &str, definition: &Value) -> String {
    let version = &definition["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let parts = [
        format!("## {kind}\n\n{}\n\n{}", text(&schema["description"]), facts(definition)),
        format!("### Fields of {kind}\n\n{}{}", fields::spec(schema), rules(schema)),
        format!("### Status of {kind}\n\nWritten by the operator alone.\n\n{}", fields::status(schema)),
        conditions(kind),
        format!("### Columns of {kind}\n\n{}", columns(version)),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// How it is called, and what else may be done with it.
fn facts(definition: &Value) -> String {
    let (spec, version) = (&definition["spec"], &definition["spec"]["versions"][0]);
    let names = &spec["names"];
    let mut lines = vec![
        format!("- `apiVersion: {}/{}`, `kind: {}`, in a namespace", text(&spec["group"]), text(&version["name"]), text(&names["kind"])),
        format!(
            "- for kubectl: {}; with the others: `{}`",
            list(&[&names["shortNames"][0], &names["plural"]]),
            text(&names["categories"][0])
        ),
    ];
    let selectable: Vec<&Value> = version["selectableFields"].as_array().into_iter().flatten().map(|field| &field["jsonPath"]).collect();
    if !selectable.is_empty() {
        lines.push(format!("- field selectors: {}", list(&selectable)));
    }
    if version["subresources"]["scale"].is_object() {
        let scale = &version["subresources"]["scale"];
        lines.push(format!(
            "- `kubectl scale` sets {} and reads {}",
            list(&[&scale["specReplicasPath"]]),
            list(&[&scale["statusReplicasPath"]])
        ));
    }
    lines.join("\n") + "\n"
}

/// The rules that the API server checks beyond single fields.
fn rules(schema: &Value) -> String {
    let messages = fields::rules(schema);
    if messages.is_empty() {
        return String::new();
    }
    let lines: Vec<String> = messages.iter().map(|message| format!("- {message}\n")).collect();
    format!("\nThe API server also refuses what breaks one of these:\n\n{}", lines.concat())
}

fn conditions(kind: &str) -> String {
    let of_kind: Vec<&Condition> = CONDITIONS.iter().filter(|condition| condition.kind == kind).collect();
    if of_kind.is_empty() {
        return String::new();
    }
    let mut rows = table(&["Condition", "True when", "Reasons when True", "Reasons when False"]);
    for condition in of_kind {
        let reasons = |all: &[&str]| all.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", ");
        rows =
            add(rows, &[&format!("`{}`", condition.type_), condition.means, &reasons(condition.when_true), &reasons(condition.when_false)]);
    }
    format!("### Conditions of {kind}\n\nReasons are API: programs may rely on them.\n\n{rows}")
}

fn columns(version: &Value) -> String {
    let all = version["additionalPrinterColumns"].as_array();
    all.into_iter().flatten().fold(table(&["Column", "From", "Shown", "What it says"]), |rows, column| {
        let shown = if column["priority"].as_i64().unwrap_or(0) > 0 { "with `-o wide`" } else { "always" };
        let (name, path) = (text(&column["name"]).to_uppercase(), format!("`{}`", text(&column["jsonPath"])));
        add(rows, &[&name, &path, shown, text(&column["description"])])
    })
}

/// The head of a table.
fn table(names: &[&str]) -> String {
    format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

/// A table with one more row.
fn add<const WIDTH: usize>(mut rows: String, cells: &[&str; WIDTH]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    rows.extend(["| ", &cells.join(" | "), " |\n"]);
    rows
}

fn list(values: &[&Value]) -> String {
    values.iter().map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_ends_its_column() {
        assert_eq!(add(table(&["A", "B"]), &["x|y", "z"]), "| A | B |\n|---|---|\n| x\\|y | z |\n");
    }

    #[test]
    fn the_page_tells_of_every_kind_and_every_column() {
        let page = markdown().expect("the page");
        for (kind, definition) in crdgen::definitions().expect("the definitions") {
            assert!(page.contains(&format!("\n## {kind}\n")), "{kind}");
            for column in definition["spec"]["versions"][0]["additionalPrinterColumns"].as_array().expect("columns") {
                assert!(page.contains(text(&column["description"])), "{column}");
            }
        }
    }
}
