//! A page read batch by batch, and without what cannot be read, if that may be set aside.

use std::collections::VecDeque;

use bytes::Bytes;
use commutator_core::{Epoch, OnBadRecord, OrderKey, Rejected, Result, Sequence};

use super::{Decoder, RecordFilter, RecordsPage, ScanPage};

/// The batches of a `Scan` page; most pages are one.
#[derive(Debug)]
pub(crate) struct ScanBatches {
    body: Bytes,
    epoch: Epoch,
    on_bad_record: OnBadRecord,
    /// How many of the page's items were read.
    from: usize,
    /// What could not be read and was not handed on yet, with the number of readable items before it.
    rejected: VecDeque<(usize, Rejected)>,
}

impl ScanBatches {
    pub(crate) fn new(body: Bytes, epoch: Epoch, on_bad_record: OnBadRecord) -> Self {
        Self { body, epoch, on_bad_record, from: 0, rejected: VecDeque::new() }
    }

    /// Reads the next batch, and returns with it what before its end could not be read; `place` names the page.
    pub(crate) fn next(&mut self, decoder: &mut Decoder, place: &str) -> Result<(ScanPage, Vec<Rejected>)> {
        let batch = match decoder.scan_page_from(&self.body, self.epoch, self.from) {
            Err(error) if self.on_bad_record == OnBadRecord::DeadLetter => {
                let apart = decoder.scan_page_apart(&self.body, self.from, self.epoch, place, error)?;
                self.body = apart.body.into();
                self.rejected.extend(apart.rejected);
                decoder.scan_page_from(&self.body, self.epoch, self.from)?
            }
            read => read?,
        };
        let mut rejected = Vec::new();
        while let Some((before, _)) = self.rejected.front()
            && batch.rest.is_none_or(|rest| *before < rest)
        {
            rejected.extend(self.rejected.pop_front().map(|(_, rejected)| rejected));
        }
        self.from = batch.rest.unwrap_or(self.from);
        Ok((batch, rejected))
    }
}

/// The batches of a `GetRecords` page; most pages are one.
#[derive(Debug)]
pub(crate) struct RecordsBatches {
    body: Bytes,
    epoch: Epoch,
    on_bad_record: OnBadRecord,
    filter: RecordFilter,
    /// The page's last sequence number, if something on it could not be read.
    last: Option<Sequence>,
    /// What could not be read and was not handed on yet.
    rejected: VecDeque<Rejected>,
}

impl RecordsBatches {
    pub(crate) fn new(body: Bytes, epoch: Epoch, on_bad_record: OnBadRecord, filter: RecordFilter) -> Self {
        Self { body, epoch, on_bad_record, filter, last: None, rejected: VecDeque::new() }
    }

    /// Reads the next batch, and returns with it what before its end could not be read.
    pub(crate) fn next(&mut self, decoder: &mut Decoder) -> Result<(RecordsPage, Vec<Rejected>)> {
        let mut batch = match decoder.records_page(&self.body, self.epoch, self.filter) {
            Err(error) if self.on_bad_record == OnBadRecord::DeadLetter => {
                let apart = decoder.records_page_apart(&self.body, self.epoch, self.filter, error)?;
                self.body = apart.body.into();
                self.last = apart.last;
                self.rejected.extend(apart.rejected);
                let mut batch = decoder.records_page(&self.body, self.epoch, self.filter)?;
                batch.records += apart.left_out;
                batch.dropped += apart.left_out;
                batch
            }
            read => read?,
        };
        if batch.cut {
            // What is left of the page follows the last record that was read of it.
            self.filter.after = self.filter.after.max(batch.last_sequence);
        } else {
            batch.last_sequence = batch.last_sequence.max(self.last);
        }
        let mut rejected = Vec::new();
        while let Some(first) = self.rejected.front()
            && (!batch.cut || batch.last_sequence.is_some_and(|last| first.order <= OrderKey::new(self.epoch, last)))
        {
            rejected.extend(self.rejected.pop_front());
        }
        batch.records += rejected.len() as u64;
        Ok((batch, rejected))
    }
}
