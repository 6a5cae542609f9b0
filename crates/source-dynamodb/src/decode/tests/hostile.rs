//! Bodies that were cut short or changed: an error or a page, never a panic.

use proptest::prelude::*;

use super::generate::{Style, items, page};
use super::*;

const SCAN: &str = r#"{"Count":2,"Items":[{"id":{"S":"a\u00e9\"é"},"n":{"N":"12.50"},"b":{"B":"AQID"},"t":{"BOOL":true},"z":{"NULL":true},
"m":{"M":{"x":{"L":[{"S":"\ud834\udd1e"},{"N":"1E3"}]}}},"ss":{"SS":["b","a"]},"ns":{"NS":["2","1"]},"bs":{"BS":["AQ==","AA=="]}},
{"id":{"S":"b"},"n":{"N":"-123456789012345678901234567890"},"b":{"B":""},"t":{"BOOL":false},"m":{"M":{}}}],
"LastEvaluatedKey":{"id":{"S":"b"}},"ConsumedCapacity":{"CapacityUnits":1.5,"TableName":"t"},"ScannedCount":2}"#;

const RECORDS: &str = r#"{"NextShardIterator":"x\/y","Records":[{"eventName":"MODIFY","dynamodb":{"ApproximateCreationDateTime":1.7E9,
"Keys":{"id":{"S":"a"}},"NewImage":{"id":{"S":"a"},"n":{"N":"1.5"},"l":{"L":[]}},"OldImage":{"id":{"S":"a"},"n":{"N":"1"}},
"SequenceNumber":"4959033827149025660855969","SizeBytes":1}},
{"eventName":"REMOVE","dynamodb":{"Keys":{"id":{"S":"a"}},"SequenceNumber":"12","StreamViewType":"NEW_IMAGE"},
"userIdentity":{"Type":"Service","PrincipalId":"dynamodb.amazonaws.com"}}]}"#;

#[test]
fn every_truncation_is_an_error_with_a_position() {
    let whole = Decoder::new(keys()).scan_page(SCAN.as_bytes(), EPOCH).unwrap();
    assert_eq!(whole.items, 2);
    assert_eq!(records(RECORDS, RecordFilter::default()).unwrap().records, 2);
    let mut decoder = Decoder::new(keys());
    for length in 0..SCAN.len() {
        let line = invalid(decoder.scan_page(&SCAN.as_bytes()[..length], EPOCH));
        assert!(line.contains("offset: "), "{length}: {line}");
    }
    for length in 0..RECORDS.len() {
        let line = invalid(decoder.records_page(&RECORDS.as_bytes()[..length], EPOCH, RecordFilter::default()));
        assert!(line.contains("offset: "), "{length}: {line}");
    }
    // The decoder is none the worse for it.
    assert_eq!(
        render(&decoder.scan_page(SCAN.as_bytes(), EPOCH).unwrap().changes.unwrap()),
        render(&whole.changes.unwrap())
    );
}

#[test]
fn every_single_byte_may_be_anything() {
    let mut decoder = Decoder::new(keys());
    for i in 0..SCAN.len() {
        for byte in [0, b' ', b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'9', b'-', b'N', 0x80, 0xff] {
            let mut body = SCAN.as_bytes().to_vec();
            body[i] = byte;
            if let Err(error) = decoder.scan_page(&body, EPOCH) {
                assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
            }
        }
    }
}

/// What happens to a body: bytes are replaced, taken out or doubled.
fn damage(body: &mut Vec<u8>, places: &[(prop::sample::Index, u8, u8)]) {
    for (index, kind, byte) in places {
        if body.is_empty() {
            return;
        }
        let at = index.index(body.len());
        match kind % 4 {
            0 => body[at] = *byte,
            1 => {
                body.remove(at);
            }
            2 => body.insert(at, *byte),
            _ => {
                let end = (at + usize::from(*byte)).min(body.len());
                let piece = body[at..end].to_vec();
                body.splice(at..at, piece);
            }
        }
    }
}

proptest! {
    #[test]
    fn damaged_bodies_never_panic(
        items in items(), style in Style::any(),
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..6),
    ) {
        let mut decoder = Decoder::new(keys());
        let good = page(&items, &mut style.clone());
        for body in [good.as_str(), SCAN] {
            let mut bytes = body.as_bytes().to_vec();
            damage(&mut bytes, &places);
            if let Err(error) = decoder.scan_page(&bytes, EPOCH) {
                prop_assert_eq!(error.kind(), ErrorKind::DataInvalid, "{:?}", error);
            }
        }
        let mut bytes = RECORDS.as_bytes().to_vec();
        damage(&mut bytes, &places);
        if let Err(error) = decoder.records_page(&bytes, EPOCH, RecordFilter::default()) {
            prop_assert_eq!(error.kind(), ErrorKind::DataInvalid, "{:?}", error);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new(keys());
        invalid(decoder.scan_page(&bytes, EPOCH));
        invalid(decoder.records_page(&bytes, EPOCH, RecordFilter::default()));
    }
}
