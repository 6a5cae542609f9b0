//! Answers as they go over the wire: headers, checksum, and a body that may be damaged or cut.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, DATE};
use hyper::{Response, StatusCode};

use crate::clock::http_date;
use crate::faults::Fault;
use crate::random::Dice;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) request_id: String,
    /// What the Date header says, in milliseconds since 1970.
    pub(crate) date: u64,
    pub(crate) delay: Duration,
    crc_damage: u32,
    cut: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &'static str, body: String, request_id: String, date: u64) -> Self {
        let body = body.into_bytes();
        Self { status, content_type, body, request_id, date, delay: Duration::ZERO, crc_damage: 0, cut: None }
    }

    /// Does to the answer what a fault does; those that end a request before it is done have no effect here.
    pub(crate) fn damage(&mut self, fault: Fault, dice: Dice) {
        let length = self.body.len();
        let place = |low: usize| {
            let drawn = dice.draw(&self.request_id, 1) % u64::try_from(length.saturating_sub(low)).unwrap_or(1).max(1);
            (low + usize::try_from(drawn).unwrap_or(0)).min(length.saturating_sub(1))
        };
        match fault {
            Fault::CutBody => self.cut = Some(place(0)),
            Fault::Slow(by) => self.delay = by,
            Fault::WrongCrc => self.crc_damage = 1,
            // A control character is legal nowhere in JSON.
            Fault::MalformedJson => {
                let place = place(0);
                if let Some(byte) = self.body.get_mut(place) {
                    *byte = 1;
                }
            }
            // Not to nothing: an empty body is as good as an empty object to the SDK.
            Fault::TruncatedJson => self.body.truncate(place(1)),
            Fault::ClockSkew(seconds) => {
                let by = seconds.unsigned_abs() * 1000;
                self.date = if seconds < 0 { self.date.saturating_sub(by) } else { self.date + by };
            }
            _ => {}
        }
    }

    pub(crate) fn into_response(self) -> Response<Payload> {
        let crc = crc32fast::hash(&self.body) ^ self.crc_damage;
        let length = self.body.len();
        let mut body = Bytes::from(self.body);
        if let Some(at) = self.cut {
            body.truncate(at);
        }
        let mut response = Response::new(Payload::new([body], length));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let crc = crc.to_string();
        let headers = [
            (CONTENT_TYPE.as_str(), self.content_type),
            (DATE.as_str(), &http_date(self.date)),
            ("x-amzn-requestid", &self.request_id),
            ("x-amz-crc32", &crc),
        ];
        for (name, value) in headers {
            // Both are visible ASCII.
            if let (Ok(name), Ok(value)) = (name.parse::<hyper::header::HeaderName>(), value.parse()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// A body of chunks in memory. If they are shorter than announced, the connection ends after them.
#[derive(Debug)]
pub struct Payload {
    chunks: VecDeque<Bytes>,
    /// What is left of the announced length.
    left: u64,
    flushed: bool,
}

impl Payload {
    pub(crate) fn new(chunks: impl IntoIterator<Item = Bytes>, announced: usize) -> Self {
        let left = u64::try_from(announced).unwrap_or(u64::MAX);
        Self { chunks: chunks.into_iter().collect(), left, flushed: false }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        while let Some(chunk) = self.chunks.pop_front() {
            if !chunk.is_empty() {
                self.left -= u64::try_from(chunk.len()).unwrap_or(0);
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if !self.flushed {
            // Waiting once makes the server send what it has, so that the client sees the beginning.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by plan"))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(fault: Fault, seed: u64) -> Reply {
        let mut reply = Reply::new(200, "x", r#"{"a":"b"}"#.to_owned(), "id".to_owned(), 10_000);
        reply.damage(fault, Dice::new(seed));
        reply
    }

    #[test]
    fn damage_is_always_damage() {
        for seed in 0..200 {
            for fault in [Fault::MalformedJson, Fault::TruncatedJson] {
                let body = damaged(fault, seed).body;
                assert!(!body.is_empty() && serde_json::from_slice::<serde_json::Value>(&body).is_err(), "{body:?}");
            }
            assert!(damaged(Fault::CutBody, seed).cut.unwrap() < 9);
        }
        assert_eq!(damaged(Fault::ClockSkew(-3), 0).date, 7_000);
        let crc = damaged(Fault::WrongCrc, 0).into_response().headers()["x-amz-crc32"].to_str().unwrap().to_owned();
        assert_ne!(crc, crc32fast::hash(br#"{"a":"b"}"#).to_string());
    }
}
