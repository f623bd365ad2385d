//! The grammar by which people say which layers and tasks they mean.
//!
//! `true`, `failed`, or a list with commas of `LAYER`, `LAYER/TASK`, `LAYER/3-9` and `LAYER/17`; on a layer without `LAYER/`. Behind
//! a `LAYER/` the items without a slash belong to that layer. `*` in a name stands for anything.

use super::{Meant, Object};

/// Longest list of items.
const MAX_ITEMS: usize = 1_000;

/// Which tasks of an object a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All that the verb can touch; for retry what is errored.
    All,
    /// What is errored.
    Failed,
    /// What is listed.
    Picks(Vec<Pick>),
}

/// An item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Which layers.
    pub layer: Pattern,
    /// Which of their tasks.
    pub tasks: Tasks,
}

/// Which tasks of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// The layer as a whole.
    Whole,
    /// Those of such a name.
    Names(Pattern),
    /// Those with these numbers; a task that is called like the text comes first.
    Numbers(Numbers),
}

/// Numbers of tasks: their index in an array, else their place in the layer; from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// As it was written.
    pub text: String,
}

/// A name in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// A selector that does not parse, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {item} at character {place}, {text:?}: {what}")]
pub struct Fault {
    /// Which item of the list, from 1.
    pub item: usize,
    /// Its first character, from 1.
    pub place: usize,
    /// As it was written, cut to 100 characters.
    pub text: String,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Pattern {
    /// That of one name.
    pub fn exactly(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The text with its `*`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one name.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// How closely it means what it matches.
    pub fn meant(&self) -> Meant {
        if self.is_exact() { Meant::Named } else { Meant::Matched }
    }

    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        true
    }
}

impl Selector {
    /// Reads a selector as people write it on such an object.
    pub fn parse(text: &str, object: &Object) -> Result<Self, Fault> {
        match text.trim() {
            "true" => return Ok(Self::All),
            "failed" => return Ok(Self::Failed),
            _ => {}
        }
        let mut picks = Vec::new();
        let (mut place, mut layer) = (1, None);
        for (at, raw) in text.split(',').enumerate() {
            let blanks = raw.chars().take_while(|character| character.is_whitespace()).count();
            let item = raw.trim();
            let fault = |what| Fault { item: at + 1, place: place + blanks, text: item.chars().take(100).collect(), what };
            if at >= MAX_ITEMS {
                return Err(fault("a list has at most 1000 items"));
            }
            picks.push(pick(item, object, &mut layer).map_err(fault)?);
            place += raw.chars().count() + 1;
        }
        Ok(Self::Picks(picks))
    }
}

impl std::fmt::Display for Selector {
    /// In the form that reads back on a job: every item with its layer, whole layers first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let picks = match self {
            Self::All => return f.write_str("true"),
            Self::Failed => return f.write_str("failed"),
            Self::Picks(picks) => picks,
        };
        let (whole, single): (Vec<&Pick>, Vec<&Pick>) = picks.iter().partition(|pick| pick.tasks == Tasks::Whole);
        for (at, pick) in whole.into_iter().chain(single).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let layer = pick.layer.as_str();
            match &pick.tasks {
                Tasks::Whole => write!(f, "{comma}{layer}"),
                Tasks::Names(name) => write!(f, "{comma}{layer}/{}", name.as_str()),
                Tasks::Numbers(numbers) => write!(f, "{comma}{layer}/{}", numbers.text),
            }?;
        }
        Ok(())
    }
}

/// Reads one item; `current` is the layer that an item before it named with a slash.
fn pick(item: &str, object: &Object, current: &mut Option<Pattern>) -> Result<Pick, &'static str> {
    match object {
        Object::Task { .. } => Err("of a single task it is true or failed"),
        Object::Layer(_) if item.contains('/') => Err("on a layer its tasks are named without the layer"),
        Object::Layer(layer) => Ok(Pick { layer: Pattern(layer.clone()), tasks: tasks(item)? }),
        Object::Job => match (item.split_once('/'), &current) {
            (Some((layer, rest)), _) => {
                let layer = pattern(layer)?;
                *current = Some(layer.clone());
                Ok(Pick { layer, tasks: tasks(rest)? })
            }
            (None, Some(layer)) => Ok(Pick { layer: layer.clone(), tasks: tasks(item)? }),
            (None, None) => Ok(Pick { layer: pattern(item)?, tasks: Tasks::Whole }),
        },
    }
}

fn tasks(item: &str) -> Result<Tasks, &'static str> {
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let numbers = [first, last].map(|number| number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten());
    Ok(match numbers {
        [Some(first), Some(last)] if first <= last => Tasks::Numbers(Numbers { first, last, text: item.to_owned() }),
        _ => Tasks::Names(pattern(item)?),
    })
}

fn pattern(name: &str) -> Result<Pattern, &'static str> {
    if name.is_empty() {
        return Err("a name is missing");
    }
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'*');
    if name.bytes().all(is_fit) {
        Ok(Pattern(name.to_owned()))
    } else {
        Err("names hold letters, digits, . _ - and * for anything; write true, failed, LAYER, LAYER/TASK or LAYER/3-9")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_job(text: &str) -> Result<Selector, Fault> {
        Selector::parse(text, &Object::Job)
    }

    fn item(layer: &str, tasks: Tasks) -> Pick {
        Pick { layer: Pattern(layer.to_owned()), tasks }
    }

    fn named(name: &str) -> Tasks {
        Tasks::Names(Pattern(name.to_owned()))
    }

    fn numbers(first: u32, last: u32, text: &str) -> Tasks {
        Tasks::Numbers(Numbers { first, last, text: text.to_owned() })
    }

    #[test]
    fn a_job_is_selected_by_layers_and_their_tasks() {
        assert_eq!(on_job("true"), Ok(Selector::All));
        assert_eq!(on_job(" failed "), Ok(Selector::Failed));
        assert_eq!(on_job("fetch,render"), Ok(Selector::Picks(vec![item("fetch", Tasks::Whole), item("render", Tasks::Whole)])));
        assert_eq!(
            on_job("fetch, render/3-9, 17,frame-*,join/all"),
            Ok(Selector::Picks(vec![
                item("fetch", Tasks::Whole),
                item("render", numbers(3, 9, "3-9")),
                item("render", numbers(17, 17, "17")),
                item("render", named("frame-*")),
                item("join", named("all")),
            ]))
        );
        assert_eq!(on_job("*/*"), Ok(Selector::Picks(vec![item("*", named("*"))])));
    }

    #[test]
    fn a_layer_is_selected_by_tasks_alone() {
        let layer = Object::Layer("render".to_owned());
        let selected = Selector::parse("3,frame-3", &layer);
        assert_eq!(selected, Ok(Selector::Picks(vec![item("render", numbers(3, 3, "3")), item("render", named("frame-3"))])));
        let refused = Selector::parse("3,render/4", &layer).expect_err("refused");
        assert_eq!(refused.to_string(), "item 2 at character 3, \"render/4\": on a layer its tasks are named without the layer");
    }

    #[test]
    fn what_is_written_down_reads_back_on_a_job() {
        for text in ["true", "failed", "fetch,render,join/all", "a/3-9,a/frame-*,b/17"] {
            assert_eq!(on_job(text).map(|selector| selector.to_string()).as_deref(), Ok(text));
        }
        let of_layer = Selector::parse("3,frame-*", &Object::Layer("a".to_owned())).expect("read");
        assert_eq!(on_job(&of_layer.to_string()), Ok(of_layer));
        assert_eq!(on_job("a/1,fetch/*").map(|selector| selector.to_string()).as_deref(), Ok("a/1,fetch/*"));
    }

    #[test]
    fn what_reads_as_no_range_is_a_name() {
        assert_eq!(on_job("a/9-3"), Ok(Selector::Picks(vec![item("a", named("9-3"))])));
        assert_eq!(on_job("a/99999999999"), Ok(Selector::Picks(vec![item("a", named("99999999999"))])));
        assert_eq!(on_job("a/-3"), Ok(Selector::Picks(vec![item("a", named("-3"))])));
    }

    #[test]
    fn a_fault_says_where_it_is() {
        let said = |text: &str| on_job(text).expect_err("refused").to_string();
        assert_eq!(said(""), "item 1 at character 1, \"\": a name is missing");
        assert_eq!(said("fetch,, join"), "item 2 at character 7, \"\": a name is missing");
        assert_eq!(
            said("a/b/c"),
            "item 1 at character 1, \"a/b/c\": names hold letters, digits, . _ - and * for anything; write true, failed, LAYER, LAYER/TASK or LAYER/3-9"
        );
        assert_eq!(said("fetch,  ren der").split(':').next(), Some("item 2 at character 9, \"ren der\""));
        assert_eq!(said(&"a,".repeat(1_000)).split(':').next(), Some("item 1001 at character 2001, \"\""));
        let task = Object::Task { layer: "a".to_owned(), task: "t".to_owned() };
        let refused = Selector::parse("t", &task).expect_err("refused");
        assert_eq!(refused.to_string(), "item 1 at character 1, \"t\": of a single task it is true or failed");
    }

    #[test]
    fn stars_stand_for_anything() {
        let is_meant = |pattern: &str, name: &str| Pattern(pattern.to_owned()).matches(name);
        for (pattern, name) in
            [("*", ""), ("*", "a"), ("a*", "abc"), ("*c", "abc"), ("a*c", "ac"), ("a*b*c", "aXbYc"), ("abc", "abc"), ("*b*", "abc")]
        {
            assert!(is_meant(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a*", "ba"), ("a*c", "abcd"), ("abc", "abcd"), ("a*a", "a"), ("a*b*c", "acb")] {
            assert!(!is_meant(pattern, name), "{pattern} {name}");
        }
    }
}
