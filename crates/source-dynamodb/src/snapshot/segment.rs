//! One segment of a parallel Scan, page by page.

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Offset, Position, Progress, Result};
use tokio::time::Instant;

use super::plan::partition;
use super::start_key;
use crate::capacity::Capacity;
use crate::client::ScanPageRequest;
use crate::decode::{Decoder, ScanBatches};
use crate::outlet::memory_size;
use crate::read::{Table, undecodable};

/// What a page of 1 MB takes, as it was sent and decoded; then each page is taken to be like the one before.
const PAGE_BYTES: usize = 2 << 20;

/// What all segments of a snapshot share.
#[derive(Debug)]
pub(crate) struct Scanner {
    pub(crate) table: Arc<Table>,
    pub(crate) segments: u32,
    pub(crate) capacity: Capacity,
}

/// Reads a segment from a position to its end; returns the segment and the decoder, which goes on to the next one.
///
/// After each page the position is the page's number and the key to go on from, so a restart reads at most one page again.
pub(crate) async fn scan(
    scanner: Arc<Scanner>,
    segment: u32,
    mut position: Option<Position>,
    mut decoder: Decoder,
) -> Result<(u32, Decoder)> {
    let table = &scanner.table;
    let partition = partition(segment, scanner.segments);
    let (mut page_number, after) =
        resume_at(position.as_ref()).map_err(|e| e.with("table", &table.name).with("partition", &partition))?;
    let mut request = ScanPageRequest {
        table: table.name.clone(),
        segment: whole(segment)?,
        segments: whole(scanner.segments)?,
        consistent: table.consistent_read,
        after,
        limit: None,
    };
    let mut last_cost = None;
    let mut page_bytes = PAGE_BYTES;
    loop {
        let taken = scanner.capacity.take(last_cost).await;
        // Not before: whoever waits for capacity needs no memory, and others do.
        let mut page = table.outlet.reserve(page_bytes).await;
        request.consistent = table.consistent_read || Instant::now() < table.settled_at;
        let body = match table.client.scan(&request).await {
            Ok(body) => body,
            Err(failure) => return Err(failure.with("partition", &partition).into()),
        };
        let mut wire_bytes = body.len();
        page_bytes = wire_bytes;
        let mut batches = ScanBatches::new(body, table.epoch, table.on_bad_record);
        let mut cost = None;
        // Each batch of a page has a key to go on from, so the position may stand between them.
        let ended = loop {
            let (batch, mut rejected) = batches
                .next(&mut decoder, &format!("of page {}", page_number + 1))
                .map_err(|e| undecodable(e, &table.name, &partition, &format!("after page {page_number}")))?;
            cost = cost.or(batch.read_units);
            page_number += 1;
            tracing::trace!(table = %table.name, %partition, page_number, items = batch.items, "page read");
            let to = match &batch.last_key {
                None => Position::End,
                Some(key) => {
                    request.after = Some(start_key::parse(key).map_err(|e| {
                        undecodable(e, &table.name, &partition, &format!("at the end of page {page_number}"))
                    })?);
                    Position::At(Offset { order: format!("{page_number:012}"), resume: Some(key.clone()) })
                }
            };
            let progress = Progress::of(partition.clone(), position.replace(to.clone()), to);
            for rejected in &mut rejected {
                rejected.partition = Some(partition.clone());
            }
            // More than was reserved is not waited for: whoever holds something must not wait for others who do.
            let size = memory_size(batch.changes.as_ref(), &rejected);
            page_bytes += size;
            let (permit, wire_bytes) = (page.split(size), std::mem::take(&mut wire_bytes));
            table.outlet.send_within(permit, batch.changes, rejected, progress, wire_bytes).await?;
            if batch.rest.is_none() {
                break batch.last_key.is_none();
            }
        };
        scanner.capacity.settle(taken, cost);
        last_cost = cost.or(last_cost);
        if ended {
            return Ok((segment, decoder));
        }
    }
}

type StartKey = std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

/// Returns how many pages were read, and the key to go on from.
fn resume_at(position: Option<&Position>) -> Result<(u64, Option<StartKey>)> {
    match position {
        None | Some(Position::Start | Position::End) => Ok((0, None)),
        Some(Position::At(offset)) => {
            let broken = || Error::new(ErrorKind::Unexpected, "A checkpoint has a scan position that cannot be read");
            let pages = offset.order.parse().map_err(|e| broken().with_source(Box::new(e) as Box<_>))?;
            let key = offset.resume.as_deref().ok_or_else(broken)?;
            Ok((pages, Some(start_key::parse(key)?)))
        }
    }
}

fn whole(number: u32) -> Result<i32> {
    i32::try_from(number)
        .map_err(|e| Error::new(ErrorKind::Unexpected, "A snapshot has too many segments").with_source(e))
}
