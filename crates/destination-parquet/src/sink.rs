//! Where a file that is being encoded is gathered.

use std::io;

use object_store::{PutPayload, PutPayloadMut};

/// A file grows by blocks of so many bytes. One buffer would be copied over and over, and at times be there twice.
const BLOCK: usize = 64 << 10;

/// The bytes of a file so far.
#[derive(Debug)]
pub(crate) struct Sink(PutPayloadMut);

impl Sink {
    pub(crate) fn new() -> Self {
        Self(PutPayloadMut::new().with_block_size(BLOCK))
    }

    pub(crate) fn finish(self) -> PutPayload {
        self.0.freeze()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
