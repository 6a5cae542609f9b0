//! What cannot be read, through a whole run, and dead letters that are read again.

use arrow_array::cast::AsArray as _;
use commutator_core::schema::item_column;
use commutator_core::{
    ChangeBatch, Checkpoint, DeadLetter, Epoch, ErrorKind, Extras, OnBadRecord, Op, OrderKey, PartitionId, Position,
    RawForm, ReadRequest, Rejected, Reread, Source as _, SourceBatch, SourceEvent, Until,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::fake::{Fake, Shard};
use super::read::{Running, orders};
use super::server::Reply;

const BAD_PAGE: &str = r#"{"Items": [{"id": {"S": "a"}}, {"id": {"S": "b"}, "n": {"N": "x"}}], "Count": 2}"#;

fn bad_records() -> String {
    let record = |number: u64, n: &str| {
        json!({"eventName": "INSERT", "dynamodb": {
            "Keys": {"id": {"S": format!("r{number}")}}, "NewImage": {"id": {"S": format!("r{number}")}, "n": {"N": n}},
            "SequenceNumber": format!("{number:021}"), "ApproximateCreationDateTime": 4_000_000_000_u64}})
    };
    json!({"Records": [record(1, "1"), record(2, "two")], "NextShardIterator": "s0|1|0"}).to_string()
}

async fn running() -> Running {
    let fake = Fake::new(|state| {
        state.segments = vec![vec![vec!["a".to_owned(), "b".to_owned()]]];
        state.shards = vec![Shard::new("s0", None, &[&[1, 2], &[3]])];
        state.faults.extend([("Scan", Reply::ok(BAD_PAGE)), ("GetRecords", Reply::ok(bad_records()))]);
    });
    Running::new(fake).await
}

#[tokio::test]
async fn what_cannot_be_read_comes_as_rejected_with_the_progress_that_passes_it() {
    let run = running().await;
    let request = ReadRequest {
        table: orders(),
        from: Checkpoint::default(),
        until: Until::CaughtUp,
        on_bad_record: OnBadRecord::DeadLetter,
        extras: Extras::default(),
    };
    let mut stream = run.source.read(request).await.unwrap();
    let (mut checkpoint, mut ids, mut rejected) = (Checkpoint::default(), Vec::new(), Vec::new());
    while let Some(event) = stream.next().await {
        let SourceEvent::Batch(SourceBatch { changes, rejected: bad, progress, .. }) = event.unwrap() else { continue };
        checkpoint.advance(&progress).unwrap();
        if let Some(bad) = bad.first() {
            let passed = &progress.spans[bad.partition.as_ref().unwrap()].to;
            assert!(
                bad.form == RawForm::Item || matches!(passed, Position::At(at) if at.order.ends_with("02")),
                "{passed:?}"
            );
        }
        rejected.extend(bad);
        let batch = changes.as_ref().map(|changes| changes.rows().column(0).as_string::<i32>().clone());
        ids.extend(batch.iter().flatten().flatten().map(str::to_owned));
    }
    ids.sort();
    assert_eq!(ids, ["a", "r1", "r3"]);
    rejected.sort_by_key(|rejected: &Rejected| rejected.order);
    let [item, record] = &rejected[..] else { panic!("{rejected:?}") };
    assert_eq!((item.form, &*item.position), (RawForm::Item, "item 2 of page 1"));
    assert_eq!(item.key, Some(json!({"id": {"S": "b"}})));
    assert_eq!((record.form, &*record.position), (RawForm::Record, "sequence number 2"));
    assert_eq!(record.partition, Some(PartitionId::new("shard/s0")));
    assert_eq!(record.order, OrderKey::new(Epoch::FIRST, 2.into()));
}

#[tokio::test]
async fn the_default_is_to_stop_with_the_place() {
    let run = running().await;
    let error = run.read(&Checkpoint::default(), Until::CaughtUp).await.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert!(error.message().contains("the table stops here"), "{error}");
}

fn letter(form: RawForm, key: Option<Value>, raw: &str, op: Option<Op>) -> DeadLetter {
    let rejected = Rejected {
        form,
        partition: None,
        position: String::new(),
        order: OrderKey::new(Epoch(2), 7.into()),
        op,
        changed_at: Some(5),
        key,
        error: String::new(),
        raw: raw.as_bytes().to_vec(),
    };
    DeadLetter { id: "x".to_owned(), table: orders(), seen_at_ms: 0, rejected }
}

/// The operation, the order key's epoch, the id and the number of the only row.
fn row(changes: &ChangeBatch) -> (Op, u32, String, Option<i64>) {
    assert_eq!(changes.len(), 1);
    let id = changes.rows().column(0).as_string::<i32>().value(0).to_owned();
    let n = changes.rows().column_by_name("n");
    let n = n.map(|n| n.as_primitive::<arrow_array::types::Int64Type>().value(0));
    (changes.ops()[0], changes.orders()[0].epoch().0, id, n)
}

#[tokio::test]
async fn the_item_as_it_is_now_is_read_consistently_under_the_letters_order_key() {
    let run = Running::new(Fake::new(|state| {
        state.faults.push_back(("GetItem", Reply::ok(r#"{"Item": {"n": {"N": "5"}, "id": {"S": "a"}}}"#)));
    }))
    .await;
    let key = |id: &str| Some(json!({"id": {"S": id}}));
    let letters = [
        letter(RawForm::Record, key("a"), "{}", None),
        letter(RawForm::Row, key("gone"), "{}", Some(Op::Insert)),
        letter(RawForm::Item, None, "{}", Some(Op::Snapshot)),
    ];
    let read = run.source.reread(&orders(), &letters, Reread::Item, Extras::default()).await.unwrap();
    assert_eq!(row(read[0].as_ref().unwrap()), (Op::Modify, 2, "a".to_owned(), Some(5)));
    assert_eq!(row(read[1].as_ref().unwrap()), (Op::Remove, 2, "gone".to_owned(), None));
    assert_eq!(read[2].as_ref().unwrap_err().kind(), ErrorKind::DataInvalid);
    assert!(read.iter().flatten().all(|changes| changes.orders()[0] == letters[0].rejected.order));
    assert_eq!(
        run.fake.requests("GetItem"),
        [r#"GetItem {"id":{"S":"a"}} true"#, r#"GetItem {"id":{"S":"gone"}} true"#]
    );
}

#[tokio::test]
async fn the_letters_own_bytes_are_decoded_again() {
    let run = Running::new(Fake::default()).await;
    let item = r#"{"id":{"S":"a"},"n":{"N":"5"}}"#;
    let record =
        r#"{"eventName":"MODIFY","dynamodb":{"NewImage":{"id":{"S":"a"},"n":{"N":"6"}},"SequenceNumber":"7"}}"#;
    let letters = [
        letter(RawForm::Item, None, item, Some(Op::Snapshot)),
        letter(RawForm::Row, None, item, Some(Op::Insert)),
        letter(RawForm::Row, None, r#"{"id":{"S":"a"}}"#, Some(Op::Expire)),
        letter(RawForm::Record, None, record, None),
        letter(RawForm::Record, None, &record.replace('6', "six"), None),
        letter(RawForm::Row, None, "}", Some(Op::Insert)),
        letter(RawForm::Row, None, item, None),
    ];
    let read = run.source.reread(&orders(), &letters, Reread::Raw, Extras::default()).await.unwrap();
    let rows: Vec<_> = read.iter().flatten().map(row).collect();
    let a = |op, n| (op, 2, "a".to_owned(), n);
    assert_eq!(rows, [a(Op::Snapshot, Some(5)), a(Op::Insert, Some(5)), a(Op::Expire, None), a(Op::Modify, Some(6))]);
    assert_eq!(read[1].as_ref().unwrap().changed_at(), [Some(5)]);
    assert!(read[4..].iter().all(|read| read.as_ref().is_err_and(|e| e.kind() == ErrorKind::DataInvalid)));
    let kept = Extras { item: true, ..Extras::default() };
    let read = run.source.reread(&orders(), &letters[..3], Reread::Raw, kept).await.unwrap();
    let texts = read.iter().flatten().map(|changes| {
        let column = changes.rows().column_by_name(&item_column()).unwrap().as_string::<i32>();
        column.iter().next().flatten().map(str::to_owned)
    });
    assert_eq!(texts.collect::<Vec<_>>(), [Some(item.to_owned()), Some(item.to_owned()), None]);
}
