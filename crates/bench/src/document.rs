//! What both baselines write of documents: strings and sets as JSON text.

use std::borrow::Cow;
use std::fmt::{Formatter, Result, Write};

use serde::de::{Deserialize, Deserializer, Visitor};

/// Writes a text as a JSON string.
#[inline]
pub(crate) fn quote(text: &str, out: &mut impl Write) -> Result {
    out.write_char('"')?;
    let special = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    let mut rest = text;
    while let Some(at) = rest.bytes().position(special) {
        out.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            b'\n' => out.write_str("\\n")?,
            b'\t' => out.write_str("\\t")?,
            b'"' => out.write_str("\\\"")?,
            b'\\' => out.write_str("\\\\")?,
            control => write!(out, "\\u{control:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    out.write_str(rest)?;
    out.write_char('"')
}

/// Writes a set of strings, sorted.
pub(crate) fn text_set<T: AsRef<str>>(set: &mut [T], out: &mut impl Write) -> Result {
    set.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
    array(set, out, |text, out| quote(text, out))
}

/// Writes a set of whole numbers, sorted by value.
pub(crate) fn number_set<T: AsRef<str>>(set: &mut [T], out: &mut impl Write) -> Result {
    set.sort_unstable_by_key(|number| number.as_ref().parse::<i64>().unwrap_or_default());
    array(set, out, |number, out| out.write_str(number))
}

fn array<T: AsRef<str>, W: Write>(set: &[T], out: &mut W, write: fn(&str, &mut W) -> Result) -> Result {
    out.write_char('[')?;
    for (i, element) in set.iter().enumerate() {
        if i > 0 {
            out.write_char(',')?;
        }
        write(element.as_ref(), out)?;
    }
    out.write_char(']')
}

/// A string, borrowed where the body has it as it is.
#[derive(Debug)]
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut Formatter<'_>) -> Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> std::result::Result<Text<'de>, E> {
                Ok(Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Text<'de>, E> {
                Ok(Text(text.to_owned().into()))
            }
        }

        deserializer.deserialize_str(Borrowed)
    }
}
