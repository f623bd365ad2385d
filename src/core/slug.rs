//! Names made of what people call things, where a name has to keep the rules of `name`.

use std::collections::BTreeSet;

use super::name::MAX_NAME;

/// A label that reads like `text`: lower-case letters and digits, everything else one `-`. Empty when nothing is left.
pub fn slug(text: &str, longest: usize) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= longest {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// A label for each text, all different: its slug, or `stem` where there is none; where that is taken, a number behind it.
pub fn labels<'a>(texts: impl Iterator<Item = &'a str>, stem: &str) -> Vec<String> {
    /// For the place and a hyphen.
    const ROOM: usize = 8;
    let mut taken = BTreeSet::new();
    let texts: Vec<&str> = texts.collect();
    let label = |(place, text): (usize, &&str)| {
        let plain = slug(text, MAX_NAME - ROOM);
        let base = if plain.is_empty() { stem } else { &plain };
        let first = (!plain.is_empty()).then(|| plain.clone());
        let numbered = (place..).map(|number| format!("{base}-{number}"));
        let label = first.into_iter().chain(numbered).find(|label| !taken.contains(label)).unwrap_or_default();
        taken.insert(label.clone());
        label
    };
    texts.iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::name::is_label;

    #[test]
    fn a_slug_keeps_letters_and_digits() {
        assert_eq!(slug("Nightly render, 24 Nov!", 63), "nightly-render-24-nov");
        assert_eq!(slug("--Ärger--", 63), "rger");
        assert_eq!(slug("", 63), "");
        assert_eq!(slug("abcdef", 3), "abc");
    }

    #[test]
    fn labels_tell_equal_texts_apart() {
        assert_eq!(
            labels(["Render", "render", "", "…", "render-1"].into_iter(), "layer"),
            ["render", "render-1", "layer-2", "layer-3", "render-1-4"]
        );
    }

    proptest! {
        #[test]
        fn whatever_the_texts_there_is_a_label_for_each(texts in prop::collection::vec("\\PC{0,80}|[a-b]-?[0-3]?", 0..20)) {
            let labels = labels(texts.iter().map(String::as_str), "layer");
            prop_assert!(labels.iter().all(|label| is_label(label)));
            prop_assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), texts.len());
        }
    }
}
