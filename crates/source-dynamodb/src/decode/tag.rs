//! The types that a `DynamoDB` value can have, as they stand in its type object.

use std::fmt;

use commutator_core::Result;

use super::cursor::{Cursor, invalid};

/// The member of a type object, such as `S` in `{"S":"text"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    S,
    N,
    B,
    Bool,
    Null,
    M,
    L,
    Ss,
    Ns,
    Bs,
    /// Not looked at: the value is left out.
    Skipped,
}

const TAGS: [(Tag, &str); 10] = [
    (Tag::S, "S"),
    (Tag::N, "N"),
    (Tag::B, "B"),
    (Tag::Bool, "BOOL"),
    (Tag::Null, "NULL"),
    (Tag::M, "M"),
    (Tag::L, "L"),
    (Tag::Ss, "SS"),
    (Tag::Ns, "NS"),
    (Tag::Bs, "BS"),
];

const S: u64 = word(*b"{\"S\":\"\0\0");
const N: u64 = word(*b"{\"N\":\"\0\0");
const B: u64 = word(*b"{\"B\":\"\0\0");
const M: u64 = word(*b"{\"M\":{\0\0");
const L: u64 = word(*b"{\"L\":[\0\0");
const BOOL: u64 = word(*b"{\"BOOL\":");

const fn word(bytes: [u8; 8]) -> u64 {
    u64::from_le_bytes(bytes)
}

impl Tag {
    /// Reads a type object up to the content of its value: behind a quote or bracket that opens it.
    #[inline]
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        if let Some(&block) = cursor.rest().first_chunk::<8>() {
            let (tag, length) = match word(block) & 0x0000_ffff_ffff_ffff {
                S => (Self::S, 6),
                N => (Self::N, 6),
                B => (Self::B, 6),
                M => (Self::M, 6),
                L => (Self::L, 6),
                _ if word(block) == BOOL && matches!(cursor.rest().get(8), Some(b't' | b'f')) => (Self::Bool, 8),
                _ => return Self::read_slowly(cursor),
            };
            cursor.advance(length);
            return Ok(tag);
        }
        Self::read_slowly(cursor)
    }

    #[inline(never)]
    fn read_slowly(cursor: &mut Cursor<'_>) -> Result<Self> {
        cursor.expect(b'{')?;
        cursor.space();
        let at = cursor.at();
        if cursor.rest().first() == Some(&b'}') {
            return Err(invalid(
                "A value has no type: `{}` stands where `{\"M\":{}}` must, as DynamoDB Local 3 writes empty maps in stream images",
                at,
            ));
        }
        let name = cursor.string()?;
        let known = TAGS.iter().find(|(_, tag)| tag.as_bytes() == name.as_ref());
        let &(tag, _) = known.ok_or_else(|| invalid("A value has a type that is not known", at))?;
        cursor.expect(b':')?;
        match tag {
            Self::S | Self::N | Self::B => cursor.expect(b'"')?,
            Self::M => cursor.expect(b'{')?,
            Self::L | Self::Ss | Self::Ns | Self::Bs => cursor.expect(b'[')?,
            Self::Bool | Self::Null | Self::Skipped => cursor.space(),
        }
        Ok(tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TAGS.iter().find(|(tag, _)| tag == self).map_or("none", |(_, name)| name))
    }
}
