//! What there is in a table's stream that its checkpoint does not have, and how long until it would be lost.
//!
//! The shards that may be read next are asked for their first record after the checkpoint's position, with a limit of one record;
//! nothing is read for good. What is exact and what is not:
//!
//! - `covered_until` and `time_left` come from the checkpoint and from the rule by which a run calls a gap, so they are exact but for
//!   the clock. If the stream was idle there may be nothing to lose; a run would still not know that, and read the table anew.
//! - `oldest_unread` has the grain of creation times, a second, and is an estimate: a shard whose first few pages are empty is taken for
//!   read, and no more than [`SHARDS`] shards are asked. `complete` says whether that bound was met.
//! - Vanished shards are named after one listing, which is eventually consistent; a run lists them several times before it believes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use commutator_core::{Backlog, Checkpoint, Error, Position, Result, Sequence, TableName};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::begin::{Beginning, begin, changes_since};
use super::cursor::Cursor;
use super::follow::{listed_shards, names};
use super::lineage::{Lineage, Shard, known, lineage};
use super::retention::{covered_until, is_safe, time_left};
use super::tip::EMPTY_PAGES;
use crate::client::{Client, From};
use crate::discover;
use crate::facts;
use crate::read::SNAPSHOT_MARGIN_MS;
use crate::snapshot::Plan;
use crate::source::Connected;

/// So many shards are asked at most, the oldest first: ids begin with a time. Each costs one iterator and up to three pages.
const SHARDS: usize = 32;
/// So many at the same time.
const AT_A_TIME: usize = 8;

/// What a shard has after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// A record, created at this time.
    Record(Option<i64>),
    /// Nothing was found.
    Nothing,
    /// Nothing, and nothing comes any more: its children are next.
    Ended,
    /// Records after the position were trimmed.
    Trimmed,
    /// The shard does not exist any more.
    Gone,
}

/// Tells what a checkpoint does not have; see [`Source::backlog`](commutator_core::Source::backlog).
pub(crate) async fn backlog(source: &Connected, name: &TableName, checkpoint: &Checkpoint) -> Result<Backlog> {
    let description = discover::describe(&source.short, name).await?;
    let now_ms = source.clock.now_ms().saturating_sub(source.short.clock_ahead_ms());
    let covered = covered_until(checkpoint)?;
    let told = Backlog {
        asked_at: now_ms,
        covered_until: covered,
        time_left: time_left(covered, now_ms),
        ..Backlog::default()
    };
    // A table whose stream cannot be followed has a time that is left, but nothing to ask.
    let Ok(arn) = discover::followable(&description) else { return Ok(told) };
    let stream = source.short.describe_stream(arn).await.map_err(|f| Error::from(f.with("table", name)))?;
    let listed = listed_shards(stream.shards());
    let begins = !checkpoint.snapshot_ended() && Plan::resume(checkpoint)?.is_none();
    let positions = match begin(checkpoint, begins, arn, &listed, now_ms)? {
        Beginning::Lost(gap) => return Ok(lost(told, gap.reason)),
        Beginning::Go { positions, .. } => positions,
    };
    let wanted_since = if begins {
        Some(changes_since(checkpoint, arn, &listed, now_ms)?)
    } else {
        facts::number(checkpoint, facts::CHANGES_SINCE)?
    };
    // A snapshot that begins sees whatever there is, so nothing is lost before it.
    let safe = begins || is_safe(covered, now_ms);
    let lineage = lineage(&listed, &known(&positions));
    if let Some(reason) = missing(&lineage, safe) {
        return Ok(lost(told, reason));
    }
    let found = ask_all(&source.short, arn, &listed, &positions, lineage, safe).await;
    let found = found.map_err(|error| error.with("table", name))?;
    Ok(match found.trimmed {
        Some(shard) => lost(told, format!("Changes of shard {shard} were trimmed before they were read")),
        None => found.told(told, wanted_since.map(|ms| ms.saturating_sub(SNAPSHOT_MARGIN_MS))),
    })
}

fn lost(mut told: Backlog, reason: String) -> Backlog {
    told.gap = Some(reason);
    told.time_left = Some(0);
    told
}

/// Returns what a listing says is lost.
fn missing(lineage: &Lineage, safe: bool) -> Option<String> {
    if !lineage.vanished.is_empty() {
        return Some(format!("Shards vanished before they were read to their end: {}", names(&lineage.vanished)));
    }
    if !safe && !lineage.orphans.is_empty() {
        let orphans = names(&lineage.orphans);
        return Some(format!("The parents of these shards expired before they were read: {orphans}"));
    }
    None
}

/// What asking the shards found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    oldest: Option<i64>,
    unread: u64,
    incomplete: bool,
    trimmed: Option<String>,
}

impl Found {
    fn note(&mut self, shard: &str, rest: Rest) {
        match rest {
            Rest::Record(created_ms) => {
                self.unread += 1;
                self.oldest = self.oldest.into_iter().chain(created_ms).min();
                self.incomplete |= created_ms.is_none();
            }
            Rest::Nothing | Rest::Ended => {}
            Rest::Trimmed => self.trimmed = Some(shard.to_owned()),
            Rest::Gone => self.incomplete = true,
        }
    }

    /// Adds what was found. Changes created before `wanted_since` are left out by a run, so none counts as older.
    fn told(&self, told: Backlog, wanted_since: Option<i64>) -> Backlog {
        let oldest = self.oldest.map(|at| wanted_since.map_or(at, |since| at.max(since)));
        let left = oldest.and_then(|at| time_left(Some(at), told.asked_at));
        Backlog {
            oldest_unread: oldest,
            unread_partitions: self.unread,
            complete: !self.incomplete,
            time_left: told.time_left.into_iter().chain(left).min(),
            ..told
        }
    }
}

/// Asks the shards that may be read next, and the children of those that turn out to have ended. A child of a shard that has records
/// has newer ones, so it need not be asked.
async fn ask_all(
    client: &Client,
    stream_arn: &str,
    listed: &[Shard],
    positions: &BTreeMap<String, Position>,
    lineage: Lineage,
    safe: bool,
) -> Result<Found> {
    let mut found = Found::default();
    let mut next: VecDeque<String> = lineage.ready.union(&lineage.orphans).cloned().collect();
    let mut seen: BTreeSet<String> = next.iter().cloned().collect();
    let mut asked = 0;
    while !next.is_empty() {
        let round: Vec<String> = next.drain(..next.len().min(SHARDS.saturating_sub(asked))).collect();
        if round.is_empty() {
            found.incomplete = true;
            break;
        }
        asked += round.len();
        let answers: Vec<(String, Rest)> = stream::iter(round)
            .map(|id| async {
                let position = positions.get(&id).cloned().unwrap_or(Position::Start);
                let rest = ask(client, stream_arn, Cursor::new(&id, position, None), safe).await?;
                Ok::<_, Error>((id, rest))
            })
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        for (id, rest) in answers {
            found.note(&id, rest);
            if rest == Rest::Ended {
                let children = listed.iter().filter(|shard| shard.parent.as_deref() == Some(&*id));
                let unread = children.filter(|child| positions.get(&child.id) != Some(&Position::End));
                next.extend(unread.filter(|child| seen.insert(child.id.clone())).map(|child| child.id.clone()));
            }
        }
    }
    Ok(found)
}

/// Asks one shard for its first record after a cursor.
async fn ask(client: &Client, stream_arn: &str, mut cursor: Cursor, safe: bool) -> Result<Rest> {
    let read = match &cursor.position {
        Position::At(offset) => Some(offset.order.parse::<Sequence>()?),
        Position::Start | Position::End => None,
    };
    loop {
        let from = cursor.from()?;
        let rest = match client.shard_iterator(stream_arn, &cursor.shard, &from).await {
            Ok(Some(iterator)) => first_record(client, iterator, read).await,
            Ok(None) => Ok(Rest::Ended),
            Err(failure) => Err(failure),
        };
        return match rest {
            Ok(rest) => Ok(rest),
            Err(failure) if failure.is("ResourceNotFoundException") => Ok(Rest::Gone),
            Err(failure) if failure.is("TrimmedDataAccessException") => {
                if safe && from != From::TrimHorizon {
                    // Only what was read before can have been trimmed.
                    cursor.restart_at_horizon();
                    continue;
                }
                Ok(if safe { Rest::Nothing } else { Rest::Trimmed })
            }
            Err(failure) => Err(failure.with("partition", &cursor.partition).into()),
        };
    }
}

/// Follows an iterator over a few pages to the first record that was not `read`.
async fn first_record(
    client: &Client,
    iterator: String,
    read: Option<Sequence>,
) -> Result<Rest, crate::error::Failure> {
    let mut iterator = iterator;
    for _ in 0..EMPTY_PAGES {
        let (record, next) = client.first_record(&iterator).await?;
        if let Some(record) = record {
            let sequence = record.sequence.as_deref().and_then(|text| text.parse::<Sequence>().ok());
            if read.is_none() || sequence > read {
                return Ok(Rest::Record(record.created_ms));
            }
        }
        match next {
            Some(next) => iterator = next,
            None => return Ok(Rest::Ended),
        }
    }
    Ok(Rest::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parent: Option<&str>) -> Shard {
        Shard { id: id.to_owned(), parent: parent.map(str::to_owned) }
    }

    #[test]
    fn the_oldest_record_of_any_shard_counts_and_shortens_the_time_left() {
        const HOUR: i64 = 3_600_000;
        let told = Backlog { asked_at: 30 * HOUR, time_left: Some(23 * 3_600_000), ..Backlog::default() };
        let mut found = Found::default();
        assert_eq!(found.told(told.clone(), None), Backlog { complete: true, ..told.clone() });
        found.note("a", Rest::Record(Some(29 * HOUR)));
        found.note("b", Rest::Record(Some(20 * HOUR)));
        found.note("c", Rest::Nothing);
        found.note("d", Rest::Ended);
        let sum = found.told(told.clone(), None);
        assert_eq!((sum.oldest_unread, sum.unread_partitions, sum.complete), (Some(20 * HOUR), 2, true));
        assert_eq!(sum.time_left, Some(13 * 3_600_000));
        let clamped = found.told(told.clone(), Some(28 * HOUR));
        assert_eq!(clamped.oldest_unread, Some(28 * HOUR), "what a run leaves out does not count");
        found.note("e", Rest::Record(None));
        assert!(!found.told(told.clone(), None).complete, "its age is not known");
        found.note("f", Rest::Trimmed);
        assert_eq!(found.trimmed.as_deref(), Some("f"));
    }

    #[test]
    fn a_listing_names_what_is_lost() {
        let positions = BTreeMap::from([("gone".to_owned(), Position::Start), ("s0".to_owned(), Position::Start)]);
        let vanished = lineage(&[shard("s0", None)], &known(&positions));
        assert!(missing(&vanished, true).unwrap().contains("gone"));
        let orphans = lineage(&[shard("s9", Some("s8"))], &BTreeMap::new());
        assert_eq!(missing(&orphans, true), None);
        assert!(missing(&orphans, false).unwrap().contains("s9"));
        assert_eq!(missing(&lineage(&[shard("s0", None)], &BTreeMap::new()), false), None);
    }
}
