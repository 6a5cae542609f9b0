//! One segment of a parallel Scan, page by page.

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Offset, OnBadRecord, Position, Progress, Result};

use super::plan::partition;
use super::start_key;
use crate::capacity::Capacity;
use crate::client::ScanPageRequest;
use crate::decode::Decoder;
use crate::read::{Table, undecodable};

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
    loop {
        let taken = scanner.capacity.take(last_cost).await;
        let body = match table.client.scan(&request).await {
            Ok(body) => body,
            Err(failure) => return Err(failure.with("partition", &partition).into()),
        };
        let read = match decoder.scan_page(&body, table.epoch) {
            Ok(page) => Ok((page, Vec::new())),
            Err(error) if table.on_bad_record == OnBadRecord::DeadLetter => {
                decoder.scan_page_apart(&body, table.epoch, &format!("of page {}", page_number + 1), error)
            }
            Err(error) => Err(error),
        };
        let (page, mut rejected) =
            read.map_err(|e| undecodable(e, &table.name, &partition, &format!("after page {page_number}")))?;
        scanner.capacity.settle(taken, page.read_units);
        last_cost = page.read_units.or(last_cost);
        page_number += 1;
        tracing::trace!(table = %table.name, %partition, page_number, items = page.items, "page read");
        let to = match &page.last_key {
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
        table.outlet.send_with(page.changes, rejected, progress, body.len()).await?;
        if page.last_key.is_none() {
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
