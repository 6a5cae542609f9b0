//! What the benchmarks call: the decoder as the source uses it, page by page.

use bytes::Bytes;
use commutator_core::{ChangeBatch, Column, Epoch, OnBadRecord, Result};

use super::{Decoder, RecordFilter, RecordsBatches, ScanBatches};

/// Decodes pages of one table; it learns from each how the next one looks.
#[derive(Debug)]
pub struct PageDecoder(Decoder);

impl PageDecoder {
    /// Creates a decoder for a table with these key columns, partition key first.
    pub fn new(keys: Vec<Column>) -> Self {
        Self(Decoder::new(keys))
    }

    /// Decodes the body of a `Scan` response; it is several batches only if its items are sparse.
    pub fn scan_page(&mut self, body: &Bytes) -> Result<Vec<ChangeBatch>> {
        let mut batches = ScanBatches::new(body.clone(), Epoch::FIRST, OnBadRecord::Fail);
        let mut changes = Vec::with_capacity(1);
        loop {
            let (page, _) = batches.next(&mut self.0, "")?;
            changes.extend(page.changes);
            if page.rest.is_none() {
                return Ok(changes);
            }
        }
    }

    /// Decodes the body of a `GetRecords` response.
    pub fn records_page(&mut self, body: &Bytes) -> Result<Vec<ChangeBatch>> {
        let mut batches = RecordsBatches::new(body.clone(), Epoch::FIRST, OnBadRecord::Fail, RecordFilter::default());
        let mut changes = Vec::with_capacity(1);
        loop {
            let (page, _) = batches.next(&mut self.0)?;
            changes.extend(page.changes);
            if !page.cut {
                return Ok(changes);
            }
        }
    }
}
