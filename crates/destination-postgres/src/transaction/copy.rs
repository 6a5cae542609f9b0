//! Rows on their way to the server by COPY.

use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use commutator_core::{ChangeBatch, Result};
use futures_util::SinkExt;
use tokio_postgres::{Client, CopyInSink};

use crate::config::NulPolicy;
use crate::encode::{HEADER, Rows, Shape, TRAILER};
use crate::error;

/// Rows are sent in pieces of about this size: small enough to stay in a core's cache, large enough that their number is no cost.
const CHUNK: usize = 256 << 10;

/// A COPY that goes on over several batches. Dropping it makes the server fail it.
pub(super) struct Copy {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    buffer: BytesMut,
    shape: Shape,
    nul: NulPolicy,
    replaced: u64,
}

impl Copy {
    pub(super) async fn begin(client: &Client, statement: &str, shape: Shape, nul: NulPolicy) -> Result<Self> {
        let sink = client.copy_in(statement).await.map_err(|e| error::failed(e, "Rows cannot be copied"))?;
        let mut buffer = BytesMut::with_capacity(CHUNK + CHUNK / 4);
        buffer.extend_from_slice(HEADER);
        Ok(Self { sink: Box::pin(sink), buffer, shape, nul, replaced: 0 })
    }

    /// Sends a batch; what does not fill a chunk waits for the next one.
    pub(super) async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        let mut rows = Rows::new(batch, self.shape, self.nul)?;
        while rows.fill(&mut self.buffer, CHUNK)? || self.buffer.len() >= CHUNK {
            self.send().await?;
        }
        self.replaced += rows.replaced();
        Ok(())
    }

    /// Returns how many values had a NUL that was replaced.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Ends the COPY; the error is the server's own, which may be that a key is there twice.
    pub(super) async fn finish(mut self) -> std::result::Result<(), tokio_postgres::Error> {
        self.buffer.extend_from_slice(TRAILER);
        self.sink.feed(self.buffer.split().freeze()).await?;
        self.sink.as_mut().finish().await.map(|_| ())
    }

    async fn send(&mut self) -> Result<()> {
        let chunk = self.buffer.split().freeze();
        self.buffer.reserve(CHUNK + CHUNK / 4);
        self.sink.feed(chunk).await.map_err(|e| error::failed(e, "Rows cannot be copied"))
    }
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy").field("shape", &self.shape).field("buffered", &self.buffer.len()).finish_non_exhaustive()
    }
}
