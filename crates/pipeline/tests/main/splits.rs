//! One source table that becomes several tables of the destination.

use commutator_core::rules::{ColumnRule, LeftOut, TableRules};
use commutator_core::{ErrorKind, TableName};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, Options, Part, Phase, TableOptions};
use serde_json::{Value, json};

use crate::items::{Items, seen};
use crate::rules::{options, pipeline, run};

fn order(id: i64, amount: i64) -> Value {
    json!({"id": id, "kind": "order", "amount": amount})
}

fn user(id: i64, amount: &str) -> Value {
    json!({"id": id, "kind": "user", "amount": amount})
}

fn source() -> Items {
    Items {
        snapshot: vec![order(1, 10), user(2, "many"), json!({"id": 3, "kind": "other"}), json!({"id": 4, "a": 1})],
        changes: vec![vec![user(1, "few"), order(5, 50)], vec![json!({"id": 2})]],
        ..Items::default()
    }
}

fn split(parts: Vec<Part>) -> Options {
    let mut options = options(TableRules::default()).with_split(TableName::new("t"), parts);
    let rules = TableRules::default().column("amount", ColumnRule::default().renamed("how_many"));
    let users = TableOptions { name: Some("people".to_owned()), rules, ..options.defaults.clone() };
    options.tables.insert(TableName::new("t:users"), users);
    options
}

fn parts() -> Vec<Part> {
    vec![Part::new("orders", "kind = 'order'".parse().unwrap()), Part::new("users", "kind = 'user'".parse().unwrap())]
}

#[tokio::test]
async fn each_part_has_its_own_items_columns_and_rules() {
    let memory = Memory::new();
    let report = run(&source(), &memory, split(parts())).await;
    assert!(report.succeeded(), "{report:?}");
    let names: Vec<_> = report.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(names, ["t:orders", "t:users"]);
    // `amount` is a number of orders and text of users; what moves from one part to the other leaves the first.
    assert_eq!(seen(&memory, "t_orders"), [order(5, 50)]);
    assert_eq!(seen(&memory, "people"), [json!({"id": 1, "kind": "user", "how_many": "few"})]);
    // Two of the snapshot belong to no part; that is counted once.
    assert_eq!(report.tables[0].left_out, LeftOut { unmatched_rows: 2, ..LeftOut::default() });
    assert_eq!(report.tables[1].left_out, LeftOut::default());
    assert!(memory.rows("t").is_none());
}

#[tokio::test]
async fn the_rest_is_a_part_and_every_part_has_a_status() {
    let memory = Memory::new();
    let options = split([parts(), vec![Part::rest("rest")]].concat());
    let pipeline = pipeline(&source(), memory.clone(), options);
    let report = pipeline.run(&CancellationToken::new()).await.unwrap();
    assert!(report.succeeded() && report.tables.iter().all(|table| table.left_out.is_nothing()));
    assert_eq!(seen(&memory, "t_rest"), [json!({"id": 3, "kind": "other"}), json!({"id": 4, "a": 1})]);
    let status = pipeline.status().await.unwrap();
    let found: Vec<_> = status.iter().map(|status| (status.table.name.as_str(), status.phase)).collect();
    assert_eq!(found, ["t:orders", "t:users", "t:rest"].map(|name| (name, Phase::Streaming)));
    let tables = pipeline.tables().await.unwrap();
    assert!(!pipeline.resync(&tables[1]).await.unwrap().asked_before);
    assert_eq!(pipeline.status().await.unwrap()[1].phase, Phase::ResyncAsked);
    assert!(pipeline.run(&CancellationToken::new()).await.unwrap().succeeded());
}

#[tokio::test]
async fn splits_that_cannot_be_are_refused() {
    let filter = || "a = 1".parse().unwrap();
    let same_name = {
        let mut options = split(parts());
        options.tables.get_mut(&TableName::new("t:users")).unwrap().name = Some("t_orders".to_owned());
        options
    };
    for options in [
        split(vec![]),
        split(vec![Part::new("a:b", filter())]),
        split(vec![Part::new("", filter())]),
        split(vec![Part::new("a", filter()), Part::new("a", filter())]),
        split(vec![Part::rest("a"), Part::rest("b")]),
        same_name,
    ] {
        let refused = pipeline(&source(), Memory::new(), options).run(&CancellationToken::new()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConfigInvalid);
    }
}
