//! Bits that are appended one by one.

use arrow_buffer::{BooleanBuffer, Buffer};

/// A growing row of bits in Arrow's order; what was never set is false.
#[derive(Debug, Default)]
pub(super) struct Bits(Vec<u8>);

impl Bits {
    #[inline]
    pub(super) fn set(&mut self, index: usize) {
        let byte = index / 8;
        if byte >= self.0.len() {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= 1 << (index % 8);
    }

    /// Sets the bits below `count`, of which none was touched; there may be `most` of them in the end.
    pub(super) fn set_all(&mut self, count: usize, most: usize) {
        self.0.clear();
        self.0.reserve(most.max(count).div_ceil(8));
        self.0.resize(count / 8, u8::MAX);
        (count / 8 * 8..count).for_each(|i| self.set(i));
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> bool {
        self.0.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the bits out, `len` of them.
    pub(super) fn take(&mut self, len: usize) -> BooleanBuffer {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.resize(len.div_ceil(8), 0);
        BooleanBuffer::new(Buffer::from_vec(bytes), 0, len)
    }
}
