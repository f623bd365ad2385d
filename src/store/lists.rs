//! Lists: parts of what the ledger holds, each behind a place and in a fixed order, so that paging sees every row that was there once.
//!
//! A call looks at [`SCAN`] rows at most, whatever the filter: a filter that few rows pass gives short parts instead of a slow one.
//! Every statement is bounded by day, takes the index of its order, and counts nothing: numbers come from the layers' counters.

mod jobs;
mod layers;
mod past;
mod tasks;
mod work;

/// Rows that one call looks at.
const SCAN: i64 = 10_000;

/// A row that a statement looked at: whether it passes the filter, and whether the statement ends with it.
struct Looked<Place> {
    place: Place,
    fits: bool,
    last: bool,
}

/// The first `limit` of the rows that fit, and behind what the next part begins. `rows` holds one more than the limit if there is one.
fn cut<Place: Clone>(rows: impl Iterator<Item = Looked<Place>>, limit: usize) -> (Vec<Place>, Option<Place>) {
    let mut found = Vec::new();
    for row in rows {
        if found.len() == limit {
            let next = found.last().cloned();
            return (found, next);
        }
        if row.fits {
            found.push(row.place.clone());
        }
        if row.last {
            return (found, Some(row.place));
        }
    }
    (found, None)
}

/// A text as LIKE finds it anywhere.
fn anywhere(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(place: u32, fits: bool, last: bool) -> Looked<u32> {
        Looked { place, fits, last }
    }

    #[test]
    fn a_part_ends_at_its_limit_at_the_last_row_looked_at_or_with_the_list() {
        let rows = || [row(1, true, false), row(2, true, false), row(3, true, false)].into_iter();
        assert_eq!(cut(rows(), 2), (vec![1, 2], Some(2)));
        assert_eq!(cut(rows(), 3), (vec![1, 2, 3], None));
        assert_eq!(cut([row(1, true, false), row(9, false, true)].into_iter(), 2), (vec![1], Some(9)));
        assert_eq!(cut([row(1, true, false), row(9, true, true)].into_iter(), 2), (vec![1, 9], Some(9)));
        assert_eq!(cut([row(9, false, true), row(10, true, false)].into_iter(), 2), (vec![], Some(9)), "another namespace's later row");
    }

    #[test]
    fn a_text_is_found_as_it_is_written() {
        assert_eq!(anywhere(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
