//! A real round against `DynamoDB` Local, if there is one.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, PutRequest, ScalarAttributeType,
    StreamSpecification, StreamViewType, WriteRequest,
};
use commutator_core::{
    Budget, Checkpoint, Extras, OnBadRecord, Op, ReadRequest, Secret, Source as _, TableName, Until,
};
use futures_util::StreamExt as _;

use super::read::Outcome;
use crate::{Config, DynamoDb};

const VARIABLE: &str = "COMMUTATOR_TEST_DYNAMODB_URL";

#[expect(clippy::print_stdout, reason = "the test runner collects the line")]
fn server() -> Option<String> {
    let url = std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        assert!(
            !std::env::var("CI").is_ok_and(|ci| !matches!(ci.as_str(), "" | "0" | "false")),
            "{VARIABLE} is not set"
        );
        println!("skipped: source on DynamoDB Local needs {VARIABLE}");
    }
    url
}

struct Local {
    table: String,
    client: aws_sdk_dynamodb::Client,
    source: DynamoDb,
}

impl Local {
    async fn new(url: &str, test: &str) -> Self {
        let table = format!("{test}_{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros());
        let config = Config {
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some(Secret::new("local".to_owned())),
            secret_access_key: Some(Secret::new("local".to_owned())),
            endpoint_url: Some(url.to_owned()),
            tables: vec![table.clone()],
            segments: Some(4),
            ..Config::default()
        };
        let source = Box::pin(config.connect(Budget::new(1 << 26))).await.unwrap();
        let config = aws_sdk_dynamodb::config::Builder::from(source.aws_config()).endpoint_url(url).build();
        let client = aws_sdk_dynamodb::Client::from_conf(config);
        client
            .create_table()
            .table_name(&table)
            .attribute_definitions(attribute("id", ScalarAttributeType::S))
            .attribute_definitions(attribute("at", ScalarAttributeType::N))
            .key_schema(key("id", KeyType::Hash))
            .key_schema(key("at", KeyType::Range))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
        let local = Self { table, client, source };
        local.stream(true).await;
        local
    }

    async fn stream(&self, on: bool) {
        let specification = StreamSpecification::builder()
            .stream_enabled(on)
            .set_stream_view_type(on.then_some(StreamViewType::NewAndOldImages));
        let change = self.client.update_table().table_name(&self.table);
        change.stream_specification(specification.build().unwrap()).send().await.unwrap();
    }

    async fn put(&self, id: &str, n: &str) {
        self.client.put_item().table_name(&self.table).set_item(Some(item(id, n))).send().await.unwrap();
    }

    /// Puts the items `i<number>`, at most 25 of them.
    async fn put_all(&self, numbers: std::ops::Range<u32>) {
        let put = |i| PutRequest::builder().set_item(Some(item(&format!("i{i}"), "1"))).build().unwrap();
        let requests = numbers.map(|i| WriteRequest::builder().put_request(put(i)).build()).collect();
        let written = self.client.batch_write_item().request_items(&self.table, requests).send().await.unwrap();
        assert!(written.unprocessed_items().is_none_or(HashMap::is_empty));
    }

    async fn delete(&self, id: &str) {
        let call = self.client.delete_item().table_name(&self.table).key("id", AttributeValue::S(id.to_owned()));
        call.key("at", AttributeValue::N("1".to_owned())).send().await.unwrap();
    }

    async fn read(&self, from: &Checkpoint, until: Until) -> Outcome {
        let mut outcome = Outcome::new(from);
        let request = ReadRequest {
            table: TableName::new(&self.table),
            from: from.clone(),
            until,
            on_bad_record: OnBadRecord::Fail,
            extras: Extras::default(),
        };
        let mut stream = self.source.read(request).await.unwrap();
        while outcome.take(stream.next().await) {}
        outcome
    }
}

fn item(id: &str, n: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("id".to_owned(), AttributeValue::S(id.to_owned())),
        ("at".to_owned(), AttributeValue::N("1".to_owned())),
        ("n".to_owned(), AttributeValue::N(n.to_owned())),
    ])
}

fn attribute(name: &str, ty: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ty).build().unwrap()
}

fn key(name: &str, ty: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(ty).build().unwrap()
}

#[tokio::test]
async fn a_table_is_scanned_and_followed() {
    let Some(url) = server() else { return };
    let local = Local::new(&url, "followed").await;
    for part in 0..20 {
        local.put_all(part * 25..(part + 1) * 25).await;
    }
    local.delete("i0").await;
    assert!(local.source.check().await.unwrap().passed());

    let first = local.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    let scanned = first.rows.iter().filter(|(_, op, _)| *op == Op::Snapshot).count();
    assert_eq!(scanned, 499);
    // The stream is read from its beginning, so it brings everything once more, and the removal.
    assert_eq!(first.rows.iter().filter(|(_, op, _)| *op == Op::Insert).count(), 500);
    let newest = first.rows.iter().filter(|(id, ..)| id == "i0").max_by_key(|(.., order)| order.clone()).unwrap();
    assert_eq!(newest.1, Op::Remove);

    local.put("i1", "99999999999999999999999999999999999999").await;
    local.delete("i2").await;
    local.put("new", "-0.1").await;
    let second = local.read(&first.checkpoint, Until::CaughtUp).await.expect_end();
    let changes: Vec<_> = second.rows.iter().map(|(id, op, _)| (id.as_str(), *op)).collect();
    assert_eq!(changes, [("i1", Op::Modify), ("i2", Op::Remove), ("new", Op::Insert)]);
    assert!(second.rows[0].2 < second.rows[1].2 && second.rows[1].2 < second.rows[2].2);
    assert_eq!(local.read(&second.checkpoint, Until::CaughtUp).await.expect_end().rows, []);
}

#[tokio::test]
async fn a_stream_that_was_switched_off_and_on_is_a_gap() {
    let Some(url) = server() else { return };
    let local = Local::new(&url, "replaced").await;
    local.put("a", "1").await;
    let first = local.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    local.stream(false).await;
    local.put("b", "1").await;
    local.stream(true).await;
    local.put("c", "1").await;
    let gap = local.read(&first.checkpoint, Until::CaughtUp).await.gap.unwrap();
    assert!(gap.reason.contains("replaced"), "{}", gap.reason);
    let mut next = first.checkpoint.next_epoch(|partition| !gap.partitions.contains(partition));
    for fact in &gap.facts {
        next.forget_fact(fact);
    }
    let repaired = local.read(&next, Until::CaughtUp).await.expect_end();
    let scanned: Vec<_> =
        repaired.rows.iter().filter(|(_, op, _)| *op == Op::Snapshot).map(|(id, ..)| id.as_str()).collect();
    assert_eq!(scanned.len(), 3, "{scanned:?}");
}
