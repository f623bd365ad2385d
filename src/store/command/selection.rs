//! What a command is about, layer by layer: whole layers, single tasks, and stretches that are looked through.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::connect::Act;
use super::super::error::Error;
use super::super::facts::Command;
use super::super::rows::{LayerRow, LockedJob};
use super::ACT;
use super::tasks::{Stretch, select};
use crate::core::command::{Meant, Numbers, Object, Pattern, Pick, Selector, Tasks};
use crate::core::id;
use crate::core::status::Status;

/// Named tasks up to this number are dealt with in one step, without a gate.
const NAMED: usize = 5_000;

/// What a command is about. Layers are named by their place in the plan.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Layers that are meant as a whole.
    pub(super) whole: BTreeSet<usize>,
    /// Tasks that are named and found, and how closely.
    pub(super) tasks: BTreeMap<Uuid, Meant>,
    /// What is looked through, in the order of the plan.
    pub(super) scans: Vec<Scan>,
    /// Every layer of which something is meant.
    pub(super) layers: BTreeSet<usize>,
}

/// A layer whose tasks are looked through.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) layer: usize,
    pub(super) filter: Filter,
    pub(super) meant: Meant,
}

/// Which tasks of a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// First and last number.
    pub(super) numbers: Option<(u32, u32)>,
    /// A pattern as LIKE has it.
    pub(super) like: Option<String>,
}

/// Whether a command could be about a layer of that name.
pub(super) fn may_mean(command: &Command, layer: &str) -> bool {
    match (&command.object, &command.selector) {
        (Object::Layer(own) | Object::Task { layer: own, .. }, _) if own != layer => false,
        (_, Selector::All | Selector::Failed) => true,
        (_, Selector::Picks(picks)) => picks.iter().any(|pick| pick.layer.matches(layer)),
    }
}

impl Selection {
    /// Finds what a command is about. `first`: named tasks are looked up; later steps of a large command look through the layers.
    pub(super) async fn resolve(
        connection: &mut PgConnection,
        job: &LockedJob,
        layers: &[LayerRow],
        command: &Command,
        first: bool,
    ) -> Result<Self, Error> {
        let mut selection = Self::default();
        if let Object::Task { layer, task } = &command.object {
            selection.find(connection, job, layers, [(layer.as_str(), task.as_str())].into_iter()).await?;
            return Ok(selection);
        }
        let meant = layers.iter().enumerate().filter(|(_, row)| may_mean(command, &row.layer.name));
        for (index, row) in meant {
            match &command.selector {
                Selector::All | Selector::Failed => selection.take_whole(index, command.selector == Selector::All),
                Selector::Picks(picks) => {
                    let own = picks.iter().filter(|pick| pick.layer.matches(&row.layer.name));
                    selection.take(connection, job, layers, index, own).await?;
                }
            }
        }
        if first { selection.narrow(connection, layers).await } else { Ok(selection) }
    }

    /// Tasks that were named one by one and are there.
    pub(super) fn named(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
    }

    fn take_whole(&mut self, layer: usize, all: bool) {
        if all {
            self.whole.insert(layer);
        }
        self.layers.insert(layer);
        self.scans.push(Scan { layer, filter: Filter::default(), meant: Meant::Among });
    }

    async fn take<'a>(
        &mut self,
        connection: &mut PgConnection,
        job: &LockedJob,
        layers: &[LayerRow],
        index: usize,
        picks: impl Iterator<Item = &'a Pick>,
    ) -> Result<(), Error> {
        for pick in picks {
            match &pick.tasks {
                Tasks::Whole => self.take_whole(index, true),
                Tasks::Names(name) if name.is_exact() => self.name(connection, job, layers, index, name).await?,
                Tasks::Names(pattern) => self.scan(index, Filter { like: Some(like(pattern)), numbers: None }, Meant::Matched),
                Tasks::Numbers(numbers) => self.number(connection, job, layers, index, numbers).await?,
            }
        }
        Ok(())
    }

    fn scan(&mut self, layer: usize, filter: Filter, meant: Meant) {
        self.layers.insert(layer);
        self.scans.push(Scan { layer, filter, meant });
    }

    async fn name(
        &mut self,
        connection: &mut PgConnection,
        job: &LockedJob,
        layers: &[LayerRow],
        index: usize,
        name: &Pattern,
    ) -> Result<(), Error> {
        let layer = layers[index].layer.name.as_str();
        self.find(connection, job, layers, [(layer, name.as_str())].into_iter()).await.map(drop)
    }

    /// A task that is called like the number comes first.
    async fn number(
        &mut self,
        connection: &mut PgConnection,
        job: &LockedJob,
        layers: &[LayerRow],
        index: usize,
        numbers: &Numbers,
    ) -> Result<(), Error> {
        let layer = layers[index].layer.name.as_str();
        if !self.find(connection, job, layers, [(layer, numbers.text.as_str())].into_iter()).await? {
            self.scan(index, Filter { numbers: Some((numbers.first, numbers.last)), like: None }, Meant::Named);
        }
        Ok(())
    }

    /// Looks tasks up by name: their ids follow from it. Whether any was found.
    async fn find<'a>(
        &mut self,
        connection: &mut PgConnection,
        job: &LockedJob,
        layers: &[LayerRow],
        names: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<bool, Error> {
        let ids: Vec<Uuid> = names.map(|(layer, task)| id::task(job.created().0, &job.uid, layer, task)).collect();
        let rows = sqlx::query!("SELECT id, layer_id FROM igor.tasks WHERE id = ANY($1) AND created_at = $2", &ids, job.created() as _)
            .fetch_all(connection)
            .await
            .act(ACT)?;
        for row in &rows {
            self.tasks.insert(row.id, Meant::Named);
            self.layers.extend(layers.iter().position(|layer| layer.id == row.layer_id));
        }
        Ok(!rows.is_empty())
    }

    /// Looks through the layers for tasks by number and pattern: few are dealt with one by one.
    async fn narrow(mut self, connection: &mut PgConnection, layers: &[LayerRow]) -> Result<Self, Error> {
        let (scans, all): (Vec<Scan>, Vec<Scan>) = self.scans.iter().cloned().partition(|scan| scan.filter != Filter::default());
        if scans.is_empty() {
            return Ok(self);
        }
        let stretches: Vec<Stretch> = scans.iter().map(|scan| Stretch::whole(scan, &layers[scan.layer])).collect();
        let found = select(connection, &stretches, &Status::ALL, NAMED + 1).await?;
        if found.len() <= NAMED {
            for (task, meant) in found {
                let known = self.tasks.entry(task).or_insert(meant);
                *known = meant.max(*known);
            }
            self.scans = all;
        }
        Ok(self)
    }
}

/// The pattern as LIKE has it.
fn like(pattern: &Pattern) -> String {
    let mut like = String::new();
    for character in pattern.as_str().chars() {
        match character {
            '*' => like.push('%'),
            '_' | '%' | '\\' => like.extend(['\\', character]),
            other => like.push(other),
        }
    }
    like
}
