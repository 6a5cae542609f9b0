//! The decoder against the SDK's own deserializers: the same response, once as Arrow and once as the SDK's types.
//!
//! Written as `DynamoDB` writes it: the SDK does not read escapes in a binary value, which nobody needs there.

use std::fmt::Write as _;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use commutator_core::schema::canonical_number;
use commutator_core::{Op, OrderKey, Sequence};
use proptest::prelude::*;
use serde_json::Value;

use super::generate::{Attr, Item, Style, items, page};
use super::reference::scaled;
use super::*;

/// A server's answer, whatever it is asked.
#[derive(Debug, Clone)]
struct Replay(String);

impl HttpConnector for Replay {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let status = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(self.0.clone()))))
    }
}

fn replay(body: &str) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Replay(body.to_owned()));
    http_client_fn(move |_, _| connector.clone())
}

/// Takes one SDK's value for a value of ours; maps become unordered, as they are there.
macro_rules! attr_of {
    ($name:ident, $sdk:ident) => {
        fn $name(value: &$sdk::types::AttributeValue) -> Attr {
            use $sdk::types::AttributeValue as Sdk;
            match value {
                Sdk::S(text) => Attr::S(text.clone()),
                Sdk::N(text) => Attr::N(text.clone()),
                Sdk::B(bytes) => Attr::B(bytes.as_ref().to_vec()),
                Sdk::Bool(value) => Attr::Bool(*value),
                Sdk::Null(_) => Attr::Null,
                Sdk::M(members) => Attr::M(members.iter().map(|(name, v)| (name.clone(), $name(v))).collect()),
                Sdk::L(elements) => Attr::L(elements.iter().map($name).collect()),
                Sdk::Ss(all) => Attr::Ss(all.clone()),
                Sdk::Ns(all) => Attr::Ns(all.clone()),
                Sdk::Bs(all) => Attr::Bs(all.iter().map(|bytes| bytes.as_ref().to_vec()).collect()),
                other => panic!("{other:?}"),
            }
        }
    };
}
attr_of!(of_table, aws_sdk_dynamodb);
attr_of!(of_stream, aws_sdk_dynamodbstreams);

/// A document in which numbers of equal value are equal, and members have no order.
fn document(value: &Attr) -> Value {
    let number = |text: &String| Value::from(format!("N{}", canonical_number(text).unwrap()));
    let base64 = |bytes: &Vec<u8>| Value::from(base64_simd::STANDARD.encode_to_string(bytes));
    match value {
        Attr::S(text) => text.as_str().into(),
        Attr::N(text) => number(text),
        Attr::B(bytes) => base64(bytes),
        Attr::Bool(value) => (*value).into(),
        Attr::Null => Value::Null,
        Attr::M(members) => Value::Object(members.iter().map(|(name, v)| (name.clone(), document(v))).collect()),
        Attr::L(elements) => elements.iter().map(document).collect(),
        Attr::Ss(all) => {
            let mut all = all.clone();
            all.sort();
            all.iter().map(|text| Value::from(text.as_str())).collect()
        }
        Attr::Ns(all) => {
            let mut all = all.clone();
            all.sort_by_key(|text| scaled(text).unwrap());
            all.iter().map(number).collect()
        }
        Attr::Bs(all) => {
            let mut all = all.clone();
            all.sort();
            all.iter().map(base64).collect()
        }
    }
}

/// The same of a document that was decoded.
fn numbers_by_value(value: Value) -> Value {
    match value {
        Value::Number(number) => format!("N{}", canonical_number(&number.to_string()).unwrap()).into(),
        Value::Array(elements) => elements.into_iter().map(numbers_by_value).collect(),
        Value::Object(members) => members.into_iter().map(|(name, v)| (name, numbers_by_value(v))).collect(),
        other => other,
    }
}

/// Asserts that each row is the SDK's item: every attribute in a column of its name, and nothing else.
fn assert_same(changes: Option<&ChangeBatch>, items: &[Item], body: &str) {
    let columns = changes.map(render).unwrap_or_default();
    assert_eq!(changes.map_or(0, ChangeBatch::len), items.len(), "{body}");
    for (row, item) in items.iter().enumerate() {
        let mut found = 0;
        for (column, cells) in &columns {
            let Some(shown) = &cells[row] else { continue };
            let Some((_, value)) = item.iter().find(|(name, _)| *name == column.name) else {
                panic!("row {row} has `{}`, the SDK's item has not: {body}", column.name);
            };
            found += 1;
            match (column.ty, value) {
                (LogicalType::Json, value) => {
                    let decoded = numbers_by_value(serde_json::from_str(shown).unwrap());
                    assert_eq!(decoded, document(value), "{body}");
                }
                (_, Attr::S(text)) => assert_eq!(shown, text),
                (_, Attr::N(text)) => assert_eq!(*shown, canonical_number(text).unwrap()),
                (_, Attr::B(bytes)) => assert_eq!(*shown, reference::hex(bytes)),
                (_, Attr::Bool(value)) => assert_eq!(*shown, value.to_string()),
                (ty, value) => panic!("{value:?} in a column of type {ty}: {body}"),
            }
        }
        let present = item.iter().filter(|(_, value)| !matches!(value, Attr::Null)).count();
        assert_eq!(found, present, "row {row}: {body}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn scan_through_the_sdk(body: &str) -> Vec<Item> {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::for_tests())
        .http_client(replay(body))
        .build();
    let output = block_on(aws_sdk_dynamodb::Client::from_conf(config).scan().table_name("t").send()).unwrap();
    let item = |item: &std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>| {
        item.iter().map(|(name, value)| (name.clone(), of_table(value))).collect()
    };
    output.items().iter().map(item).collect()
}

/// A record of each item, in the order of their sequence numbers.
fn records_body(items: &[Item]) -> String {
    let mut style = Style::compact();
    let mut body = String::from(r#"{"NextShardIterator":"next","Records":["#);
    for (i, item) in items.iter().enumerate() {
        body += if i > 0 { "," } else { "" };
        let (name, image) = [("INSERT", true), ("MODIFY", true), ("REMOVE", false)][i % 3];
        let time = 1_700_000_000 + i;
        write!(body, r#"{{"eventName":"{name}","dynamodb":{{"ApproximateCreationDateTime":{time},"Keys":{{"id":"#)
            .unwrap();
        style.value(&item[0].1, &mut body);
        body.push('}');
        if image {
            body += r#","NewImage":"#;
            style.object(item, false, &mut body);
        }
        write!(body, r#","SequenceNumber":"{:021}"}}}}"#, 100 + i).unwrap();
    }
    body + "]}"
}

fn records_through_the_sdk(body: &str) -> Vec<aws_sdk_dynamodbstreams::types::Record> {
    let config = aws_sdk_dynamodbstreams::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::for_tests())
        .http_client(replay(body))
        .build();
    let client = aws_sdk_dynamodbstreams::Client::from_conf(config);
    let output = block_on(client.get_records().shard_iterator("i").send()).unwrap();
    assert_eq!(output.next_shard_iterator(), Some("next"));
    output.records().to_vec()
}

proptest! {
    #[test]
    fn scan_pages_are_what_the_sdk_reads(items in items()) {
        let body = page(&items, &mut Style::compact());
        let decoded = Decoder::new(keys()).scan_page(body.as_bytes(), EPOCH).unwrap();
        assert_same(decoded.changes.as_ref(), &scan_through_the_sdk(&body), &body);
    }

    #[test]
    fn records_are_what_the_sdk_reads(items in items()) {
        let body = records_body(&items);
        let decoded = Decoder::new(keys()).records_page(body.as_bytes(), EPOCH, RecordFilter::default()).unwrap();
        let records = records_through_the_sdk(&body);
        prop_assert_eq!(decoded.records, records.len() as u64);
        let mut images = Vec::new();
        for (row, record) in records.iter().enumerate() {
            let change = record.dynamodb().unwrap();
            let changes = decoded.changes.as_ref().unwrap();
            let op = match record.event_name().unwrap().as_str() {
                "INSERT" => Op::Insert,
                "MODIFY" => Op::Modify,
                _ => Op::Remove,
            };
            prop_assert_eq!(changes.ops()[row], op);
            let sequence: Sequence = change.sequence_number().unwrap().parse().unwrap();
            prop_assert_eq!(changes.orders()[row], OrderKey::new(EPOCH, sequence));
            let created = change.approximate_creation_date_time().unwrap();
            prop_assert_eq!(changes.changed_at()[row], Some(created.secs() * 1_000_000));
            let image = change.new_image().or(change.keys()).unwrap();
            images.push(image.iter().map(|(name, value)| (name.clone(), of_stream(value))).collect());
        }
        assert_same(decoded.changes.as_ref(), &images, &body);
    }
}
