//! The character NUL, which neither `text` nor `jsonb` can hold.

use commutator_core::{Error, ErrorKind, Result};
use memchr::{memchr, memmem};

use crate::config::NulPolicy;

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Returns the text with every NUL replaced, `None` if there is none.
///
/// In a key a NUL is always refused: two keys could become one.
pub(super) fn clean_text(text: &[u8], key: bool, policy: NulPolicy) -> Result<Option<Vec<u8>>> {
    if memchr(0, text).is_none() {
        return Ok(None);
    }
    if key {
        return Err(Error::new(ErrorKind::DataInvalid, "A key contains the character NUL, which Postgres cannot hold"));
    }
    if policy == NulPolicy::Fail {
        return Err(refused());
    }
    let mut clean = Vec::with_capacity(text.len() + 2);
    for &byte in text {
        match byte {
            0 => clean.extend_from_slice(REPLACEMENT),
            byte => clean.push(byte),
        }
    }
    Ok(Some(clean))
}

/// Returns the JSON text with every escaped NUL replaced, `None` if there is none.
pub(super) fn clean_json(text: &[u8], policy: NulPolicy) -> Result<Option<Vec<u8>>> {
    let escaped: Vec<usize> = memmem::find_iter(text, br"\u0000").filter(|&at| is_escape(text, at)).collect();
    if escaped.is_empty() {
        return Ok(None);
    }
    if policy == NulPolicy::Fail {
        return Err(refused());
    }
    let mut clean = text.to_vec();
    for at in escaped {
        clean[at..at + 6].copy_from_slice(br"\ufffd");
    }
    Ok(Some(clean))
}

/// A backslash begins an escape if an even number of backslashes stands before it.
fn is_escape(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 0
}

fn refused() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "A text contains the character NUL, which Postgres cannot hold; set nul = \"replace\" to store U+FFFD instead",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_or_refused_and_never_in_a_key() {
        let replaced = clean_text(b"a\0b\0", false, NulPolicy::Replace).unwrap().unwrap();
        assert_eq!(replaced, "a\u{fffd}b\u{fffd}".as_bytes());
        assert!(clean_text(b"ab", true, NulPolicy::Fail).unwrap().is_none());
        assert_eq!(clean_text(b"\0", true, NulPolicy::Replace).unwrap_err().kind(), ErrorKind::DataInvalid);
        assert_eq!(clean_text(b"\0", false, NulPolicy::Fail).unwrap_err().kind(), ErrorKind::DataInvalid);
    }

    #[test]
    fn in_json_only_real_escapes_count() {
        let text = br#"{"a":"\u0000x","b":"\\u0000","c":"\\\u0000"}"#;
        let clean = clean_json(text, NulPolicy::Replace).unwrap().unwrap();
        assert_eq!(clean, br#"{"a":"\ufffdx","b":"\\u0000","c":"\\\ufffd"}"#);
        assert!(clean_json(br#"["\\u0000"]"#, NulPolicy::Fail).unwrap().is_none());
        assert!(clean_json(text, NulPolicy::Fail).is_err());
    }
}
