//! Commands by annotation: one-shots with the token that makes them act once, and the level `igor/pause`.

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
