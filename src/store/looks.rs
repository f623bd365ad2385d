//! How far a list looks back, look by look: what is asked for is nearly always of the last days.

use super::facts::Order;
use super::time::Time;

/// The year 9999: no job is created later.
pub(super) const FOR_EVER: i64 = 253_402_300_799_000;

/// Two days, in milliseconds: how far the first look goes.
pub(super) const FIRST_LOOK: i64 = 2 * 86_400_000;

/// The bounds of one look after the other. Planning costs 70 us a day of the ledger that a statement may come to, more than the page itself,
/// and nearly every page lies in the first days: each look goes eight times as far as the one before.
pub(super) fn looks(lo: Time, hi: Time, order: Order, now: Time) -> Vec<(Time, Time)> {
    let mut looks = Vec::new();
    let mut length = FIRST_LOOK;
    let (mut lo, mut hi) = (lo, hi);
    // Where the oldest jobs are nobody knows: from the beginning of time all is one look.
    while lo < hi && (order == Order::Usual || lo.0 > 0) {
        let (edge, look) = match order {
            Order::Usual => (Time(hi.min(now).0.saturating_sub(length)), (lo, hi)),
            Order::Reversed => (Time(lo.0.saturating_add(length)), (lo, hi)),
        };
        if edge <= lo || edge >= hi {
            looks.push(look);
            return looks;
        }
        match order {
            Order::Usual => {
                looks.push((edge, hi));
                hi = Time(edge.0 - 1);
            }
            Order::Reversed => {
                looks.push((lo, edge));
                lo = Time(edge.0 + 1);
            }
        }
        length = length.saturating_mul(8);
    }
    looks.push((lo, hi));
    looks
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn days(looks: &[(Time, Time)]) -> Vec<(i64, i64)> {
        looks.iter().map(|(lo, hi)| (lo.0 / DAY, hi.0 / DAY)).collect()
    }

    #[test]
    fn looks_follow_each_other_without_a_gap_and_go_further_each_time() {
        let (lo, hi, now) = (Time(0), Time(FOR_EVER), Time(20_000 * DAY));
        let back = looks(lo, hi, Order::Usual, now);
        assert_eq!(
            days(&back),
            [(19_998, FOR_EVER / DAY), (19_981, 19_997), (19_853, 19_981), (18_829, 19_853), (10_637, 18_829), (0, 10_637)]
        );
        assert!(back.windows(2).all(|two| two[1].1.0 + 1 == two[0].0.0), "{back:?}");
        let forth = looks(Time(19_000 * DAY), hi, Order::Reversed, now);
        assert_eq!(days(&forth)[..3], [(19_000, 19_002), (19_002, 19_018), (19_018, 19_146)]);
        assert!(forth.windows(2).all(|two| two[0].1.0 + 1 == two[1].0.0) && forth.last().is_some_and(|last| last.1 == hi), "{forth:?}");
    }

    #[test]
    fn a_short_or_an_endless_stretch_is_one_look() {
        let now = Time(20_000 * DAY);
        for (lo, hi, order) in
            [(19_999, 20_000, Order::Usual), (19_999, 20_000, Order::Reversed), (5, 4, Order::Usual), (0, 20_000, Order::Reversed)]
        {
            let whole = (Time(lo * DAY), Time(hi * DAY));
            assert_eq!(looks(whole.0, whole.1, order, now), [whole]);
        }
    }
}
