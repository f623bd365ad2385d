//! What names look like: of jobs and layers, of queues, of tasks and their types.
//!
//! Rules only; who has to keep them, and what is said when he does not, is `plan`'s.

/// Longest name of a job, a layer, a queue or a task.
pub const MAX_NAME: usize = 63;
/// Longest name of a task type.
pub const MAX_TYPE: usize = 100;
/// Longest title, in characters.
pub const MAX_TITLE: usize = 500;

/// What [`is_label`] asks for, in words.
pub const LABEL_RULE: &str =
    "may hold lower-case letters, digits and -, begins and ends with a letter or digit, and has 1 to 63 characters";
/// What [`is_task_name`] asks for, in words.
pub const TASK_NAME_RULE: &str = "may hold letters, digits, . _ - and has 1 to 63 characters";
/// What [`is_task_type`] asks for, in words.
pub const TASK_TYPE_RULE: &str = "may hold letters, digits, . _ - begins with a letter or digit, and has 1 to 100 characters";
/// What [`is_title`] asks for, in words.
pub const TITLE_RULE: &str = "has at most 500 characters, none of them a control character";

/// Whether `text` is a DNS label: the name of a job, a layer or a queue.
pub fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    (1..=MAX_NAME).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && ends(bytes.first())
        && ends(bytes.last())
}

/// Whether `text` may name a task.
pub fn is_task_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_word)
}

/// Whether `text` may name a task type.
pub fn is_task_type(text: &str) -> bool {
    (1..=MAX_TYPE).contains(&text.len()) && text.bytes().all(is_word) && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// Whether `text` may be a title.
pub fn is_title(text: &str) -> bool {
    text.chars().nth(MAX_TITLE).is_none() && !text.contains(char::is_control)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The name of the task at `ix` of the array `prefix`.
pub fn of_element(prefix: &str, ix: u32) -> String {
    format!("{prefix}-{ix}")
}

/// The array and the index that `name` could be an element of: `frame-17` reads as (`frame`, 17), `frame-017` as nothing.
pub fn as_element(name: &str) -> Option<(&str, u32)> {
    let (prefix, digits) = name.rsplit_once('-')?;
    let canonical = digits == "0" || !digits.starts_with('0');
    if !canonical || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((prefix, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_are_those_of_dns() {
        let longest = "a".repeat(63);
        for good in ["a", "0", "render-2", "a--b", longest.as_str()] {
            assert!(is_label(good), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", "a b", long.as_str()] {
            assert!(!is_label(bad), "{bad}");
        }
    }

    #[test]
    fn task_names_and_types_hold_words() {
        for good in ["a", "frame_0001.exr", "-x", ".5"] {
            assert!(is_task_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", "a\0"] {
            assert!(!is_task_name(bad) && !is_task_type(bad), "{bad}");
        }
        assert!(is_task_name(&"x".repeat(63)) && !is_task_name(&"x".repeat(64)));
        assert!(is_task_type(&"x".repeat(100)) && !is_task_type(&"x".repeat(101)));
        assert!(is_task_type("blender-4.2") && !is_task_type("-x") && !is_task_type(".5"));
    }

    #[test]
    fn titles_are_counted_in_characters_and_hold_no_control() {
        assert!(is_title("") && is_title(&"ä".repeat(500)) && !is_title(&"a".repeat(501)));
        assert!(!is_title("a\0") && !is_title("a\nb"));
    }

    #[test]
    fn only_what_an_array_would_write_reads_as_an_element() {
        let table = [
            ("frame-17", Some(("frame", 17))),
            ("a-b-0", Some(("a-b", 0))),
            ("-3", Some(("", 3))),
            ("frame-017", None),
            ("frame-00", None),
            ("frame-", None),
            ("frame", None),
            ("frame-1a", None),
            ("frame-+1", None),
            ("frame-99999999999", None),
        ];
        for (name, expected) in table {
            assert_eq!(as_element(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn an_element_reads_back(prefix in "[a-z0-9.-]{0,20}", ix: u32) {
            let name = of_element(&prefix, ix);
            prop_assert_eq!(as_element(&name), Some((prefix.as_str(), ix)));
        }
    }
}
