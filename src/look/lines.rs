//! The small parts of a line: moments, spans, bars, and texts that may hold anything.

use igor::core::words::{Moment, number};

/// Cells of a bar.
const BAR: u32 = 20;

/// A text on one line: control characters would steer the terminal of whoever reads it.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// `2026-11-24T15:14:36Z`.
pub(super) fn moment(unix_ms: i64) -> String {
    Moment(unix_ms).to_string()
}

/// `45s`, `14m`, `2h05m`, `3d04h`.
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{:02}m", minutes % 60),
        (days, hours, _) => format!("{days}d{:02}h", hours % 24),
    }
}

/// `██████░░░░░░░░░░░░░░`: full only when all is done, empty only when nothing is.
pub(super) fn bar(done: u32, total: u32) -> String {
    let full = match (done, total) {
        (_, 0) => BAR,
        (0, _) => 0,
        (done, total) if done >= total => BAR,
        (done, total) => u32::try_from(u64::from(done) * u64::from(BAR) / u64::from(total)).unwrap_or(0).clamp(1, BAR - 1),
    };
    let cells = |count: u32, cell: &str| cell.repeat(usize::try_from(count).unwrap_or(0));
    cells(full, "█") + &cells(BAR - full, "░")
}

/// `8,131/60,000`.
pub(super) fn share(done: u32, total: u32) -> String {
    format!("{}/{}", number(done), number(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_exact_as_people_care() {
        let spans: Vec<String> = [-5, 999, 45_000, 840_000, 7_500_000, 273_600_000].into_iter().map(span).collect();
        assert_eq!(spans, ["0s", "0s", "45s", "14m", "2h05m", "3d04h"]);
    }

    #[test]
    fn a_bar_is_full_or_empty_only_when_that_is_true() {
        let full = |done, total| bar(done, total).matches('█').count();
        assert_eq!([full(0, 9), full(1, 60_000), full(59_999, 60_000), full(9, 9), full(0, 0), full(5, 10)], [0, 1, 19, 20, 20, 10]);
        assert!([bar(0, 1), bar(1, 3), bar(1, 1)].iter().all(|bar| bar.chars().count() == 20));
    }

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\nc"), "a [2Jb c");
    }
}
