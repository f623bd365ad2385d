//! The verbs by which people steer, and what they select.

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Nothing new is dispatched.
    Pause,
    /// Dispatch goes on.
    Unpause,
    /// Unfinished tasks end errored.
    Kill,
    /// Unfinished and errored tasks count as done.
    Skip,
    /// Errored or skipped tasks run again.
    Retry,
    /// The job's object is gone.
    Delete,
}

impl Verb {
    /// The word in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Kill => "kill",
            Self::Skip => "skip",
            Self::Retry => "retry",
            Self::Delete => "delete",
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which tasks of an object a one-shot command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// All that the verb can touch; for retry what is errored.
    All,
    /// What is errored.
    Failed,
}

/// A selector that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not understood: this version knows `true` and `failed`")]
pub struct UnknownSelector(String);

impl Selector {
    /// Reads a selector as people write it.
    pub fn parse(text: &str) -> Result<Self, UnknownSelector> {
        match text.trim() {
            "true" => Ok(Self::All),
            "failed" => Ok(Self::Failed),
            other => Err(UnknownSelector(other.chars().take(100).collect())),
        }
    }

    /// The text that reads back as this selector.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "true",
            Self::Failed => "failed",
        }
    }
}

/// A one-shot annotation: a selector and the token that makes it act once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneShot {
    /// The selector as written.
    pub selector: String,
    /// What tells this command from a later one with the same words.
    pub token: Token,
}

/// Who named a one-shot command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Nobody yet: the operator stamps it first.
    Unstamped,
    /// The operator's stamp; the annotation is removed when the command is done.
    Stamped(String),
    /// The user's own; the annotation stays, and acts once.
    Own(String),
}

impl OneShot {
    /// Reads an annotation's value: `<selector>`, `<selector>#~<stamp>` or `<selector>#<token>`.
    pub fn parse(value: &str) -> Self {
        let (selector, token) = match value.split_once('#') {
            None => (value, Token::Unstamped),
            Some((selector, token)) => match token.strip_prefix('~') {
                Some(stamp) => (selector, Token::Stamped(stamp.to_owned())),
                None => (selector, Token::Own(token.to_owned())),
            },
        };
        Self { selector: selector.trim().to_owned(), token }
    }

    /// The value with a stamp.
    pub fn stamped(&self, stamp: &str) -> String {
        format!("{}#~{stamp}", self.selector)
    }
}

/// Reads the value of the annotation `igor/pause`, a level.
pub fn parse_level(value: &str) -> Option<bool> {
    match value.trim() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_read_back_and_others_are_refused_with_what_to_write() {
        for selector in [Selector::All, Selector::Failed] {
            assert_eq!(Selector::parse(selector.as_str()), Ok(selector));
        }
        let refused = Selector::parse("everything").expect_err("refused");
        assert_eq!(refused.to_string(), "\"everything\" is not understood: this version knows `true` and `failed`");
    }

    #[test]
    fn a_one_shot_is_stamped_once_and_a_users_token_stays_his() {
        let fresh = OneShot::parse("failed");
        assert_eq!(fresh, OneShot { selector: "failed".to_owned(), token: Token::Unstamped });
        let stamped = OneShot::parse(&fresh.stamped("01J"));
        assert_eq!(stamped, OneShot { selector: "failed".to_owned(), token: Token::Stamped("01J".to_owned()) });
        assert_eq!(OneShot::parse("true#friday").token, Token::Own("friday".to_owned()));
    }

    #[test]
    fn a_level_is_true_or_false_and_nothing_else() {
        assert_eq!([parse_level("true"), parse_level(" false"), parse_level("yes")], [Some(true), Some(false), None]);
    }
}
