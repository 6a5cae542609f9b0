//! What a user finds in the warehouse, and what is shown of it.

use std::time::{Duration, UNIX_EPOCH};

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Column, Destination as _, LogicalType, Position, SchemaAction, SchemaPlan};

use crate::place::Place;

#[tokio::test]
async fn a_checkpoint_is_a_row_and_further_pieces() {
    let place = Place::plain();
    let early = place.loader().with_clock(|| UNIX_EPOCH + Duration::from_micros(42));
    let mut table = Table::try_open(&early, target("t")).await.unwrap();
    table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
    let rows = "SELECT pipeline, table_name, slice, part, piece, target, mode, owner, left(content, 9) FROM _ct_checkpoint_t ORDER BY part";
    assert_eq!(
        place.query(rows),
        ["tests t whole checkpoint 0 t mirror 42 {\"epoch\":", "tests t whole columns 0 - - - [{\"name\":"]
    );
    // Longer than a statement of some warehouses.
    let partitions = (0..2000).map(|n| commutator_core::PartitionId::new(format!("shard-{n:060}")));
    let mut long = table.checkpoint.clone();
    for partition in partitions {
        long.advance(&commutator_core::Progress::of(partition, None, Position::Start)).unwrap();
    }
    for (checkpoint, pieces) in [(long, "3"), (table.checkpoint.clone(), "1")] {
        table.session.begin().await.unwrap().commit(&checkpoint).await.unwrap();
        let count = "SELECT count(*) FROM _ct_checkpoint_t WHERE part = 'checkpoint'";
        assert_eq!(place.query(count), [pieces]);
        assert_eq!(place.loader().peek(&target("t")).await.unwrap(), Some(checkpoint));
    }
}

#[tokio::test]
async fn a_commit_can_be_shown_before_there_is_anything() {
    let place = Place::apart();
    let columns = commutator_core::TableSchema::new(vec![
        Column::key("id", LogicalType::Int64),
        Column::new("doc", LogicalType::Json),
    ])
    .unwrap();
    let shown = place.loader().explain(&target("t"), &columns);
    let starts: Vec<_> =
        shown.iter().map(|statement| statement.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        starts,
        [
            "CREATE TEMPORARY TABLE",
            "INSERT INTO temp.main._ct_stage",
            "DELETE FROM \"memory\".\"shop\".\"t\"",
            "UPDATE \"memory\".\"shop\".\"t\" SET",
            "INSERT INTO \"memory\".\"shop\".\"t\"",
            "UPDATE \"memory\".\"shop\".\"_ct_checkpoint_t\" SET",
            "SELECT CAST(CASE WHEN",
        ]
    );
    assert!(place.duck.calls().is_empty() && place.files().is_empty(), "nobody was asked");
    let plan = SchemaPlan { actions: vec![SchemaAction::CreateTable { schema: columns.clone() }], result: columns };
    assert!(place.loader().preview(&target("t"), &plan)[0].starts_with("CREATE TABLE"));
}

#[tokio::test]
async fn looking_makes_nothing_and_a_check_leaves_nothing() {
    for place in [Place::plain(), Place::apart()] {
        let loader = place.loader();
        assert!(loader.peek(&target("t")).await.unwrap().is_none());
        assert!(loader.peek_schema(&target("t")).await.unwrap().is_none());
        let report = loader.check().await.unwrap();
        assert!(report.passed() && report.checks.len() == 4, "{report:?}");
        assert_eq!(place.query("SELECT count(*) FROM duckdb_tables()"), ["0"]);
        assert!(place.files().is_empty());
    }
}
