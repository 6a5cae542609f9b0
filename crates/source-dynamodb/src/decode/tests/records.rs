//! Stream records: what happened, in which order, and what is left out.

use commutator_core::{Op, OrderKey, Sequence};

use super::*;

const TTL: &str = r#","userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}"#;

fn record(name: &str, sequence: u64, image: Option<&str>, rest: &str) -> String {
    let image = image.map(|i| format!(r#","NewImage":{i}"#)).unwrap_or_default();
    format!(
        r#"{{"awsRegion":"eu-west-1","dynamodb":{{"ApproximateCreationDateTime":{time},"Keys":{{"id":{{"S":"k{sequence}"}}}}{image},
        "OldImage":{{"id":{{"S":"old"}},"gone":{{"N":"1"}}}},"SequenceNumber":"{sequence}","SizeBytes":26,"StreamViewType":"NEW_AND_OLD_IMAGES"}},
        "eventID":"1","eventName":"{name}","eventSource":"aws:dynamodb","eventVersion":"1.1"{rest}}}"#,
        time = 1_700_000_000 + sequence,
    )
}

fn body(records: &[String]) -> String {
    format!(r#"{{"NextShardIterator":"arn|1\/x","Records":[{}]}}"#, records.join(","))
}

#[test]
fn records_become_changes_in_their_order() {
    let image = r#"{"id":{"S":"k"},"v":{"N":"1.5"}}"#;
    let body = body(&[
        record("INSERT", 1, Some(image), ""),
        record("MODIFY", 2, Some(image), ""),
        record("REMOVE", 3, None, ""),
        record("REMOVE", 4, None, TTL),
        record("REMOVE", 5, None, r#","userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#),
        record("REMOVE", 6, None, r#","userIdentity":{"Type":"User","PrincipalId":"dynamodb.amazonaws.com"}"#),
        record("REMOVE", 7, None, r#","userIdentity":null"#),
        record("REPLACE", 8, Some(image), ""),
        record("PURGE", 9, None, ""),
    ]);
    let page = records(&body, RecordFilter::default()).unwrap();
    assert_eq!(page.next_iterator.as_deref(), Some("arn|1/x"));
    assert_eq!(page.last_sequence, Some(9.into()));
    assert_eq!(page.newest_ms, Some(1_700_000_009_000));
    assert_eq!((page.records, page.dropped), (9, 0));
    let changes = page.changes.unwrap();
    assert_eq!(
        changes.ops(),
        [Op::Insert, Op::Modify, Op::Remove, Op::Expire, Op::Expire, Op::Remove, Op::Remove, Op::Modify, Op::Remove]
    );
    assert_eq!(changes.orders()[1], OrderKey::new(EPOCH, 2.into()));
    assert_eq!(changes.changed_at()[0], Some(1_700_000_001_000_000));
    let columns = render(&changes);
    assert_eq!(columns.len(), 2);
    assert_eq!(
        columns[0].1[..4],
        [Some("k".to_owned()), Some("k".to_owned()), Some("k3".to_owned()), Some("k4".to_owned())]
    );
    assert_eq!(columns[1].1[..4], [Some("1.5".to_owned()), Some("1.5".to_owned()), None, None]);
}

#[test]
fn members_may_stand_in_any_order() {
    let changes = records(
        r#"{"Records":[{"eventName":"INSERT","dynamodb":{"SequenceNumber":"7","NewImage":{"v":{"N":"1"},"id":{"S":"a"}},"Keys":{"id":{"S":"a"}}}},
            {"userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"},"dynamodb":{"Keys":{"id":{"S":"b"}},"SequenceNumber":"8"},"eventName":"REMOVE"}]}"#,
        RecordFilter::default(),
    )
    .unwrap();
    assert_eq!((changes.next_iterator, changes.newest_ms), (None, None));
    let changes = changes.changes.unwrap();
    assert_eq!(changes.ops(), [Op::Insert, Op::Expire]);
    assert_eq!(changes.changed_at(), [None, None]);
}

#[test]
fn dropped_records_are_counted_and_move_the_position() {
    let image = r#"{"id":{"S":"k"}}"#;
    // What is wrong in an image that is not wanted does not matter.
    let poison = r#"{"id":{}}"#;
    let body = body(&[
        record("INSERT", 10, Some(poison), ""),
        record("INSERT", 11, Some(image), ""),
        record("INSERT", 12, Some(image), ""),
    ]);
    let after = |n: u64| RecordFilter { after: Some(n.into()), created_before: None };
    let page = records(&body, after(10)).unwrap();
    assert_eq!((page.records, page.dropped, page.changes.unwrap().len()), (3, 1, 2));
    let page = records(&body, after(12)).unwrap();
    assert_eq!((page.records, page.dropped, page.last_sequence), (3, 3, Some(12.into())));
    assert_eq!(page.newest_ms, Some(1_700_000_012_000));
    assert!(page.changes.is_none());
    let before = RecordFilter { after: None, created_before: Some(1_700_000_012_000) };
    let page = records(&body, before).unwrap();
    assert_eq!((page.dropped, page.changes.unwrap().orders()[0]), (2, OrderKey::new(EPOCH, 12.into())));
}

#[test]
fn times_are_exact_to_the_microsecond() {
    for (text, us) in [
        ("1700000000", Some(1_700_000_000_000_000)),
        ("1.7E9", Some(1_700_000_000_000_000)),
        ("1700000000.123", Some(1_700_000_000_123_000)),
        ("1700000000.1234567", Some(1_700_000_000_123_456)),
        ("1.700000000123E+9", Some(1_700_000_000_123_000)),
        ("0", Some(0)),
        ("null", None),
    ] {
        let body = format!(
            r#"{{"Records":[{{"dynamodb":{{"ApproximateCreationDateTime":{text},"SequenceNumber":"1","Keys":{{"id":{{"S":"a"}}}}}}}}]}}"#
        );
        let page = records(&body, RecordFilter::default()).unwrap();
        assert_eq!(page.changes.unwrap().changed_at(), [us], "{text}");
        assert_eq!(page.newest_ms, us.map(|us| us / 1_000));
    }
}

#[test]
fn a_stream_without_images_is_an_error_that_says_what_to_do() {
    for (name, view_type) in
        [("INSERT", "KEYS_ONLY"), ("MODIFY", "OLD_IMAGE"), ("INSERT", "NEW_IMAGE"), ("OTHER", "KEYS_ONLY")]
    {
        let record = record(name, 42, None, "").replace("NEW_AND_OLD_IMAGES", view_type);
        let line = invalid(records(&body(&[record]), RecordFilter::default()));
        assert!(line.contains("set the stream's view type to NEW_IMAGE or NEW_AND_OLD_IMAGES"), "{line}");
        assert!(line.contains(&format!("view_type: {view_type}, sequence: 42")), "{line}");
    }
    let removal = record("REMOVE", 1, None, "").replace("NEW_AND_OLD_IMAGES", "KEYS_ONLY");
    assert_eq!(records(&body(&[removal]), RecordFilter::default()).unwrap().changes.unwrap().ops(), [Op::Remove]);
}

#[test]
fn records_that_contradict_themselves_are_errors() {
    let image = r#"{"id":{"S":"k"}}"#;
    for (record, message) in [
        (record("REMOVE", 1, Some(image), ""), "after it"),
        (record("REMOVE", 1, None, "").replace("Keys", "Xeys"), "does not name the key"),
        (record("REMOVE", 1, None, "").replace(r#""Keys":{"#, r#""Keys":{"x":{"S":"y"},"#), "other attributes"),
        (record("REMOVE", 1, None, "").replace(r#""Keys":{"id""#, r#""Keys":{"other""#), "lacks a key"),
        (record("INSERT", 1, Some(r#"{"v":{"S":"k"}}"#), ""), "lacks a key"),
        (record("INSERT", 1, Some(image), "").replace("SequenceNumber", "Number"), "no sequence number"),
        (
            record("INSERT", 1, Some(image), "").replace(r#""SequenceNumber":"1""#, r#""SequenceNumber":"x""#),
            "sequence number",
        ),
        (record("INSERT", 1, Some(image), "").replace("1700000001", r#""today""#), "number was expected"),
        (record("INSERT", 1, Some(image), "").replace("1700000001", "1e99"), "not a time"),
        (record("INSERT", 1, Some(r#"{"id":{"S":"k"},"empty":{}}"#), ""), "as DynamoDB Local 3 writes empty maps"),
    ] {
        let line = invalid(records(&body(&[record]), RecordFilter::default()));
        assert!(line.contains(message), "{line}");
    }
    for body in
        ["{}", r#"{"Records":null}"#, r#"{"Records":[],"Records":[]}"#, r#"{"Records":[{}]}"#, r#"{"Records":[]}]"#]
    {
        invalid(records(body, RecordFilter::default()));
    }
}

#[test]
fn records_of_ever_other_attributes_become_several_batches() {
    let image = |i: u64| format!(r#"{{"id":{{"S":"k{i}"}},"a{i}":{{"N":"{i}"}}}}"#);
    let all: Vec<_> = (1..=20).map(|i| record("INSERT", i, Some(&image(i)), "")).collect();
    let body = body(&all);
    let mut decoder = Decoder::new(keys());
    decoder.set_full_cells(12);
    let (mut filter, mut read, mut batches) = (RecordFilter::default(), Vec::new(), 0);
    loop {
        let page = decoder.records_page(body.as_bytes(), EPOCH, filter).unwrap();
        let changes = page.changes.unwrap();
        assert!(changes.len() * changes.schema().columns().len() <= 12);
        read.extend(changes.orders().iter().copied());
        batches += 1;
        assert_eq!(changes.orders().last().copied(), page.last_sequence.map(|last| OrderKey::new(EPOCH, last)));
        if !page.cut {
            assert_eq!(page.newest_ms, Some(1_700_000_020_000));
            break;
        }
        filter.after = page.last_sequence;
    }
    assert_eq!(read, (1..=20).map(|i| OrderKey::new(EPOCH, Sequence::from(i))).collect::<Vec<_>>());
    assert_eq!(batches, 7);
}

#[test]
fn an_empty_image_is_none() {
    for empty in ["{}", "{ }", "null"] {
        let page = records(&body(&[record("REMOVE", 1, Some(empty), "")]), RecordFilter::default()).unwrap();
        assert_eq!(page.changes.unwrap().ops(), [Op::Remove]);
    }
}

#[test]
fn sequence_numbers_have_up_to_forty_digits() {
    let digits = "9".repeat(40);
    let record =
        record("REMOVE", 1, None, "").replace(r#""SequenceNumber":"1""#, &format!(r#""SequenceNumber":"{digits}""#));
    let page = records(&body(&[record]), RecordFilter::default()).unwrap();
    assert_eq!(page.last_sequence, Some(digits.parse::<Sequence>().unwrap()));
}
