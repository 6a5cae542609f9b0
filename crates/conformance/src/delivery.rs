//! Brings a history into a destination the way a pipeline does, crashes included: whenever something breaks, the table is opened again
//! and read on from the checkpoint it has.

use std::collections::BTreeMap;

use std::sync::Arc;

use commutator_core::{
    Checkpoint, CommitGuarantee, Destination, Epoch, Error, Offset, PartitionId, Position, Progress, Span, SyncMode,
    TableSchema, Target,
};

use crate::bench::Writer;
use crate::chaos::{Chaos, Plan};
use crate::history::{EpochFeed, Feed, History, Pick, Script};
use crate::verdict::ensure;
use crate::{Bench, Change, Expected, Key, Model, Verdict};

/// The most batches of one transaction.
const MAX_BATCHES: usize = 4;

/// One transaction that is still to be made.
struct Step {
    batches: Vec<Vec<Change>>,
    ended: Option<Epoch>,
    checkpoint: Checkpoint,
}

/// Delivers a history and compares the table with the model, and at last with the source.
pub(crate) async fn deliver(bench: &Bench, mode: SyncMode, script: &Script) -> Verdict {
    let history = History::of(script);
    let mut target = bench.target(mode, history.keys.clone());
    target.expected_bytes = script.expected_bytes;
    let plan = Plan::new(script.crashes.iter().copied());
    let mut delivery = Delivery {
        bench,
        atomic: bench.capabilities().guarantee == CommitGuarantee::Atomic,
        reached: BTreeMap::new(),
        ends: BTreeMap::new(),
        picks: script.picks.iter().cycle(),
        history: &history,
        target,
    };
    let mut zombies = script.zombies.iter();
    let mut broken = None;
    loop {
        let destination = Arc::new(Chaos::new(bench.reconnect().await, plan.clone()));
        match delivery.session(destination, broken.take()).await? {
            Session::Broken(writer) => broken = writer.filter(|_| zombies.next() == Some(&true)),
            Session::Done => break,
        }
    }
    let (checkpoint, schema) = delivery.look().await?;
    delivery.agrees(&checkpoint, schema.as_ref()).await.map_err(|stop| stop.within("at the end"))?;
    let model = delivery.model(&checkpoint);
    let live = match mode {
        SyncMode::Append => return Ok(()),
        SyncMode::Mirror => model.rows(),
        SyncMode::SoftDelete => model.rows().into_iter().filter(|row| row.deleted == Some(false)).collect(),
        SyncMode::History => newest(model.rows()),
    };
    let held: BTreeMap<_, _> = live.into_iter().map(|row| (row.key, row.item)).collect();
    ensure!(held == history.truth, "the model itself does not hold what the source does");
    Ok(())
}

/// Returns the newest version of each key, unless it is a removal.
fn newest(versions: Vec<Expected>) -> Vec<Expected> {
    let mut of_key: BTreeMap<Key, Expected> = BTreeMap::new();
    for version in versions {
        if of_key.get(&version.key).is_none_or(|held| held.order < version.order) {
            of_key.insert(version.key.clone(), version);
        }
    }
    of_key.into_values().filter(|version| version.op.is_some_and(|op| !op.is_removal())).collect()
}

/// How a session ended.
enum Session {
    Done,
    /// A call failed; the writer, unless opening failed.
    Broken(Option<Writer>),
}

struct Delivery<'a, P> {
    bench: &'a Bench,
    history: &'a History,
    target: Target,
    atomic: bool,
    /// The last checkpoint of each epoch.
    reached: BTreeMap<Epoch, Checkpoint>,
    /// The checkpoint with which the snapshot of each epoch ended, or would have.
    ends: BTreeMap<Epoch, Checkpoint>,
    picks: P,
}

impl<'a, P: Iterator<Item = &'a Pick>> Delivery<'a, P> {
    /// Writes until everything is delivered or something breaks. `zombie` is a session that was broken before and does not know
    /// that it was replaced.
    async fn session(&mut self, destination: Arc<dyn Destination>, zombie: Option<Writer>) -> Verdict<Session> {
        let opened = async { Writer::new(destination.open(&self.target).await?, &self.target).await };
        let mut writer = match opened.await {
            Ok(writer) => writer,
            Err(error) => return played(&error).map(|()| Session::Broken(None)),
        };
        self.reached.insert(writer.checkpoint.epoch(), writer.checkpoint.clone());
        if let Some(mut zombie) = zombie
            && let Some(step) = self.next_step(&zombie.checkpoint)?
        {
            let committed = zombie.transact(&step.batches, step.ended, &step.checkpoint).await.is_ok();
            ensure!(!committed, "a session committed after another had taken its table over");
        }
        if self.atomic {
            self.agrees(&writer.checkpoint, writer.schema()).await.map_err(|stop| stop.within("after a crash"))?;
        }
        while let Some(step) = self.next_step(&writer.checkpoint)? {
            if let Some(epoch) = step.ended {
                self.ends.insert(epoch, step.checkpoint.clone());
            }
            if let Err(error) = writer.transact(&step.batches, step.ended, &step.checkpoint).await {
                return played(&error).map(|()| Session::Broken(Some(writer)));
            }
            self.reached.insert(step.checkpoint.epoch(), step.checkpoint);
        }
        Ok(Session::Done)
    }

    /// Reads the checkpoint and the columns over a connection that nobody breaks.
    async fn look(&self) -> Verdict<(Checkpoint, Option<TableSchema>)> {
        let session = self.bench.reconnect().await.open(&self.target).await?;
        let writer = Writer::new(session, &self.target).await?;
        Ok((writer.checkpoint.clone(), writer.schema().cloned()))
    }

    /// Returns what comes after a checkpoint; `None` if nothing does.
    fn next_step(&mut self, checkpoint: &Checkpoint) -> Verdict<Option<Step>> {
        let epoch = checkpoint.epoch();
        let feeds = feeds(self.history, epoch);
        let mut step = Step { batches: Vec::new(), ended: None, checkpoint: checkpoint.clone() };
        loop {
            let open: Vec<_> = feeds.iter().filter(|(id, feed)| !is_read(feed, step.checkpoint.position(id))).collect();
            if open.is_empty() {
                break;
            }
            let pick = self.picks.next().expect("picks are cycled");
            let (id, feed) = open[usize::from(pick.partition) % open.len()];
            let (changes, mut progress) = read(id, feed, step.checkpoint.position(id), pick.rows.into());
            let scanned = |(other, feed): (&PartitionId, &Feed)| {
                let after = progress.spans.get(other).map(|span| &span.to).or(step.checkpoint.position(other));
                !feed.is_scan || after == Some(&Position::End)
            };
            progress.snapshot_ended = !checkpoint.snapshot_ended() && feeds.iter().all(scanned);
            step.checkpoint.advance(&progress)?;
            step.batches.push(changes);
            if progress.snapshot_ended {
                step.ended = Some(epoch);
                break;
            }
            if pick.commit || step.batches.len() == MAX_BATCHES {
                break;
            }
        }
        if step.checkpoint != *checkpoint {
            return Ok(Some(step));
        }
        let is_last = usize::try_from(epoch.0).is_ok_and(|n| n == self.history.epochs.len());
        step.checkpoint = checkpoint.next_epoch(|_| false);
        Ok((!is_last).then_some(step))
    }

    /// Returns what the table must hold at a checkpoint.
    fn model(&self, checkpoint: &Checkpoint) -> Model {
        let mut model = Model::new(self.target.mode);
        for (&epoch, reached) in self.reached.range(..=checkpoint.epoch()) {
            let reached = if epoch == checkpoint.epoch() { checkpoint } else { reached };
            let end = self.ends.get(&epoch).filter(|_| reached.snapshot_ended());
            let apply = |model: &mut Model, from: Option<&Checkpoint>, to: &Checkpoint| {
                for (id, feed) in feeds(self.history, epoch) {
                    let from = from.map_or(0, |from| place(feed, from.position(id)));
                    feed.changes[from..place(feed, to.position(id))].iter().for_each(|change| model.apply(change));
                }
            };
            if let Some(end) = end {
                apply(&mut model, None, end);
                model.end_snapshot(epoch);
            }
            apply(&mut model, end, reached);
        }
        model
    }

    async fn agrees(&self, checkpoint: &Checkpoint, schema: Option<&TableSchema>) -> Verdict {
        self.bench.agrees(&self.target, schema, &self.model(checkpoint)).await
    }
}

/// Fails for an error that the suite did not cause.
fn played(error: &Error) -> Verdict {
    ensure!(error.message() == crate::chaos::MESSAGE, "a call that was not broken failed: {error:?}");
    Ok(())
}

fn feeds(history: &History, epoch: Epoch) -> &EpochFeed {
    &history.epochs[usize::try_from(epoch.0).expect("a small number") - 1]
}

/// Returns how many changes of a partition were read at this position.
fn place(feed: &Feed, position: Option<&Position>) -> usize {
    match position {
        None | Some(Position::Start) => 0,
        Some(Position::At(offset)) => offset.order.parse().expect("the suite wrote a number"),
        Some(Position::End) => feed.changes.len(),
    }
}

/// Returns whether the reader gets no further in a partition.
fn is_read(feed: &Feed, position: Option<&Position>) -> bool {
    position == Some(&Position::End) || feed.is_cut && place(feed, position) == feed.changes.len()
}

/// Reads the next changes of a partition.
fn read(id: &PartitionId, feed: &Feed, from: Option<&Position>, rows: usize) -> (Vec<Change>, Progress) {
    let start = place(feed, from);
    let end = feed.changes.len().min(start + rows);
    let to = if end == feed.changes.len() && !feed.is_cut {
        Position::End
    } else {
        Position::At(Offset {
            order: format!("{end:06}"),
            resume: feed.is_scan.then(|| format!("{{\"after\":{end}}}")),
        })
    };
    let span = Span { from: from.cloned(), to };
    (feed.changes[start..end].to_vec(), Progress { spans: [(id.clone(), span)].into(), ..Progress::default() })
}
