//! The known name that a mistyped one was most likely meant to be.

/// The nearest of `known` to `name`, if one is near: a third of the letters may differ, and one in any case. Of equally near ones the
/// first.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = name.chars().count();
    let distance = |other: &str| strsim::osa_distance(&name.to_lowercase(), &other.to_lowercase());
    let near = known.into_iter().filter(|other| *other != name).map(|other| (distance(other), other));
    near.filter(|(distance, _)| *distance <= (letters / 3).max(1)).min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_another_word_is_not() {
        let known = ["encode", "render", "noop"];
        let found = |name| nearest(name, known);
        assert_eq!([found("rendr"), found("redner"), found("Render"), found("nop")], ["render", "render", "render", "noop"].map(Some));
        assert_eq!([found("publish"), found("a"), found("render"), found("")], [None; 4]);
        assert_eq!(nearest("rendex", ["renders", "render"]), Some("render"));
    }
}
