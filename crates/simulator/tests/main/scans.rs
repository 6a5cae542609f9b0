//! Scans of what `DynamoDB` Local cannot show: stale reads, odd pages, writes in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use commutator_simulator::{Clock, Item, KeySchema, KeyType, Operation, Quirks, Simulator, TableSpec, Value};

use crate::client::{Clients, item, orders};

async fn scan(clients: &Clients, segments: i32, consistent: bool) -> Vec<BTreeMap<String, i64>> {
    let mut all = Vec::new();
    for segment in 0..segments {
        let call = clients.dynamodb.scan().table_name("orders").segment(segment).total_segments(segments);
        let pages = call.consistent_read(consistent).into_paginator().send();
        let pages: Vec<_> = pages.collect::<Result<_, _>>().await.unwrap();
        let items = pages.into_iter().flat_map(|page| page.items.unwrap_or_default());
        let number = |item: &HashMap<String, aws_sdk_dynamodb::types::AttributeValue>| {
            let version = item.get("version").map_or(0, |v| v.as_n().unwrap().parse().unwrap());
            (item["id"].as_s().unwrap().clone(), version)
        };
        all.push(items.map(|item| number(&item)).collect());
    }
    all
}

#[tokio::test]
async fn segments_and_short_pages_give_every_item_once() {
    for (seed, segments) in [(1, 1), (2, 2), (3, 7), (4, 100)] {
        let simulator = Simulator::builder(seed).quirks(Quirks::wild()).build();
        let table = simulator.create_table(orders()).unwrap();
        for i in 0..300 {
            table.put(item(i)).unwrap();
        }
        let server = simulator.serve().await.unwrap();
        let parts = scan(&Clients::new(&server.url()), segments, true).await;
        let sizes: Vec<_> = parts.iter().map(BTreeMap::len).collect();
        let all: BTreeSet<_> = parts.into_iter().flat_map(BTreeMap::into_keys).collect();
        assert_eq!((all.len(), sizes.iter().sum::<usize>()), (300, 300));
        if segments == 7 {
            assert!(sizes.iter().all(|size| (20..70).contains(size)), "{sizes:?}");
        }
        assert!(segments > 1 || simulator.requests(Operation::Scan) > u64::try_from(segments).unwrap());
    }
}

#[tokio::test]
async fn stale_reads_see_what_was() {
    let quirks = Quirks { stale_reads: Duration::from_secs(2), scan_page_bytes: 40, ..Quirks::default() };
    let simulator = Simulator::builder(9).quirks(quirks).build();
    let table = simulator.create_table(orders()).unwrap();
    let put = |id: i32, version: i32| drop(table.put(item(id).with("version", version)).unwrap());
    (0..60).for_each(|id| put(id, 1));
    simulator.clock().advance(Duration::from_mins(1));
    (0..20).for_each(|id| put(id, 2));
    (20..40).for_each(|id| drop(table.delete(&item(id)).unwrap()));
    (60..80).for_each(|id| put(id, 2));
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());

    let exact: BTreeMap<_, _> = scan(&clients, 1, true).await.remove(0);
    assert_eq!(exact.len(), 60);
    let stale: BTreeMap<_, _> = scan(&clients, 1, false).await.remove(0);
    assert_ne!(stale, exact);
    assert!((0..20).any(|id| stale[&id.to_string()] == 1), "some changes are not seen yet");
    assert!((20..40).any(|id| stale.contains_key(&id.to_string())), "some removals neither");
    assert!((60..80).any(|id| !stale.contains_key(&id.to_string())), "nor some insertions");
    assert!((40..60).all(|id| stale[&id.to_string()] == 1));
    simulator.clock().advance(Duration::from_secs(3));
    assert_eq!(scan(&clients, 1, false).await.remove(0), exact);
}

#[tokio::test]
async fn numeric_and_binary_keys_page_on() {
    let keys = KeySchema::partition("id", KeyType::N).sort("at", KeyType::B);
    let simulator = Simulator::builder(3).quirks(Quirks { scan_page_bytes: 1, ..Quirks::default() }).build();
    let table = simulator.create_table(TableSpec::new("orders", keys)).unwrap();
    for i in 0..20 {
        let id = Value::number(&format!("{}.5E-3", i % 4)).unwrap();
        table.put(Item::new().with("id", id).with("at", vec![0, 255, i])).unwrap();
    }
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let items = clients.dynamodb.scan().table_name("orders").into_paginator().items().send();
    let items: Vec<_> = items.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(items.len(), 20);
    let at =
        |item: &HashMap<String, aws_sdk_dynamodb::types::AttributeValue>| item["at"].as_b().unwrap().as_ref().to_vec();
    assert!(items.windows(2).all(|pair| pair[0]["id"] != pair[1]["id"] || at(&pair[0]) < at(&pair[1])));
}

#[tokio::test]
async fn writes_over_http_and_by_hand_are_the_same() {
    let simulator = Simulator::builder(1).clock(Clock::at(5)).build();
    let table = simulator.create_table(orders()).unwrap();
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let key = aws_sdk_dynamodb::types::AttributeValue::S("a".to_owned());
    let n = |n: &str| aws_sdk_dynamodb::types::AttributeValue::N(n.to_owned());
    clients.dynamodb.put_item().table_name("orders").item("id", key).item("n", n("1.50")).send().await.unwrap();
    assert_eq!(table.items().unwrap(), [item("a").with("n", Value::number("1.5").unwrap())]);
    table.update(&item("a"), "SET n = :n", &[(":n", 2.into())]).unwrap();
    table.set(&item("a").with("m", true)).unwrap();
    assert_eq!(table.get(&item("a")).unwrap(), Some(item("a").with("n", 2).with("m", true)));
    assert_eq!(table.shards().unwrap()[0].records, 3);
}
