//! Whether what came is what a page shows: the same words in the same lines, but for what differs from run to run.

/// Stands for any number of lines.
const ELISION: &str = "…";

/// Whether an output is as shown. With `moving` every number may be another.
pub(super) fn is_shown(shown: &[String], came: &str, moving: bool) -> bool {
    let masked = |line: &str| mask(line, moving);
    let shown: Vec<String> = shown.iter().map(|line| masked(line)).filter(|line| !line.is_empty()).collect();
    let came: Vec<String> = came.lines().map(masked).filter(|line| !line.is_empty()).collect();
    fits(&shown, &came)
}

fn fits(shown: &[String], came: &[String]) -> bool {
    match shown.split_first() {
        None => came.is_empty(),
        Some((line, rest)) if line == ELISION => (0..=came.len()).any(|skipped| fits(rest, &came[skipped..])),
        Some((line, rest)) => came.split_first().is_some_and(|(first, others)| first == line && fits(rest, others)),
    }
}

/// The words of a line, one blank apart; ages and ids are all the same, and times are left out: an estimate comes and goes.
fn mask(line: &str, moving: bool) -> String {
    line.split_whitespace().filter(|word| !is_time(trimmed(word))).map(|word| mask_word(word, moving)).collect::<Vec<_>>().join(" ")
}

/// Without the punctuation around it.
fn trimmed(word: &str) -> &str {
    word.trim_matches(|c: char| "()[]{}\"'`,;:.#~".contains(c))
}

fn mask_word(word: &str, moving: bool) -> String {
    let core = trimmed(word);
    let known = if is_age(core) {
        "AGE"
    } else if is_id(core) {
        "ID"
    } else if moving {
        return numbers(word);
    } else {
        return word.to_owned();
    };
    word.replacen(core, known, 1)
}

/// `5s`, `2m10s`, `3h`, `2d5h`.
fn is_age(word: &str) -> bool {
    word == "<unknown>"
        || (word.starts_with(digit) && word.ends_with(['s', 'm', 'h', 'd']) && word.chars().all(|c| digit(c) || "smhd.".contains(c)))
}

/// `2026-11-24T15:15:08Z`, `15:15:08`, `2026-11-24`.
fn is_time(word: &str) -> bool {
    let parts = |separator| word.split(separator).filter(|part| part.len() >= 2 && part.starts_with(digit)).count();
    (parts(':') == 3 || parts('-') == 3) && word.chars().all(|c| digit(c) || "-:.TZ".contains(c))
}

/// A uuid, with or without its hyphens.
fn is_id(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_hexdigit).count();
    digits == 32 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn digit(character: char) -> bool {
    character.is_ascii_digit()
}

/// Every number becomes `N`.
fn numbers(word: &str) -> String {
    let mut masked = String::new();
    for character in word.chars().map(|c| if digit(c) { 'N' } else { c }) {
        if character != 'N' || !masked.ends_with('N') {
            masked.push(character);
        }
    }
    masked
}

#[test]
fn what_differs_from_run_to_run_may_differ_and_nothing_else() {
    let shown = |text: &str, came: &str, moving| is_shown(&text.lines().map(str::to_owned).collect::<Vec<_>>(), came, moving);
    let one = "NAME   PHASE  AGE\nfilm   Paused  2h\n";
    assert!(shown(one, "NAME PHASE AGE\nfilm Paused 12s\n", false));
    assert!(!shown(one, "NAME PHASE AGE\nfilm Running 12s\n", false));
    assert!(!shown(one, "NAME PHASE AGE\nfilm Paused 12s\nother Paused 1s\n", false));
    assert!(shown("…\nfilm Paused 2h\n…", "NAME\nfilm Paused 1s\nmore\n", false));
    assert!(!shown("done 3/9", "done 4/9", false));
    assert!(shown("done 3/9", "done 14/90", true));
    assert!(shown("at 2026-11-24T15:15:08Z.", "at 2027-01-01T00:00:00Z.", false));
    assert!(shown("id 0190a1b2-0000-7000-8000-0123456789ab", "id 0190a1b200007000800001234567ffff", false));
    assert!(!shown("frame-17", "frame-18", false));
}
