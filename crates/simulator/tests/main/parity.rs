//! The same requests to `DynamoDB` Local and to the simulator, and the same answers.
//!
//! What `DynamoDB` Local itself does differently from AWS is left out, and said where: numbers inside documents and in update expressions are
//! not normalised there, times are cut to the minute, pages of records have no limit of 1 MB.

mod scenarios;
mod streams;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    StreamSpecification, StreamViewType,
};
use commutator_simulator::Simulator;

use crate::client::{Clients, code, show_item};

/// Attribute values from `DynamoDB` JSON.
fn item(json: &str) -> HashMap<String, AttributeValue> {
    fn value(json: &serde_json::Value) -> AttributeValue {
        use aws_sdk_dynamodb::primitives::Blob;
        use base64::Engine as _;
        let (kind, json) = json.as_object().unwrap().iter().next().unwrap();
        let text = |json: &serde_json::Value| json.as_str().unwrap().to_owned();
        let bytes = |json| Blob::new(base64::engine::general_purpose::STANDARD.decode(text(json)).unwrap());
        let list = || json.as_array().unwrap().iter();
        match kind.as_str() {
            "S" => AttributeValue::S(text(json)),
            "N" => AttributeValue::N(text(json)),
            "B" => AttributeValue::B(bytes(json)),
            "BOOL" => AttributeValue::Bool(json.as_bool().unwrap()),
            "NULL" => AttributeValue::Null(json.as_bool().unwrap()),
            "M" => AttributeValue::M(json.as_object().unwrap().iter().map(|(k, v)| (k.clone(), value(v))).collect()),
            "L" => AttributeValue::L(list().map(value).collect()),
            "SS" => AttributeValue::Ss(list().map(text).collect()),
            "NS" => AttributeValue::Ns(list().map(text).collect()),
            "BS" => AttributeValue::Bs(list().map(bytes).collect()),
            other => panic!("{other}"),
        }
    }
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json.as_object().unwrap().iter().map(|(name, json)| (name.clone(), value(json))).collect()
}

/// One of the two services, a table on it, and what it answered.
struct Subject {
    clients: Clients,
    table: String,
    answers: Vec<String>,
}

impl Subject {
    fn note(&mut self, what: &str, answer: impl std::fmt::Display) {
        self.answers.push(format!("{what}: {answer}"));
    }

    /// Makes the table with a key of one or two attributes, such as `pk:S sk:N`.
    async fn create(&self, keys: &str, view: Option<StreamViewType>) -> Result<String, String> {
        let call =
            self.clients.dynamodb.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        let mut call =
            call.set_stream_specification(view.map(|view| {
                StreamSpecification::builder().stream_enabled(true).stream_view_type(view).build().unwrap()
            }));
        for (key, role) in keys.split(' ').zip([KeyType::Hash, KeyType::Range]) {
            let (name, kind) = key.split_once(':').unwrap();
            let kind = ScalarAttributeType::from(kind);
            call = call
                .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(role).build().unwrap())
                .attribute_definitions(
                    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap(),
                );
        }
        let answer = call.send().await.map_err(|e| code(&e))?;
        Ok(answer.table_description.unwrap().latest_stream_arn.unwrap_or_default())
    }

    async fn put(&self, json: &str) -> Result<String, String> {
        self.put_item(item(json)).await
    }

    async fn put_item(&self, item: HashMap<String, AttributeValue>) -> Result<String, String> {
        let call = self.clients.dynamodb.put_item().table_name(&self.table).set_item(Some(item));
        let old = call.return_values("ALL_OLD".into()).send().await.map_err(|e| code(&e))?;
        Ok(old.attributes.map_or_else(String::new, |old| show_item(&old)))
    }

    async fn get(&self, json: &str) -> Result<String, String> {
        let call =
            self.clients.dynamodb.get_item().table_name(&self.table).set_key(Some(item(json))).consistent_read(true);
        let found = call.send().await.map_err(|e| code(&e))?;
        Ok(found.item.map_or_else(|| "none".to_owned(), |item| show_item(&item)))
    }

    async fn delete(&self, json: &str) -> Result<String, String> {
        let call = self.clients.dynamodb.delete_item().table_name(&self.table).set_key(Some(item(json)));
        let old = call.return_values("ALL_OLD".into()).send().await.map_err(|e| code(&e))?;
        Ok(old.attributes.map_or_else(|| "none".to_owned(), |old| show_item(&old)))
    }
}

/// Where `DynamoDB` Local is, if it runs.
fn dynamodb_local(test: &str) -> Option<String> {
    const NEEDED: &str = "COMMUTATOR_TEST_DYNAMODB_URL";
    let url = std::env::var(NEEDED).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        let skipped = format!("skipped: {test} needs {NEEDED}");
        let ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        assert!(!ci, "{skipped}");
        #[expect(clippy::print_stdout, reason = "whoever runs the tests looks for this line")]
        {
            println!("{skipped}");
        }
    }
    url
}

/// Runs a scenario on both services and compares what they answered.
macro_rules! compare {
    ($scenarios:ident::$name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(local) = dynamodb_local(concat!("parity of ", stringify!($name))) else { return };
            let simulator = Simulator::new(17);
            let server = simulator.serve().await.unwrap();
            let mut answers = Vec::new();
            for url in [local, server.url()] {
                let table = format!("parity-{}-{}", stringify!($name), std::process::id());
                let mut subject = Subject { clients: Clients::new(&url), table, answers: Vec::new() };
                $scenarios::$name(&mut subject).await;
                // Some scenarios have done so already.
                subject.clients.dynamodb.delete_table().table_name(&subject.table).send().await.ok();
                answers.push(subject.answers);
            }
            let [local, simulated] = &answers[..] else { unreachable!() };
            for (local, simulated) in local.iter().zip(simulated) {
                assert_eq!(simulated, local, "left the simulator, right DynamoDB Local");
            }
            assert_eq!(simulated.len(), local.len());
            assert!(!local.is_empty());
        }
    };
}

compare!(scenarios::tables);
compare!(scenarios::items);
compare!(scenarios::numbers);
compare!(scenarios::updates);
compare!(scenarios::batches);
compare!(scenarios::scans);
compare!(scenarios::scan_pages);
compare!(streams::records);
compare!(streams::views);
compare!(streams::iterators);
compare!(streams::closed_shards);
