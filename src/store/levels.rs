//! Pause levels and their edges: what was last seen of each source, and what a newer sighting changes. Pure.

use serde::{Deserialize, Serialize};

use super::facts::{Sighting, Source};

/// What was last seen of one object (a job or a layer), as its column `level` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Levels {
    spec: Seen,
    annotation: Seen,
}

/// Where every object begins: an unpaused spec and no annotation.
impl Default for Levels {
    fn default() -> Self {
        Self { spec: Seen { paused: Some(false), version: 0 }, annotation: Seen { paused: None, version: 0 } }
    }
}

/// The last level of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    paused: Option<bool>,
    version: u64,
}

/// What an edge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) paused: bool,
    pub(super) source: Source,
    /// The version of the object that showed it.
    pub(super) version: u64,
}

impl Levels {
    /// What a column holds; levels that do not read back count as never seen.
    pub(super) fn read(column: &serde_json::Value) -> Self {
        serde_json::from_value(column.clone()).unwrap_or_default()
    }

    /// For the column.
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Takes in what was seen of this object. An edge is a newer sighting with another level; of two at once the annotation's wins,
    /// and an annotation that was removed means as the spec says.
    pub(super) fn see<'a>(&mut self, sightings: &(impl Iterator<Item = &'a Sighting> + Clone)) -> Option<Edge> {
        for taken_away in sightings.clone().filter(|sighting| sighting.source == Source::Untrue) {
            self.annotation.take(None, taken_away.version);
        }
        let of = |source: Source| sightings.clone().filter(move |sighting| sighting.source == source);
        let spec = of(Source::Spec).filter(|seen| self.spec.take(Some(seen.paused.unwrap_or(false)), seen.version)).count() > 0;
        let annotation = of(Source::Annotation).filter(|seen| self.annotation.take(seen.paused, seen.version)).count() > 0;
        let version = sightings.clone().map(|seen| seen.version).max().unwrap_or(0);
        let by_spec = Edge { paused: self.spec.paused.unwrap_or(false), source: Source::Spec, version };
        match (annotation, self.annotation.paused) {
            (true, Some(paused)) => Some(Edge { paused, source: Source::Annotation, version }),
            (true, None) => Some(by_spec),
            (false, _) => spec.then_some(by_spec),
        }
    }
}

impl Levels {
    /// Whether a source's level is just that.
    pub(super) fn says(&self, sighting: &Sighting) -> bool {
        match sighting.source {
            Source::Spec => self.spec.paused.unwrap_or(false) == sighting.paused.unwrap_or(false),
            Source::Annotation | Source::Untrue => self.annotation.paused == sighting.paused,
        }
    }
}

impl Seen {
    /// Whether this is another level, seen later.
    fn take(&mut self, paused: Option<bool>, version: u64) -> bool {
        let first = self.version == 0;
        if !first && version <= self.version {
            return false;
        }
        let is_edge = paused != self.paused;
        if is_edge || first {
            *self = Self { paused, version };
        }
        is_edge
    }
}

impl Source {
    /// The word in `paused_by`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Annotation | Self::Untrue => "annotation",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::command::Object;

    fn seen(source: Source, paused: Option<bool>, version: u64) -> Sighting {
        Sighting { object: Object::Job, source, paused, version }
    }

    fn see(levels: &mut Levels, sightings: &[Sighting]) -> Option<(bool, Source)> {
        levels.see(&sightings.iter()).map(|edge| (edge.paused, edge.source))
    }

    #[test]
    fn a_level_acts_once_and_an_older_sighting_never() {
        let mut levels = Levels::default();
        let pause = [seen(Source::Annotation, Some(true), 10)];
        assert_eq!(see(&mut levels, &pause), Some((true, Source::Annotation)));
        assert_eq!(see(&mut levels, &pause), None);
        assert_eq!(see(&mut levels, &[seen(Source::Annotation, None, 12)]), Some((false, Source::Spec)));
        assert_eq!(see(&mut levels, &pause), None, "a stale cache");
    }

    #[test]
    fn an_annotation_that_goes_leaves_what_the_spec_says() {
        let mut levels = Levels::default();
        let both = [seen(Source::Spec, Some(true), 5), seen(Source::Annotation, Some(false), 5)];
        assert_eq!(see(&mut levels, &both), Some((false, Source::Annotation)));
        assert_eq!(see(&mut levels, &[seen(Source::Annotation, None, 6)]), Some((true, Source::Spec)));
    }

    #[test]
    fn an_annotation_that_igor_took_away_asks_for_nothing() {
        let mut levels = Levels::default();
        let pause = [seen(Source::Annotation, Some(true), 10)];
        see(&mut levels, &pause);
        assert_eq!(see(&mut levels, &[seen(Source::Untrue, None, 12)]), None);
        assert_eq!(see(&mut levels, &[seen(Source::Annotation, None, 12)]), None, "the cache shows that it is gone");
        assert_eq!(see(&mut levels, &pause), None, "or does not yet");
        assert_eq!(see(&mut levels, &[seen(Source::Annotation, Some(true), 14)]), Some((true, Source::Annotation)), "a person's");
    }

    #[test]
    fn the_spec_edited_later_wins_over_a_standing_annotation() {
        let mut levels = Levels::default();
        see(&mut levels, &[seen(Source::Spec, Some(true), 5), seen(Source::Annotation, Some(true), 5)]);
        let edited = [seen(Source::Spec, Some(false), 9), seen(Source::Annotation, Some(true), 9)];
        assert_eq!(see(&mut levels, &edited), Some((false, Source::Spec)));
    }

    #[test]
    fn an_object_that_never_was_paused_has_no_edge() {
        let mut levels = Levels::default();
        assert_eq!(see(&mut levels, &[seen(Source::Spec, Some(false), 5), seen(Source::Annotation, None, 5)]), None);
        assert_eq!(see(&mut levels, &[seen(Source::Annotation, Some(false), 6)]), Some((false, Source::Annotation)), "set is an edge");
    }

    #[test]
    fn levels_read_back_from_their_column() {
        let mut levels = Levels::default();
        see(&mut levels, &[seen(Source::Spec, Some(true), 5)]);
        assert_eq!(Levels::read(&levels.to_json()), levels);
        assert_eq!(Levels::read(&serde_json::json!("nonsense")), Levels::default());
    }
}
