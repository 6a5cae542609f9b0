//! Shards over time: splits, generations, late listings, parents that are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::{ShardFilter, ShardFilterType, ShardIteratorType as From};
use commutator_simulator::{Quirks, Simulator};

use crate::client::{Clients, item, orders};

/// Reads everything that there is, parents before children; returns the keys' changes in the order read.
async fn read_all(clients: &Clients, arn: &str) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let mut shards = clients.shards(arn).await.unwrap();
    let ids: BTreeSet<_> = shards.iter().map(|(id, ..)| id.clone()).collect();
    let mut done = BTreeSet::new();
    while !shards.is_empty() {
        let ready = |parent: &Option<String>| parent.as_ref().is_none_or(|p| done.contains(p) || !ids.contains(p));
        let next = shards.iter().position(|(_, parent, _)| ready(parent)).unwrap();
        let (shard, ..) = shards.remove(next);
        let mut iterator = Some(clients.iterator(arn, &shard, From::TrimHorizon, None).await.unwrap());
        let mut idle = false;
        while let (Some(current), false) = (&iterator, idle) {
            let (records, following) = clients.records(current).await.unwrap();
            idle = records.is_empty();
            for record in records {
                let change = record.dynamodb.unwrap();
                let id = change.keys.unwrap()["id"].as_s().unwrap().clone();
                changes.push((id, change.sequence_number.unwrap()));
            }
            iterator = following;
        }
        done.insert(shard);
    }
    changes
}

#[tokio::test]
async fn every_item_keeps_its_order_through_generations() {
    let simulator = Simulator::new(11);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders().shards(3)).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    for round in 0..20 {
        for i in 0..30 {
            table.put(item(i).with("round", round)).unwrap();
        }
        match round % 5 {
            1 => table.split_all().unwrap(),
            2 => table.roll_all().unwrap(),
            _ => simulator.clock().advance(Duration::from_hours(1)),
        }
    }
    let shards = table.shards().unwrap();
    let generations = |shard: &str| {
        let parents: BTreeMap<_, _> = shards.iter().map(|s| (s.id.as_str(), s.parent.as_deref())).collect();
        std::iter::successors(Some(shard), |s| parents.get(s).copied().flatten()).count()
    };
    assert!(shards.iter().map(|shard| generations(&shard.id)).max() > Some(8));
    assert!(shards.len() > 100, "more than a page of DescribeStream: {}", shards.len());

    let changes = read_all(&clients, &arn).await;
    assert_eq!(changes.len(), 600);
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for (id, number) in changes {
        let number = format!("{number:0>40}");
        if let Some(before) = last.insert(id, number.clone()) {
            assert!(before < number);
        }
    }
}

#[tokio::test]
async fn time_alone_rolls_trims_and_forgets_shards() {
    let simulator = Simulator::new(2);
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    table.put(item("a")).unwrap();
    let first = table.shards().unwrap()[0].id.clone();
    simulator.clock().advance(Duration::from_hours(12));
    let half_a_day = clients.shards(&arn).await.unwrap();
    assert!(half_a_day.len() >= 3 && half_a_day.iter().any(|(_, parent, _)| parent.as_ref() == Some(&first)));
    assert_eq!(
        half_a_day.iter().filter(|(.., ended)| !ended).count(),
        table.shards().unwrap().iter().filter(|s| s.open).count()
    );

    simulator.clock().advance(Duration::from_hours(17));
    let later = clients.shards(&arn).await.unwrap();
    let ids: BTreeSet<_> = later.iter().map(|(id, ..)| id).collect();
    assert!(!ids.contains(&first), "what closed more than a day ago is gone");
    assert!(
        later.iter().any(|(_, parent, _)| parent.as_ref().is_some_and(|parent| !ids.contains(parent))),
        "and its children still name it"
    );
    assert!(read_all(&clients, &arn).await.is_empty());
}

#[tokio::test]
async fn new_shards_are_listed_late() {
    let quirks = Quirks { stale_listings: 5, ..Quirks::default() };
    let mut waited = BTreeSet::new();
    for seed in 0..20 {
        let simulator = Simulator::builder(seed).quirks(quirks.clone()).build();
        let server = simulator.serve().await.unwrap();
        let clients = Clients::new(&server.url());
        let table = simulator.create_table(orders()).unwrap();
        let arn = table.stream_arn().unwrap().unwrap();
        let parent = table.shards().unwrap()[0].id.clone();
        let children = table.split(&parent).unwrap();
        let mut calls = 0;
        while clients.shards(&arn).await.unwrap().len() < 3 {
            calls += 1;
        }
        waited.insert(calls);
        let filter = ShardFilter::builder().r#type(ShardFilterType::ChildShards).shard_id(&parent).build();
        let answer = clients.streams.describe_stream().stream_arn(&arn).shard_filter(filter).send().await.unwrap();
        let listed: BTreeSet<_> = answer
            .stream_description
            .unwrap()
            .shards
            .unwrap()
            .into_iter()
            .map(|shard| shard.shard_id.unwrap())
            .collect();
        assert_eq!(listed, children.into_iter().collect());
    }
    assert!(waited.len() > 2 && waited.iter().all(|&calls| calls <= 5), "{waited:?}");
}

#[tokio::test]
async fn a_listed_shard_is_missing_now_and_then() {
    let quirks = Quirks { flickers: 0.3, ..Quirks::default() };
    let simulator = Simulator::builder(5).quirks(quirks).build();
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let table = simulator.create_table(orders()).unwrap();
    let arn = table.stream_arn().unwrap().unwrap();
    table.split(&table.shards().unwrap()[0].id).unwrap();
    let mut listed = BTreeSet::new();
    for _ in 0..100 {
        listed.insert(clients.shards(&arn).await.unwrap().len());
    }
    assert!(listed.contains(&3) && listed.contains(&2), "{listed:?}");
}

#[test]
fn a_seed_replays() {
    let run = |seed| {
        let quirks = Quirks { roll_per_record: 0.05, ..Quirks::default() };
        let simulator = Simulator::builder(seed).quirks(quirks).build();
        let table = simulator.create_table(orders()).unwrap();
        for i in 0..200 {
            table.put(item(i % 20).with("n", i)).unwrap();
            simulator.clock().advance(Duration::from_mins(7));
        }
        (table.shards().unwrap(), table.items().unwrap())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

#[test]
fn shards_that_vanish_and_records_that_are_trimmed_by_hand() {
    let simulator = Simulator::new(0);
    let table = simulator.create_table(orders()).unwrap();
    for i in 0..10 {
        table.put(item(i)).unwrap();
    }
    let shard = table.shards().unwrap()[0].id.clone();
    table.trim(&shard, 4).unwrap();
    assert_eq!((table.shards().unwrap()[0].records, table.shards().unwrap()[0].trimmed), (6, 4));
    assert_eq!(table.forget(&shard).unwrap_err().code(), "ValidationException", "it is open");
    table.roll(&shard).unwrap();
    table.forget(&shard).unwrap();
    assert_eq!(table.shards().unwrap().len(), 1);
    assert_eq!(table.roll(&shard).unwrap_err().code(), "ResourceNotFoundException");
}
