//! A scan's `LastEvaluatedKey`, from the JSON in which it was sent to the value in which it is sent back.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use commutator_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// Parses a key: an object whose members are strings, numbers or binaries in `DynamoDB` JSON.
///
/// Returns [`DataInvalid`](ErrorKind::DataInvalid) for anything else.
pub(crate) fn parse(json: &str) -> Result<HashMap<String, AttributeValue>> {
    let invalid = || Error::new(ErrorKind::DataInvalid, "A LastEvaluatedKey is not a key in DynamoDB JSON");
    let value: Value = serde_json::from_str(json).map_err(|e| invalid().with_source(e))?;
    let Value::Object(members) = value else { return Err(invalid()) };
    members
        .into_iter()
        .map(|(name, value)| {
            let Value::Object(tagged) = value else { return Err(invalid()) };
            let mut entries = tagged.into_iter();
            let (Some((tag, Value::String(text))), None) = (entries.next(), entries.next()) else {
                return Err(invalid());
            };
            let value = match tag.as_str() {
                "S" => AttributeValue::S(text),
                "N" => AttributeValue::N(text),
                "B" => {
                    let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(|e| invalid().with_source(e))?;
                    AttributeValue::B(Blob::new(bytes))
                }
                _ => return Err(invalid()),
            };
            Ok((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_type_are_parsed() {
        let key = parse(r#"{"p":{"S":"a\"ü"},"s":{"B":"AP8="}}"#).unwrap();
        assert_eq!(key["p"], AttributeValue::S("a\"ü".to_owned()));
        assert_eq!(key["s"], AttributeValue::B(Blob::new([0, 255])));
        let key = parse(r#"{"n":{"N":"12345678901234567890123456789012345678"}}"#).unwrap();
        assert_eq!(key["n"], AttributeValue::N("12345678901234567890123456789012345678".to_owned()));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in
            ["", "[]", r#"{"a":1}"#, r#"{"a":{"S":1}}"#, r#"{"a":{"L":"x"}}"#, r#"{"a":{"B":"*"}}"#, r#"{"a":{}}"#]
        {
            assert_eq!(parse(bad).unwrap_err().kind(), ErrorKind::DataInvalid, "{bad}");
        }
    }
}
