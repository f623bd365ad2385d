//! A measured value, with what it is to reach.

use serde::Serialize;

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reach {
    AtLeast(f64),
    AtMost(f64),
}

impl Reach {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

/// One figure of a row: the median of its runs, and their spread.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) runs: usize,
    pub(crate) reach: Option<Reach>,
    /// It counts instead of timing: it may be so many times the baseline's, else the quick bench fails.
    pub(crate) slack: Option<f64>,
}

impl Figure {
    /// The median of some runs.
    pub(crate) fn of(name: impl Into<String>, unit: &'static str, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let value = quantile(&values, 0.5);
        let (least, most) = (values.first().copied().unwrap_or(f64::NAN), values.last().copied().unwrap_or(f64::NAN));
        Self { name: name.into(), unit, value, least, most, runs: values.len(), reach: None, slack: None }
    }

    pub(crate) fn one(name: impl Into<String>, unit: &'static str, value: f64) -> Self {
        Self::of(name, unit, vec![value])
    }

    pub(crate) fn at_least(self, least: f64) -> Self {
        Self { reach: Some(Reach::AtLeast(least)), ..self }
    }

    pub(crate) fn at_most(self, most: f64) -> Self {
        Self { reach: Some(Reach::AtMost(most)), ..self }
    }

    /// A count of what every task or job costs, whatever the machine does: it hardly moves.
    pub(crate) fn fixed(self) -> Self {
        Self { slack: Some(1.35), ..self }
    }

    /// A count of what a batch costs: batches are smaller on a machine that does other things too. Work by the task instead of by
    /// the batch would be tens of times as much.
    pub(crate) fn by_batch(self) -> Self {
        Self { slack: Some(4.0), ..self }
    }

    pub(crate) fn holds(&self) -> Option<bool> {
        self.reach.map(|reach| reach.holds(self.value))
    }
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) figures: Vec<Figure>,
}

/// The value below which that part of sorted values lies.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    if sorted.is_empty() {
        return f64::NAN;
    }
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    let place = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[place]
}
