//! Reading: which lanes, how many, in which order, and the own pending list after a lost reply.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::time::Instant;
use tracing::{error, info};

use super::Fetcher;
use crate::queue::envelope::Header;
use crate::queue::{EntryId, EntryRef, Error, GROUP, Lane, reply};
use crate::worker::held::Held;
use crate::worker::report::RUN;
use crate::worker::shared::{Kind, Standing};
use crate::worker::task::Task;

const READING: &str = "reading tasks";

/// How long an empty read waits in the server; also the pace at which a type without meta is looked at again, and the longest that a
/// shutdown waits for a read to come back.
pub(super) const BLOCK: Duration = Duration::from_secs(1);

/// A reply that takes longer is lost, and its connection with it.
pub(in crate::worker) const READ_TIMEOUT: Duration = Duration::from_secs(BLOCK.as_secs() + 10);

/// Entries of one page of the own pending list.
const PAGE: usize = 500;

impl Fetcher {
    /// Reads meta of the types whose groups were not there, and waits a little when there are no others.
    pub(super) async fn look_for_types(&mut self) -> Result<(), Error> {
        let missing: Vec<usize> = (0..self.ready.len()).filter(|kind| !self.ready[*kind]).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for kind in &missing {
            pipeline.cmd("HGETALL").arg(self.shared.keys.meta(&self.shared.kinds[*kind].key));
        }
        for (kind, answer) in missing.into_iter().zip(self.link.pipeline(READING, &pipeline).await?) {
            let meta = answer.map_err(|source| Error::Refused { act: READING, source })?;
            let standing = Standing::from_fields(&reply::words(READING, meta)?);
            if standing.known {
                info!(kind = %self.shared.kinds[kind].key, lease = ?standing.lease, "serving");
                self.shared.kinds[kind].set_standing(standing);
                // The heart beats by the lease that was known so far.
                self.shared.renew.notify_one();
                self.ready[kind] = true;
            }
        }
        if !self.ready.contains(&true) {
            tokio::time::sleep(BLOCK).await;
        }
        Ok(())
    }

    /// On a new connection the replies of the last one may be lost: what they delivered stands in the own pending list. It is read
    /// once more a little later, for what the server sent to the old connection before it knew.
    pub(super) async fn look_back_if_due(&mut self) -> Result<(), Error> {
        let made = self.link.connected().await?;
        let again = self.look_back_again.is_some_and(|at| Instant::now() >= at);
        if made == self.looked_back_on && !again {
            return Ok(());
        }
        self.look_back().await?;
        let first_ever = self.looked_back_on == 0;
        self.look_back_again = (!again && !first_ever).then(|| Instant::now() + self.shared.shortest_lease() / 3);
        self.looked_back_on = made;
        Ok(())
    }

    pub(super) async fn look_back(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        for (number, kind) in shared.kinds.iter().enumerate() {
            let lanes: &[Lane] = if self.ready[number] { &Lane::ALL } else { &[] };
            for lane in lanes.iter().copied() {
                let mut after = EntryId::ZERO;
                loop {
                    let mut read = self.group_read(PAGE, None);
                    read.arg("STREAMS").arg(shared.keys.lane(&kind.key, lane)).arg(after.to_string());
                    let got = match self.link.command(READING, &read).await {
                        Err(error) if is_no_group(&error) => break,
                        answer => reply::streams(READING, answer?)?,
                    };
                    let entries: Vec<reply::Raw> = got.into_iter().flat_map(|(_, entries)| entries).collect();
                    let Some(last) = entries.last() else { break };
                    after = last.id;
                    self.receive(number, lane, entries);
                }
            }
        }
        Ok(())
    }

    /// The most entries of a type to ask for, with so many free slots.
    fn wanted(&self, kind: &Kind, free: usize) -> usize {
        if self.last_was_solo {
            return 1;
        }
        let standing = kind.standing();
        let batch = kind.batch.min(standing.batch_max);
        let share = if standing.share > 0 { batch.min(standing.share) } else { batch };
        share * free
    }

    /// First what lies in the lanes, in order; if all are empty, waits for what comes.
    pub(super) async fn take(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        let kinds = shared.kinds.len();
        let mut free = self.room();
        for turn in 0..kinds {
            let number = (self.first_kind + turn) % kinds;
            if free == 0 || !self.ready[number] {
                continue;
            }
            let got = self.take_from(number, free).await?;
            free = free.saturating_sub(got.div_ceil(shared.kinds[number].batch_now()));
        }
        self.first_kind = (self.first_kind + 1) % kinds;
        if self.waiting_since.is_none() && self.ready.contains(&true) {
            self.wait_for_tasks(free).await?;
        }
        self.fill_batches().await
    }

    async fn take_from(&mut self, number: usize, free: usize) -> Result<usize, Error> {
        let shared = self.shared.clone();
        let kind = &shared.kinds[number];
        let wanted = self.wanted(kind, free);
        let mut got = 0;
        for lane in Lane::ALL {
            let mut read = self.group_read(wanted - got, None);
            read.arg("STREAMS").arg(shared.keys.lane(&kind.key, lane)).arg(">");
            match self.link.command(READING, &read).await {
                Err(error) if is_no_group(&error) => {
                    self.ready[number] = false;
                    return Ok(got);
                }
                answer => {
                    for (_, entries) in reply::streams(READING, answer?)? {
                        got += entries.len();
                        self.receive(number, lane, entries);
                    }
                }
            }
            if got >= wanted {
                break;
            }
        }
        Ok(got)
    }

    /// One blocking read over all lanes of all types; a third for each, so that together they are not too many.
    async fn wait_for_tasks(&mut self, free: usize) -> Result<(), Error> {
        let shared = self.shared.clone();
        let ready: Vec<usize> = (0..self.ready.len()).filter(|kind| self.ready[*kind]).collect();
        let least = ready.iter().map(|kind| self.wanted(&shared.kinds[*kind], free)).min().unwrap_or(1);
        let streams: Vec<(Vec<u8>, usize, Lane)> = ready
            .into_iter()
            .flat_map(|kind| Lane::ALL.map(|lane| (shared.keys.lane(&shared.kinds[kind].key, lane).into_bytes(), kind, lane)))
            .collect();
        self.receive_from((least / 3).max(1), &streams, BLOCK).await
    }

    /// A batch that may wait for more does so, from its first task on.
    async fn fill_batches(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        for (number, kind) in shared.kinds.iter().enumerate() {
            let standing = kind.standing();
            let batch = kind.batch_now();
            let until = Instant::now() + standing.batch_delay;
            while !self.waiting[number].is_empty()
                && self.waiting[number].len() < batch
                && !self.has_solo()
                && !self.stopping.is_cancelled()
            {
                let left = until.saturating_duration_since(Instant::now());
                if left < Duration::from_millis(1) {
                    break;
                }
                let streams = Lane::ALL.map(|lane| (shared.keys.lane(&kind.key, lane).into_bytes(), number, lane));
                let missing = batch - self.waiting[number].len();
                self.receive_from((missing / 3).max(1), &streams, left.min(BLOCK)).await?;
            }
        }
        Ok(())
    }

    async fn receive_from(&mut self, count: usize, streams: &[(Vec<u8>, usize, Lane)], block: Duration) -> Result<(), Error> {
        let mut read = self.group_read(count, Some(block));
        read.arg("STREAMS");
        for (stream, _, _) in streams {
            read.arg(stream.as_slice());
        }
        for _ in streams {
            read.arg(">");
        }
        let answer = match self.link.command(READING, &read).await {
            // Which of them it is shows when they are read one by one.
            Err(error) if is_no_group(&error) => return Ok(()),
            answer => answer?,
        };
        for (stream, entries) in reply::streams(READING, answer)? {
            if let Some((_, kind, lane)) = streams.iter().find(|(name, _, _)| *name == stream) {
                self.receive(*kind, *lane, entries);
            }
        }
        Ok(())
    }

    fn group_read(&self, count: usize, block: Option<Duration>) -> Cmd {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.shared.id).arg("COUNT").arg(count);
        if let Some(block) = block {
            read.arg("BLOCK").arg(block.as_millis().max(1).to_string());
        }
        read
    }

    /// Takes delivered entries into the worker's hands.
    fn receive(&mut self, kind: usize, lane: Lane, entries: Vec<reply::Raw>) {
        let generation = self.shared.kinds[kind].standing().generation;
        for mut raw in entries {
            let entry = EntryRef { lane, id: raw.id };
            if raw.fields.is_none() || self.shared.table.contains(kind, entry) {
                continue;
            }
            let json = raw.take(b"h").unwrap_or_default();
            let args = raw.take(b"p").unwrap_or_default();
            match Header::from_json(&json) {
                Ok(mut header) => {
                    let held = Arc::new(Held::new(kind, entry, &header, generation.clone()));
                    if let Some(attempt) = held.attempt_span {
                        // What the handler sends is part of its own run.
                        header.traceparent = Some(attempt.step(RUN).traceparent());
                    }
                    self.shared.table.insert(&held);
                    self.last_was_solo = header.solo;
                    self.waiting_since.get_or_insert_with(Instant::now);
                    self.waiting[kind].push(Task { header, args, held });
                }
                Err(why) => {
                    let (task, attempt) = Header::identity(&json).unwrap_or_default();
                    let held = Arc::new(Held::new(kind, entry, &Header::new(task, attempt), generation.clone()));
                    self.shared.table.insert(&held);
                    error!(kind = %self.shared.kinds[kind].key, entry = %entry.id, why, "giving back a task that cannot be read");
                    self.reporter.unreadable(&held, why);
                }
            }
        }
    }
}

fn is_no_group(error: &Error) -> bool {
    matches!(error, Error::Refused { source, .. } if source.code() == Some("NOGROUP"))
}
