//! Streams: pages, iterators, ends, trimming, and a stream switched off and on.

use std::time::Duration;

use aws_sdk_dynamodbstreams::types::ShardIteratorType as From;
use commutator_simulator::{Clock, Operation, Quirks, Simulator, View, Written};

use crate::client::{Clients, item, orders, show_record};

fn changed(written: Written) -> String {
    match written {
        Written::Changed(Some(sequence)) => sequence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_last_page_of_a_closed_shard_has_records_and_no_iterator() {
    let simulator = Simulator::new(1);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    for i in 0..1_500 {
        table.put(item(i)).unwrap();
    }
    let parent = table.shards().unwrap()[0].id.clone();
    table.split(&parent).unwrap();

    let first = clients.iterator(&arn, &parent, From::TrimHorizon, None).await.unwrap();
    let (records, next) = clients.records(&first).await.unwrap();
    assert_eq!(records.len(), 1_000, "the limit of a page");
    let (records, next) = clients.records(&next.unwrap()).await.unwrap();
    assert_eq!((records.len(), next), (500, None));
    // Iterators can be used again.
    assert_eq!(clients.records(&first).await.unwrap().0.len(), 1_000);
}

#[tokio::test]
async fn pages_end_at_one_megabyte() {
    let simulator = Simulator::new(1);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    for i in 0..5 {
        table.put(item(i).with("text", "x".repeat(390_000))).unwrap();
    }
    let shard = table.shards().unwrap()[0].id.clone();
    let mut iterator = clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let mut pages = Vec::new();
    for _ in 0..3 {
        let (records, next) = clients.records(&iterator).await.unwrap();
        pages.push(records.len());
        iterator = next.unwrap();
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[tokio::test]
async fn iterators_expire_and_old_records_are_trimmed() {
    let simulator = Simulator::new(3);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    let first = changed(table.put(item("old")).unwrap());
    let shard = table.shards().unwrap()[0].id.clone();
    let iterator = clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    simulator.clock().advance(Duration::from_mins(15));
    assert_eq!(clients.records(&iterator).await.unwrap().0.len(), 1);
    simulator.clock().advance(Duration::from_millis(1));
    assert_eq!(clients.records(&iterator).await.unwrap_err(), "ExpiredIteratorException");

    simulator.clock().advance(Duration::from_hours(3));
    let second = changed(table.put(item("new")).unwrap());
    simulator.clock().advance(Duration::from_hours(20) + Duration::from_mins(40));
    let held = clients.iterator(&arn, &shard, From::AtSequenceNumber, Some(&first)).await.unwrap();
    simulator.clock().advance(Duration::from_mins(6));
    assert_eq!(clients.records(&held).await.unwrap_err(), "TrimmedDataAccessException", "trimmed under an iterator");
    for kind in [From::AtSequenceNumber, From::AfterSequenceNumber] {
        let refused = clients.iterator(&arn, &shard, kind, Some(&first)).await.unwrap_err();
        assert_eq!(refused, "TrimmedDataAccessException");
    }
    let horizon = clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let (records, _) = clients.records(&horizon).await.unwrap();
    assert_eq!(records[0].dynamodb.as_ref().unwrap().sequence_number.as_ref(), Some(&second));

    simulator.clock().advance(Duration::from_hours(30));
    let gone = clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap_err();
    assert_eq!(gone, "ResourceNotFoundException", "the shard rolled long ago and has nothing left");
}

#[tokio::test]
async fn a_stream_that_is_switched_off_and_on_is_another_one() {
    let simulator = Simulator::new(4);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let old = table.stream_arn().unwrap().unwrap();
    let number = changed(table.put(item("a")).unwrap());
    table.stream_off().unwrap();
    assert_eq!(table.put(item("unseen")).unwrap(), Written::Changed(None));
    let new = table.stream_on(View::KeysOnly).unwrap();
    assert_ne!(old, new);
    let later = changed(table.put(item("b").with("x", 1)).unwrap());
    assert!((number.len(), &number) < (later.len(), &later), "sequence numbers go on");

    let listed = clients.streams.list_streams().table_name("orders").send().await.unwrap();
    assert_eq!(listed.streams().len(), 2);
    let [(shard, _, ended)] = &clients.shards(&old).await.unwrap()[..] else { panic!() };
    assert!(ended);
    let iterator = clients.iterator(&old, shard, From::TrimHorizon, None).await.unwrap();
    let (records, next) = clients.records(&iterator).await.unwrap();
    assert_eq!((records.len(), next), (1, None));
    let [(shard, parent, _)] = &clients.shards(&new).await.unwrap()[..] else { panic!() };
    assert_eq!(*parent, None);
    let iterator = clients.iterator(&new, shard, From::TrimHorizon, None).await.unwrap();
    let (records, _) = clients.records(&iterator).await.unwrap();
    assert!(show_record(&records[0]).contains("new none old none"), "{:?}", records[0]);

    simulator.clock().advance(Duration::from_hours(24));
    assert_eq!(clients.shards(&old).await.unwrap_err(), "ResourceNotFoundException");
    assert!(clients.shards(&new).await.is_ok());
    table.drop_table().unwrap();
    assert!(clients.shards(&new).await.is_ok(), "a stream outlives its table");
}

#[tokio::test]
async fn who_removed_an_item_is_told() {
    let simulator = Simulator::new(5);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let now = i64::try_from(simulator.clock().now_ms() / 1000).unwrap();
    table.put(item("due").with("ttl", now)).unwrap();
    table.put(item("later").with("ttl", now + 1)).unwrap();
    assert_eq!(table.expire_due("ttl").unwrap(), 1);
    table.delete(&item("later")).unwrap();
    table.replicate_put(item("far").with("x", 1), "us-east-1").unwrap();
    table.replicate_delete(&item("far"), "us-east-1").unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    let shard = table.shards().unwrap()[0].id.clone();
    let iterator = clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let (records, _) = clients.records(&iterator).await.unwrap();
    let removed: Vec<_> = records.iter().map(show_record).filter(|record| record.starts_with("REMOVE")).collect();
    assert!(removed[0].ends_with(r#"Some((Some("dynamodb.amazonaws.com"), Some("Service")))"#), "{}", removed[0]);
    assert!(removed[1].ends_with("None") && removed[2].ends_with("None"));
    assert!(removed[2].contains("aws:rep:deleting") && removed[2].contains("Bool(true)"), "{}", removed[2]);
    // A second is all that is told of the time, whatever the form of the number.
    let told = records[0].dynamodb.as_ref().unwrap().approximate_creation_date_time.unwrap();
    assert_eq!((told.secs(), told.subsec_nanos()), (now, 0));
}

#[tokio::test]
async fn unusual_pages_lose_nothing() {
    for seed in 0..10 {
        let simulator = Simulator::builder(seed).quirks(Quirks::wild()).clock(Clock::at(1_700_000_000_123)).build();
        let server = simulator.serve().await.unwrap();
        let clients = Clients::new(&server.url());
        let table = simulator.create_table(orders()).unwrap();
        let arn = table.stream_arn().unwrap().unwrap();
        let shard = table.shards().unwrap()[0].id.clone();
        let mut written = Vec::new();
        while table.shards().unwrap().iter().any(|s| s.id == shard && s.open) {
            written.push(changed(table.put(item(written.len())).unwrap()));
        }
        let (mut read, mut pages, mut empty) = (Vec::new(), 0, 0);
        let mut iterator = Some(clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap());
        while let Some(current) = iterator {
            let (records, next) = clients.records(&current).await.unwrap();
            (pages, empty) = (pages + 1, empty + usize::from(records.is_empty()));
            read.extend(records.into_iter().map(|record| record.dynamodb.unwrap().sequence_number.unwrap()));
            iterator = next;
        }
        assert_eq!(read, written, "seed {seed}");
        assert_eq!(simulator.requests(Operation::GetRecords), pages);
        assert!(
            usize::try_from(pages).unwrap() > written.len() / 10 + empty,
            "seed {seed}: {pages} pages, {empty} empty"
        );
    }
}
