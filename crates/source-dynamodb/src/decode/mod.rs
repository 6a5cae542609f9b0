//! From a response's bytes to change batches, in a single pass.
//!
//! `DynamoDB` sends each value under its type (`{"price":{"N":"12.50"}}`). The decoder walks such a body once and appends every
//! value to the Arrow column it belongs to: there is no tree of values, no map per item and no string per value in between. What
//! makes it fast is kept in [`hints`]; what a value becomes stands in [`builder`] (columns and how they widen) and [`documents`]
//! (documents and sets, as JSON text).
//!
//! A body is taken whole or not at all: whatever is wrong with it is [`DataInvalid`](commutator_core::ErrorKind::DataInvalid)
//! with the offset of the byte, the attribute's name if it is known, and never a value.

mod apart;
mod batches;
mod bits;
mod builder;
mod columns;
mod cursor;
mod documents;
mod hints;
mod item;
mod kept;
mod number;
mod records;
mod scan;
mod sets;
mod skip;
mod strings;
mod tag;
mod widen;

use commutator_core::{ChangeBatch, Column, Epoch, Extras, Op, OrderKey, Result, Sequence};

pub(crate) use apart::item_of;
pub(crate) use batches::{RecordsBatches, ScanBatches};
use columns::Columns;
use documents::Documents;
pub(crate) use records::RecordFilter;
use records::{Images, Rows};

/// Decodes the pages of one table; it remembers from page to page how the table's items look.
#[derive(Debug)]
pub(crate) struct Decoder {
    columns: Columns,
    documents: Documents,
    /// Whether the filter let all records of the last page through; it will let through those of the next one, too.
    all_wanted: bool,
}

/// A decoded page of `Scan`.
#[derive(Debug)]
pub(crate) struct ScanPage {
    /// The items, if there are any.
    pub(crate) changes: Option<ChangeBatch>,
    /// The number of items in the batch.
    pub(crate) items: u64,
    /// The key to go on from: a JSON object, exactly as it was sent. `None` at the end of the segment.
    pub(crate) last_key: Option<String>,
    /// The read capacity units that the page took, if the request asked for them.
    pub(crate) read_units: Option<f64>,
    /// How many items of the page came before those that did not fit the batch, if some did not; then the key to go on from is that of
    /// the last item that did.
    pub(crate) rest: Option<usize>,
}

/// A decoded page of `GetRecords`.
#[derive(Debug)]
pub(crate) struct RecordsPage {
    /// The changes that the filter let through, if there are any.
    pub(crate) changes: Option<ChangeBatch>,
    /// Where to go on; `None` at the shard's end.
    pub(crate) next_iterator: Option<String>,
    /// The sequence number of the page's last record, whether it was dropped or not.
    pub(crate) last_sequence: Option<Sequence>,
    /// The newest time of a record in milliseconds since 1970, of dropped ones too.
    pub(crate) newest_ms: Option<i64>,
    /// The number of records, dropped ones included.
    pub(crate) records: u64,
    /// The number of records that the filter dropped.
    pub(crate) dropped: u64,
    /// Whether there are more records than fit the batch; everything above then speaks of those that did, and the others follow the
    /// last sequence number.
    pub(crate) cut: bool,
}

impl Decoder {
    /// Creates a decoder for a table with these key columns, partition key first; `Text` stands for a key of type `S`, `Binary`
    /// for `B`, and any number type for `N`.
    ///
    /// Attributes named `aws:rep:*`, which the older version of global tables adds to every item, are left out.
    pub(crate) fn new(keys: Vec<Column>) -> Self {
        Self::with_extras(keys, Extras::default())
    }

    /// Creates a decoder that also keeps the attributes named `aws:rep:*`, or each item's own text, if wanted.
    pub(crate) fn with_extras(keys: Vec<Column>, extras: Extras) -> Self {
        Self { columns: Columns::new(keys, extras), documents: Documents::new(), all_wanted: true }
    }

    /// Decodes the body of a `Scan` response.
    ///
    /// A page of many items with ever other attributes would become far larger than it is; it is decoded in several batches, of which
    /// this is the first.
    pub(crate) fn scan_page(&mut self, body: &[u8], epoch: Epoch) -> Result<ScanPage> {
        self.scan_page_from(body, epoch, 0)
    }

    /// Decodes the next batch of a page, after so many of its items.
    pub(crate) fn scan_page_from(&mut self, body: &[u8], epoch: Epoch, from: usize) -> Result<ScanPage> {
        let envelope = self.batch(|columns, documents| scan::read(body, from, columns, documents))?;
        let rows = self.columns.rows();
        let changes =
            self.take(body, vec![Op::Snapshot; rows], vec![OrderKey::snapshot(epoch); rows], vec![None; rows])?;
        let scan::Envelope { last_key, read_units, rest } = envelope;
        Ok(ScanPage { changes, items: rows as u64, last_key, read_units, rest })
    }

    /// Decodes the body of a stream's `GetRecords` response; the rows keep the order of the records.
    pub(crate) fn records_page(&mut self, body: &[u8], epoch: Epoch, filter: RecordFilter) -> Result<RecordsPage> {
        let all_wanted = self.all_wanted;
        let mut read = |images| {
            self.batch(|columns, documents| {
                let mut changes = Vec::new();
                let rows = Rows { columns, documents, images };
                let envelope = records::read(body, &filter, rows, &mut changes)?;
                Ok((envelope, changes))
            })
        };
        // Whatever fails ahead of time is decided, and said, by reading the page in the order of its rules.
        let ahead = if all_wanted { read(Images::Ahead).ok() } else { None };
        let (envelope, changes) = match ahead {
            Some(done) => done,
            None => read(Images::Afterwards)?,
        };
        self.all_wanted = envelope.dropped == 0;
        let changes = self.take(
            body,
            changes.iter().map(|change| change.op).collect(),
            changes.iter().map(|change| OrderKey::new(epoch, change.sequence)).collect(),
            changes.iter().map(|change| change.created_us).collect(),
        )?;
        Ok(RecordsPage {
            changes,
            next_iterator: envelope.next_iterator,
            last_sequence: envelope.last_sequence,
            newest_ms: envelope.newest_us.map(|us| us.div_euclid(1_000)),
            records: envelope.records,
            dropped: envelope.dropped,
            cut: envelope.cut,
        })
    }

    /// Reads a batch; once more without the item that was too much for it, if there was one.
    fn batch<T>(&mut self, read: impl Fn(&mut Columns, &mut Documents) -> Result<T>) -> Result<T> {
        self.columns.begin(&mut self.documents.hints, usize::MAX);
        match read(&mut self.columns, &mut self.documents) {
            Err(_) if self.columns.overflowed() => {
                let rows = self.columns.rows();
                self.columns.begin(&mut self.documents.hints, rows);
                read(&mut self.columns, &mut self.documents)
            }
            done => done,
        }
    }

    /// Makes batches full from so many cells on.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn set_full_cells(&mut self, cells: usize) {
        self.columns.set_full_cells(cells);
    }

    /// Decodes one item as a row of this operation, order key and time; of a removal, `item` is the key.
    pub(crate) fn item(
        &mut self,
        item: &[u8],
        (op, order, changed_at): (Op, OrderKey, Option<i64>),
    ) -> Result<Option<ChangeBatch>> {
        let body = [b"{\"Items\":[", item, b"]}"].concat();
        self.batch(|columns, documents| scan::read(&body, 0, columns, documents))?;
        let rows = self.columns.rows();
        self.take(&body, vec![op; rows], vec![order; rows], vec![changed_at; rows])
    }

    fn take(
        &mut self,
        body: &[u8],
        ops: Vec<Op>,
        orders: Vec<OrderKey>,
        changed_at: Vec<Option<i64>>,
    ) -> Result<Option<ChangeBatch>> {
        if ops.is_empty() {
            return Ok(None);
        }
        let (schema, rows) = self.columns.take(body)?;
        let (schema, rows) = match self.columns.spans() {
            Some(spans) => kept::with_items(&schema, &rows, (body, spans), &ops)?,
            None => (schema, rows),
        };
        ChangeBatch::new(schema, rows, ops, orders, changed_at).map(Some)
    }
}

#[cfg(feature = "bench")]
pub(crate) mod bench;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
#[cfg(any(test, feature = "fuzzing"))]
mod reference;
#[cfg(test)]
mod tests;
