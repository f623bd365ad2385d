//! How many tasks of a type may stand in Redis at once. Pure.

/// A type's window never closes below this: a few quick workers must not starve between two refills.
pub const WINDOW_MIN: usize = 200;

/// And never opens wider: what stands in Redis can be lost, and has to be recalled when a job is paused.
pub const WINDOW_MAX: usize = 10_000;

/// Most bytes of arguments of one type in Redis.
pub const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// Most tasks of all types together in Redis.
pub const WINDOWS_MAX: usize = 200_000;

/// Tasks of a type that may be queued or running at once: two rounds for every slot of its workers, or a quarter of a second of what
/// they did in the last second, whichever is more.
pub fn window(slots: usize, batch: usize, per_second: f64) -> usize {
    let rounds = slots.saturating_mul(batch).saturating_mul(2);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, and NaN and negatives become 0")]
    let quarter_second = (0.25 * per_second) as usize;
    rounds.max(quarter_second).clamp(WINDOW_MIN, WINDOW_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_covers_two_rounds_or_a_quarter_second_within_its_bounds() {
        let cases = [
            ((0, 1, 0.0), 200),
            ((8, 1, 0.0), 200),
            ((8, 100, 0.0), 1600),
            ((1, 100, 20_000.0), 5000),
            ((100, 100, 0.0), 10_000),
            ((1, 1, 1e12), 10_000),
            ((1, 1, f64::NAN), 200),
            ((usize::MAX, 2, -1.0), 10_000),
        ];
        for ((slots, batch, rate), expected) in cases {
            assert_eq!(window(slots, batch, rate), expected, "{slots} slots, batch {batch}, {rate}/s");
        }
    }
}
