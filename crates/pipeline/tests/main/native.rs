//! Native nested values: which columns are born so, and who refuses them.

use async_trait::async_trait;
use commutator_core::rules::{ColumnRule, Nested, TableRules};
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, Column, Destination, ErrorKind, LogicalType, Result, Session, Target,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::CancellationToken;
use serde_json::json;

use crate::items::Items;
use crate::rules::{options, pipeline};

/// A destination that says it has types for maps and lists.
#[derive(Debug)]
struct Nesting(Memory);

#[async_trait]
impl Destination for Nesting {
    fn capabilities(&self) -> Capabilities {
        Capabilities { native_nested: true, ..self.0.capabilities() }
    }
    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }
    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }
    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        self.0.open(target).await
    }
}

fn source() -> Items {
    let item = json!({"id": 1, "map": {"a": 1}, "list": [1], "raw": {"a": 1}, "text": "x"});
    let later = json!({"id": 2, "map": "x", "new": [], "text": {"a": 1}});
    Items { snapshot: vec![item], changes: vec![vec![later]], ..Items::default() }
}

fn rules() -> TableRules {
    TableRules::default()
        .nested(Nested::Native)
        .column("raw", ColumnRule::default().nested(Nested::Json))
        .column("list", ColumnRule::default().renamed("elements"))
}

#[tokio::test]
async fn columns_of_maps_and_lists_are_born_native_where_that_is_said() {
    let memory = Memory::new();
    let pipeline = |rules| pipeline(&source(), Nesting(memory.clone()), options(rules));
    assert!(pipeline(rules()).run(&CancellationToken::new()).await.unwrap().succeeded());
    let rows = memory.rows("t").unwrap();
    let mut columns: Vec<&Column> = rows.schema().columns().iter().collect();
    columns.sort_by_key(|column| &column.name);
    let found: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.ty, column.native)).collect();
    let json = LogicalType::Json;
    assert_eq!(
        found,
        [
            ("elements", json, true),
            ("id", LogicalType::Int64, false),
            ("map", json, true),
            ("new", json, true),
            ("raw", json, false),
            // It was text first, and would be native had the first batch held a map.
            ("text", json, true),
        ]
    );
    // The same items in one batch.
    let other = Memory::new();
    let Items { mut snapshot, changes, .. } = source();
    snapshot.extend(changes.into_iter().flatten());
    let at_once = Items { snapshot, ..Items::default() };
    let pipeline_at_once = crate::rules::pipeline(&at_once, Nesting(other.clone()), options(rules()));
    assert!(pipeline_at_once.run(&CancellationToken::new()).await.unwrap().succeeded());
    assert_eq!(other.rows("t").unwrap().schema(), rows.schema());
    // What is said later changes no column that is there.
    assert!(pipeline(TableRules::default()).run(&CancellationToken::new()).await.unwrap().succeeded());
    assert_eq!(memory.rows("t").unwrap().schema(), rows.schema());
}

#[tokio::test]
async fn a_destination_without_such_types_refuses_before_anything_begins() {
    let of_column = TableRules::default().column("map", ColumnRule::default().nested(Nested::Native));
    for rules in [rules(), of_column] {
        let memory = Memory::new();
        let pipeline = pipeline(&source(), memory.clone(), options(rules));
        let error = pipeline.run(&CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("native form of nested values"), "{error}");
        assert!(memory.rows("t").is_none());
    }
}
