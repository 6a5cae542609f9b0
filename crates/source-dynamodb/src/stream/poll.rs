//! Reading one page of one shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use commutator_core::{Error, ErrorKind, Progress, Result};
use tokio::time::Instant;

use super::cursor::Cursor;
use crate::decode::{Decoder, RecordsBatches};
use crate::error::Failure;
use crate::facts;
use crate::read::{Table, undecodable};

/// An iterator can expire while it is used; after so many in a row something else is wrong.
const ITERATORS: usize = 4;

/// What all readers of a stream share.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) table: Arc<Table>,
    pub(crate) stream: String,
    /// The latest `caught_up_at`, or [`NEVER`].
    pub(crate) caught_up_at: AtomicI64,
}

/// No change of the stream is known to have been read.
pub(crate) const NEVER: i64 = i64::MIN;

/// How reading a page went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// There may be more.
    Open {
        /// Whether the page had records.
        records: bool,
    },
    /// The shard's last record was sent.
    Ended,
    /// The records after the position were trimmed.
    Trimmed,
    /// The shard or the stream does not exist.
    Gone,
}

/// Reads one page from a cursor on and sends what is in it; the cursor then stands after it.
pub(crate) async fn poll(reader: &Reader, cursor: &mut Cursor, decoder: &mut Decoder) -> Result<Polled> {
    let table = &reader.table;
    let in_context = |failure: Failure, cursor: &Cursor| -> Error {
        failure
            .with("table", &table.name)
            .with("partition", &cursor.partition)
            .with("position", cursor.describe())
            .into()
    };
    for _ in 0..ITERATORS {
        let (begun, begun_ms) = (Instant::now(), table.clock.now_ms());
        // However it ends, the shard's next turn is a pause after this.
        cursor.begun = begun;
        let iterator = match cursor.iterator(begun, table.tuning.iterator_age) {
            Some(iterator) => iterator,
            None => match table.client.shard_iterator(&reader.stream, &cursor.shard, &cursor.from()?).await {
                Ok(Some(iterator)) => {
                    cursor.set_iterator(Some(iterator.clone()), begun);
                    iterator
                }
                Ok(None) => return Err(no_iterator(table, cursor)),
                Err(failure) if failure.is("TrimmedDataAccessException") => return Ok(Polled::Trimmed),
                Err(failure) if failure.is("ResourceNotFoundException") => return Ok(Polled::Gone),
                Err(failure) => return Err(in_context(failure, cursor)),
            },
        };
        let body = match table.client.records(&iterator).await {
            Ok(body) => body,
            Err(failure) if failure.is("ExpiredIteratorException") => {
                tracing::debug!(table = %table.name, partition = %cursor.partition, "iterator expired");
                cursor.set_iterator(None, begun);
                continue;
            }
            Err(failure) if failure.is("TrimmedDataAccessException") => return Ok(Polled::Trimmed),
            Err(failure) if failure.is("ResourceNotFoundException") => return Ok(Polled::Gone),
            Err(failure) => return Err(in_context(failure, cursor)),
        };
        let (filter, mut wire_bytes) = (cursor.filter(table.created_before)?, body.len());
        let mut batches = RecordsBatches::new(body, table.epoch, table.on_bad_record, filter);
        loop {
            let (batch, mut rejected) = batches
                .next(decoder)
                .map_err(|e| undecodable(e, &table.name, &cursor.partition, &cursor.describe()))?;
            // The records come before the question whether there are more: the last page of a shard has both.
            let ended = batch.next_iterator.is_none() && !batch.cut;
            if !batch.cut {
                cursor.set_iterator(batch.next_iterator, Instant::now());
            }
            let to = cursor.after_page(batch.last_sequence, ended);
            if batch.dropped > 0 {
                tracing::debug!(partition = %cursor.partition, dropped = batch.dropped, "records that are known were left out");
            }
            if batch.records == 0 {
                cursor.tip.empty_page(begun, begun_ms);
            } else {
                cursor.tip.records(batch.newest_ms);
            }
            for rejected in &mut rejected {
                rejected.partition = Some(cursor.partition.clone());
            }
            if to != cursor.position || batch.changes.is_some() || !rejected.is_empty() {
                let mut progress = Progress::of(cursor.partition.clone(), Some(cursor.position.clone()), to.clone());
                progress.facts = caught_up(reader);
                table.outlet.send_with(batch.changes, rejected, progress, std::mem::take(&mut wire_bytes)).await?;
                cursor.advance(to);
            }
            if !batch.cut {
                return Ok(if ended { Polled::Ended } else { Polled::Open { records: batch.records > 0 } });
            }
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "Shard iterators keep expiring while they are used")
        .with("table", &table.name)
        .with("partition", &cursor.partition)
        .with("position", cursor.describe()))
}

fn caught_up(reader: &Reader) -> BTreeMap<String, String> {
    match reader.caught_up_at.load(Ordering::Relaxed) {
        NEVER => BTreeMap::new(),
        at => BTreeMap::from([(facts::CAUGHT_UP_AT.to_owned(), at.to_string())]),
    }
}

fn no_iterator(table: &Table, cursor: &Cursor) -> Error {
    Error::new(ErrorKind::Unavailable, "DynamoDB Streams gave no iterator for a shard that has not ended")
        .with("table", &table.name)
        .with("partition", &cursor.partition)
        .with("position", cursor.describe())
}
