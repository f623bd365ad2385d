//! Places in lists, as clients carry them: opaque texts.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::store::{Moment, TaskPlace};

/// What an opaque text holds.
pub(super) fn text(opaque: &str) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(opaque).ok()?).ok()
}

/// A place as clients carry it.
pub(in crate::http::v2) trait Cursor {
    /// The opaque text.
    fn text(&self) -> String;
}

fn opaque(text: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(text)
}

impl Cursor for Uuid {
    fn text(&self) -> String {
        opaque(&self.simple().to_string())
    }
}

impl Cursor for TaskPlace {
    fn text(&self) -> String {
        opaque(&format!("{} {}", self.ordinal, self.kind))
    }
}

impl Cursor for Moment {
    fn text(&self) -> String {
        opaque(&format!("{} {} {}", self.us, self.id.simple(), self.version))
    }
}

impl Cursor for u32 {
    fn text(&self) -> String {
        opaque(&self.to_string())
    }
}
