//! What most failed tasks said, when each says it with its own numbers.

use std::collections::BTreeMap;

/// The commonest of some messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commonest {
    /// The first of those that are alike.
    pub text: String,
    /// How many are alike.
    pub times: u32,
    /// How many were looked at.
    pub of: u32,
}

/// The commonest of `messages`, those that differ in numbers only taken for the same; of equally common ones the first.
pub fn commonest<'a>(messages: impl IntoIterator<Item = &'a str>) -> Option<Commonest> {
    let mut groups: BTreeMap<String, (usize, &str, u32)> = BTreeMap::new();
    let mut of = 0;
    for (place, message) in messages.into_iter().enumerate() {
        of += 1;
        groups.entry(shape(message)).or_insert((place, message, 0)).2 += 1;
    }
    let (_, text, times) = groups.into_values().min_by_key(|(place, _, times)| (std::cmp::Reverse(*times), *place))?;
    Some(Commonest { text: text.to_owned(), times, of })
}

/// The message with each run of digits as one `#`.
fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    for letter in message.chars() {
        match letter {
            '0'..='9' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            letter => shape.push(letter),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_numbers_are_counted_together() {
        let said = ["no space left", "frame 7: licence server away", "frame 112: licence server away"];
        let found = Commonest { text: "frame 7: licence server away".to_owned(), times: 2, of: 3 };
        assert_eq!(commonest(said), Some(found));
        assert_eq!(commonest(["b", "a"]).map(|found| found.text), Some("b".to_owned()));
        assert_eq!(commonest([]), None);
    }
}
