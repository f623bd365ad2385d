//! Figures of an earlier run, committed, to compare with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::figure::{Figure, Row};

/// By row and figure; empty where there is none.
pub(crate) struct Baseline(BTreeMap<String, BTreeMap<String, f64>>);

impl Baseline {
    pub(crate) fn read(quick: bool) -> Self {
        let text = std::fs::read_to_string(file(quick)).unwrap_or_else(|_| "{}".to_owned());
        Self(serde_json::from_str(&text).expect("bench/baseline*.json is a map of rows to figures"))
    }

    /// Takes these figures as the new ones; rows that were not run stay.
    pub(crate) fn write(quick: bool, rows: &[Row]) {
        let mut all = Self::read(quick).0;
        for row in rows {
            let figures = row.figures.iter().map(|figure| (figure.name.clone(), rounded(figure.value))).collect();
            all.insert(row.name.to_owned(), figures);
        }
        std::fs::write(file(quick), serde_json::to_string_pretty(&all).expect("json") + "\n").expect("the baseline");
    }

    /// How a figure stands to the baseline's.
    pub(crate) fn ratio(&self, row: &str, figure: &Figure) -> Option<f64> {
        self.0.get(row)?.get(&figure.name).filter(|before| **before > 0.0).map(|before| figure.value / before)
    }

    /// Counts that have grown, in words.
    pub(crate) fn grown(&self, rows: &[Row]) -> Vec<String> {
        let mut grown = Vec::new();
        for row in rows {
            for (figure, slack) in row.figures.iter().filter_map(|figure| Some((figure, figure.slack?))) {
                let ratio = self.ratio(row.name, figure);
                if let Some(ratio) = ratio.filter(|ratio| *ratio > slack) {
                    grown.push(format!(
                        "{}: {} is {ratio:.2} times what bench/ has as its baseline ({:.2} {})",
                        row.name, figure.name, figure.value, figure.unit
                    ));
                }
                if figure.holds() == Some(false) {
                    grown.push(format!("{}: {} is {:.2} {}", row.name, figure.name, figure.value, figure.unit));
                }
            }
        }
        grown
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn file(quick: bool) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench").join(if quick { "baseline-quick.json" } else { "baseline.json" })
}
