//! The rows of one file, from the form in which they are merged to the file's own.

use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::{Result, TableSchema};
use object_store::PutPayload;

use crate::encode::Encoder;
use crate::native::Layout;
use crate::types::{Shape, memory_size, stored};

/// So many rows wait before the first is encoded, as they decide how.
const SAMPLE_ROWS: u64 = 2048;

/// A file in memory.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: PutPayload,
    pub(crate) rows: u64,
    /// How many bytes its rows take in memory.
    pub(crate) memory: u64,
}

/// A file that is given rows; what it holds of them is compressed, but for the first few, and for versions, which need all others of
/// their keys.
#[derive(Debug)]
pub(crate) struct Part {
    schema: Arc<TableSchema>,
    layout: Layout,
    shape: Shape,
    compression_level: i32,
    waiting: Vec<RecordBatch>,
    encoder: Option<Encoder>,
    rows: u64,
    memory: u64,
}

impl Part {
    /// Begins a file in a shape, with the columns that rows have in it.
    pub(crate) fn new(schema: Arc<TableSchema>, layout: Layout, shape: Shape, compression_level: i32) -> Self {
        Self { schema, layout, shape, compression_level, waiting: Vec::new(), encoder: None, rows: 0, memory: 0 }
    }

    /// Adds rows in the form in which they are merged.
    pub(crate) fn push(&mut self, rows: RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.waiting.push(rows);
        let is_sample = self.encoder.is_none() && self.rows < SAMPLE_ROWS && !self.layout.is_wide();
        let must_wait = self.shape == Shape::Versions || is_sample;
        if must_wait { Ok(()) } else { self.encode() }
    }

    pub(crate) fn finish(mut self) -> Result<Encoded> {
        self.encode()?;
        let encoder = match self.encoder {
            Some(encoder) => encoder,
            None => Encoder::new(self.layout, None, self.compression_level)?,
        };
        Ok(Encoded { bytes: encoder.finish()?, rows: self.rows, memory: self.memory })
    }

    fn encode(&mut self) -> Result<()> {
        let batches = stored(std::mem::take(&mut self.waiting), self.shape, &self.schema)?;
        for rows in &batches {
            self.memory += memory_size(rows);
        }
        let Some(sample) = batches.iter().max_by_key(|rows| rows.num_rows()) else { return Ok(()) };
        let encoder = if let Some(encoder) = &mut self.encoder {
            encoder
        } else {
            self.encoder.insert(Encoder::new(self.layout.clone(), Some(sample), self.compression_level)?)
        };
        batches.iter().try_for_each(|rows| encoder.write(rows))
    }
}
