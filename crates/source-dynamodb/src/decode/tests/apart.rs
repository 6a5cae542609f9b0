//! Pages with something in them that cannot be read: taken apart, nothing is lost, and nothing is guessed.

use commutator_core::{OnBadRecord, Op, OrderKey, RawForm, Rejected, Sequence};
use serde_json::json;

use super::super::{RecordsBatches, ScanBatches};
use super::*;

/// Items of which none can be read, and what is said of each.
const BAD: [(&str, &str); 7] = [
    (r#"{"id":{"S":"b"},"n":{"N":"1.2.3"}}"#, "attribute: n"),
    (r#"{"id":{"S":"b"},"n":{"X":"1"}}"#, "attribute: n"),
    (r#"{"id":{"S":"b"},"n":{"BOOL":"yes"}}"#, "attribute: n"),
    (r#"{"id":{"S":"b"},"a":{"S":"x"},"a":{"S":"y"}}"#, "attribute: a"),
    (r#"{"id":{"S":"b"},"x":{"B":"*"}}"#, "attribute: x"),
    (r#"{"n":{"N":"1"}}"#, "attribute: id"),
    (r#"{"id":{"N":"1"}}"#, "attribute: id"),
];

fn ids(changes: Option<&ChangeBatch>) -> Vec<String> {
    changes.map_or(Vec::new(), |changes| render(changes)[0].1.iter().flatten().cloned().collect())
}

fn apart(body: &str) -> Result<(super::super::ScanPage, Vec<Rejected>), Error> {
    let mut decoder = Decoder::new(keys());
    let error = decoder.scan_page(body.as_bytes(), EPOCH).expect_err("the page is bad");
    let mut batches = ScanBatches::new(body.to_owned().into(), EPOCH, OnBadRecord::DeadLetter);
    let read = batches.next(&mut decoder, "of page 3");
    assert_eq!(read.is_err(), decoder.scan_page_apart(body.as_bytes(), 0, EPOCH, "", error).is_err());
    read
}

fn item(id: usize) -> String {
    format!(r#"{{"id":{{"S":"{id}"}},"n":{{"N":"{id}"}}}}"#)
}

#[test]
fn one_bad_item_leaves_the_others_at_every_place() {
    for place in 0..4 {
        for (bad, says) in BAD {
            let mut items: Vec<String> = (0..3).map(item).collect();
            items.insert(place, bad.to_owned());
            let body = format!(
                r#"{{"Count":4, "Items" : [ {} ],"ScannedCount":4,"LastEvaluatedKey":{{"id":{{"S":"q\"ü"}}}},"ConsumedCapacity":{{"CapacityUnits":2.5}}}}"#,
                items.join(" , ")
            );
            let (page, rejected) = apart(&body).unwrap();
            assert_eq!(ids(page.changes.as_ref()), ["0", "1", "2"]);
            assert_eq!(page.last_key.as_deref(), Some(r#"{"id":{"S":"q\"ü"}}"#));
            assert_eq!(page.read_units, Some(2.5));
            let [only] = &rejected[..] else { panic!("{rejected:?}") };
            assert_eq!(
                (only.form, only.order, only.op),
                (RawForm::Item, OrderKey::snapshot(EPOCH), Some(Op::Snapshot))
            );
            assert_eq!(only.position, format!("item {} of page 3", place + 1));
            assert_eq!(str::from_utf8(&only.raw).unwrap(), bad);
            assert!(only.error.contains(says), "{bad}: {}", only.error);
            assert_eq!(only.key, bad.contains(r#""id":{"S""#).then(|| json!({"id": {"S": "b"}})), "{bad}");
        }
    }
}

#[test]
fn every_set_of_bad_items_is_told_from_the_good_ones() {
    for set in 0..1_u32 << 5 {
        let bad = |i: usize| set >> i & 1 == 1;
        let items: Vec<String> = (0..5).map(|i| if bad(i) { BAD[i].0.to_owned() } else { item(i) }).collect();
        let body = format!(r#"{{"Items":[{}]}}"#, items.join(","));
        if set == 0 {
            assert!(Decoder::new(keys()).scan_page(body.as_bytes(), EPOCH).is_ok());
            continue;
        }
        let (page, rejected) = apart(&body).unwrap();
        let good: Vec<String> = (0..5).filter(|i| !bad(*i)).map(|i| i.to_string()).collect();
        assert_eq!(ids(page.changes.as_ref()), good);
        let found: Vec<_> = rejected.iter().map(|rejected| String::from_utf8(rejected.raw.clone()).unwrap()).collect();
        assert_eq!(found, (0..5).filter(|i| bad(*i)).map(|i| BAD[i].0).collect::<Vec<_>>());
        assert!(page.last_key.is_none());
    }
}

#[test]
fn an_offset_is_counted_from_the_item() {
    let bad = r#"{"id":{"S":"b"},"n":{"N":"x"}}"#;
    let alone = apart(&format!(r#"{{"Items":[{bad}]}}"#)).unwrap().1;
    let later = apart(&format!(r#"{{"Items":[{},{bad}]}}"#, item(1))).unwrap().1;
    assert_eq!(alone[0].error, later[0].error);
    let offset = bad.find("\"x\"").unwrap() + 1;
    assert!(alone[0].error.contains(&format!("offset: {offset}")), "{}", alone[0].error);
}

#[test]
fn text_that_is_not_utf8_is_kept_byte_by_byte() {
    let bad = b"{\"id\":{\"S\":\"b\"},\"t\":{\"S\":\"\xff\"}}";
    let body = [b"{\"Items\":[", item(1).as_bytes(), b",", bad, b"]}"].concat();
    let mut decoder = Decoder::new(keys());
    decoder.scan_page(&body, EPOCH).unwrap_err();
    let mut batches = ScanBatches::new(body.into(), EPOCH, OnBadRecord::DeadLetter);
    let (page, rejected) = batches.next(&mut decoder, "of page 1").unwrap();
    assert_eq!(ids(page.changes.as_ref()), ["1"]);
    assert_eq!(rejected[0].raw, bad);
    assert_eq!(rejected[0].key, Some(json!({"id": {"S": "b"}})));
    // The decoder goes on as if nothing had been.
    let next = decoder.scan_page(format!(r#"{{"Items":[{}]}}"#, item(2)).as_bytes(), EPOCH).unwrap();
    assert_eq!(ids(next.changes.as_ref()), ["2"]);
}

#[test]
fn a_page_that_cannot_be_told_apart_fails_as_it_is() {
    let good = item(1);
    for body in [
        // Its JSON is not whole.
        format!(r#"{{"Items":[{good},{{"id":{{"S":"b"]}}"#),
        format!(r#"{{"Items":[{good}"#),
        format!(r#"{{"Items":[{good}]}}x"#),
        format!(r#"{{"Items":[{good}],"Items":[{{"id":1}}]}}"#),
        // It lacks items, or has none.
        format!(r#"{{"Count":2,"Items":[{good}]}}"#),
        r#"{"Count":1}"#.to_owned(),
        // Not an item is at fault.
        format!(r#"{{"Items":[{good}],"ConsumedCapacity":7}}"#),
    ] {
        let mut decoder = Decoder::new(keys());
        let error = decoder.scan_page(body.as_bytes(), EPOCH).unwrap_err().to_string();
        assert_eq!(invalid(apart(&body)), error, "{body}");
    }
}

#[test]
fn a_key_that_stands_twice_or_cannot_be_read_is_not_guessed() {
    for bad in [r#"{"id":{"S":"a"},"id":{"S":"b"}}"#, r#"{"id":{"S":1}}"#, r#"{"id":"a"}"#, "7", r#"["id"]"#] {
        let (_, rejected) = apart(&format!(r#"{{"Items":[{bad}]}}"#)).unwrap();
        assert_eq!(rejected[0].key, None, "{bad}");
    }
}

fn record(sequence: u64, image: &str) -> String {
    format!(
        r#"{{"eventName":"MODIFY","dynamodb":{{"Keys":{{"id":{{"S":"k{sequence}"}}}},"NewImage":{image},"SequenceNumber":"{sequence}","ApproximateCreationDateTime":1700000000,"StreamViewType":"NEW_IMAGE"}}}}"#
    )
}

fn good_record(sequence: u64) -> String {
    record(sequence, &format!(r#"{{"id":{{"S":"k{sequence}"}}}}"#))
}

fn bad_record(sequence: u64) -> String {
    record(sequence, &format!(r#"{{"id":{{"S":"k{sequence}"}},"n":{{"N":"zzz"}}}}"#))
}

fn records_apart(body: &str, filter: RecordFilter) -> Result<(super::super::RecordsPage, Vec<Rejected>), Error> {
    let mut decoder = Decoder::new(keys());
    decoder.records_page(body.as_bytes(), EPOCH, filter).expect_err("the page is bad");
    RecordsBatches::new(body.to_owned().into(), EPOCH, OnBadRecord::DeadLetter, filter).next(&mut decoder)
}

#[test]
fn one_bad_record_leaves_the_others_and_the_position_passes_it() {
    for place in 1..=4 {
        let records: Vec<String> = (1..=4).map(|n| if n == place { bad_record(n) } else { good_record(n) }).collect();
        let body = format!(r#"{{"NextShardIterator":"it","Records":[{}]}}"#, records.join(","));
        let (page, rejected) = records_apart(&body, RecordFilter::default()).unwrap();
        let others: Vec<String> = (1..=4).filter(|n| *n != place).map(|n| format!("k{n}")).collect();
        assert_eq!(ids(page.changes.as_ref()), others);
        assert_eq!((page.last_sequence, page.records, page.dropped), (Some(Sequence::from(4)), 4, 0));
        assert_eq!(page.next_iterator.as_deref(), Some("it"));
        let [only] = &rejected[..] else { panic!("{rejected:?}") };
        assert_eq!((only.form, only.op), (RawForm::Record, Some(Op::Modify)));
        assert_eq!(only.order, OrderKey::new(EPOCH, place.into()));
        assert_eq!(only.position, format!("sequence number {place}"));
        assert_eq!(only.key, Some(json!({"id": {"S": format!("k{place}")}})));
        assert_eq!(str::from_utf8(&only.raw).unwrap(), bad_record(place));
    }
}

#[test]
fn a_bad_record_that_was_read_before_or_is_older_than_the_snapshot_is_left_out() {
    let body = format!(r#"{{"Records":[{},{},{}]}}"#, bad_record(1), bad_record(2), good_record(3));
    // Both are known, and their images are not even looked at.
    let known = RecordFilter { after: Some(2.into()), created_before: None };
    assert!(records(&body, known).is_ok());
    let old = RecordFilter { after: None, created_before: Some(1_700_000_000_001) };
    assert!(records(&body, old).is_ok());
    // One whose time cannot be read is kept, unless it was read before.
    let body = body.replace("1700000000", "\"then\"").replace("\"MODIFY\"", "\"REMOVE\"");
    let (page, rejected) = records_apart(&body, known).unwrap();
    assert_eq!((page.dropped, rejected.len()), (2, 1));
    assert_eq!(rejected[0].op, Some(Op::Remove));
    assert_eq!(records_apart(&body, old).unwrap().1.len(), 3);
}

#[test]
fn a_record_without_a_sequence_number_stops_the_table() {
    for wrong in [r#""SequenceNumber":"x1""#, r#""SequenceNumber":1"#, r#""Sequence":"1""#] {
        let bad = bad_record(1).replace(r#""SequenceNumber":"1""#, wrong);
        let body = format!(r#"{{"Records":[{},{bad}]}}"#, good_record(2));
        let error = records(&body, RecordFilter::default()).unwrap_err().to_string();
        assert_eq!(invalid(records_apart(&body, RecordFilter::default())), error);
    }
}

#[test]
fn the_item_of_an_answer_is_found() {
    use super::super::item_of;
    assert_eq!(item_of(br#"{"X":1,"Item": {"id":{"S":"Item"}} }"#).unwrap(), Some(&br#"{"id":{"S":"Item"}}"#[..]));
    assert_eq!(item_of(b"{}").unwrap(), None);
    assert_eq!(item_of(br#"{"Item":null}"#).unwrap(), None);
    assert!(item_of(br#"{"Item":{}"#).is_err());
}

#[test]
fn pages_of_several_batches_hand_on_what_is_bad_with_what_is_before_it() {
    for place in 0..=6 {
        let mut items: Vec<String> = (0..6).map(|n| format!(r#"{{"id":{{"S":"{n}"}},"a{n}":{{"N":"1"}}}}"#)).collect();
        items.insert(place, r#"{"id":{"S":"b"},"n":{"X":"1"}}"#.to_owned());
        let body = format!(r#"{{"Items":[{}],"LastEvaluatedKey":{{"id":{{"S":"z"}}}}}}"#, items.join(","));
        let mut decoder = Decoder::new(keys());
        decoder.set_full_cells(2);
        let mut batches = ScanBatches::new(body.into(), EPOCH, OnBadRecord::DeadLetter);
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let (page, rejected) = batches.next(&mut decoder, "of page 1").unwrap();
            read.extend(ids(page.changes.as_ref()));
            if !rejected.is_empty() {
                assert!(after.replace(read.len()).is_none(), "it is handed on once");
            }
            if page.rest.is_none() {
                assert_eq!(page.last_key.as_deref(), Some(r#"{"id":{"S":"z"}}"#));
                break;
            }
        }
        assert_eq!(read, ["0", "1", "2", "3", "4", "5"]);
        assert!(after.is_some_and(|after| after > place || after == 6), "bad at {place}, handed on after {after:?}");
    }
}

#[test]
fn records_of_several_batches_hand_on_what_is_bad_once_the_position_passes_it() {
    for place in 1..=6 {
        let record = |n| match n {
            n if n == place => bad_record(n),
            n => record(n, &format!(r#"{{"id":{{"S":"k{n}"}},"a{n}":{{"N":"1"}}}}"#)),
        };
        let records: Vec<String> = (1..=6).map(record).collect();
        let body = format!(r#"{{"NextShardIterator":"it","Records":[{}]}}"#, records.join(","));
        let mut decoder = Decoder::new(keys());
        decoder.set_full_cells(2);
        let filter = RecordFilter::default();
        let mut batches = RecordsBatches::new(body.into(), EPOCH, OnBadRecord::DeadLetter, filter);
        let (mut read, mut handed_on) = (0, None);
        loop {
            let (page, rejected) = batches.next(&mut decoder).unwrap();
            read += ids(page.changes.as_ref()).len();
            let passed = page.last_sequence.is_some_and(|last| last >= Sequence::from(place));
            assert_eq!(!rejected.is_empty(), passed && handed_on.is_none(), "bad at {place}");
            handed_on = handed_on.or(passed.then_some(()));
            if !page.cut {
                assert_eq!(page.last_sequence, Some(Sequence::from(6)));
                break;
            }
        }
        assert_eq!((read, handed_on), (5, Some(())));
    }
}
