//! A page that was rendered beforehand, and what it is sent as.

use bytes::Bytes;
use crc32fast::Hasher;
use memchr::memmem::find_iter;

/// The beginning of a body, to which an end is added.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) body: Bytes,
    crc: Hasher,
    pub(super) rows: usize,
    /// Where the values of its keys stand.
    keys: Vec<usize>,
}

/// So many characters of each key are replaced to make it another one.
const NUMBER: usize = 8;

impl Page {
    pub(super) fn new(body: String, rows: usize, key: &str) -> Self {
        let mut crc = Hasher::new();
        crc.update(body.as_bytes());
        let before = format!("{}:{{\"S\":\"", serde_json::Value::from(key));
        let values = find_iter(body.as_bytes(), before.as_bytes()).map(|at| at + before.len());
        let keys =
            values.filter(|&at| body.as_bytes()[at..].iter().take(NUMBER).all(u8::is_ascii_alphanumeric)).collect();
        Self { body: body.into(), crc, rows, keys }
    }

    pub(super) fn with_end(&self, end: String) -> Answer {
        let mut crc = self.crc.clone();
        crc.update(end.as_bytes());
        Answer { chunks: [self.body.clone(), end.into()], crc: crc.finalize(), status: 200 }
    }

    /// The same with a number at the beginning of each key.
    pub(super) fn numbered(&self, number: u64, end: String) -> Answer {
        let (number, mut body) = (format!("{number:0NUMBER$x}"), self.body.to_vec());
        for &at in &self.keys {
            body[at..at + NUMBER].copy_from_slice(&number.as_bytes()[number.len() - NUMBER..]);
        }
        let mut crc = Hasher::new();
        crc.update(&body);
        crc.update(end.as_bytes());
        Answer { chunks: [body.into(), end.into()], crc: crc.finalize(), status: 200 }
    }
}

/// An answer to a request.
pub(super) struct Answer {
    pub(super) chunks: [Bytes; 2],
    pub(super) crc: u32,
    pub(super) status: u16,
}

impl Answer {
    pub(super) fn whole(status: u16, body: String) -> Self {
        let crc = crc32fast::hash(body.as_bytes());
        Self { chunks: [body.into(), Bytes::new()], crc, status }
    }
}
