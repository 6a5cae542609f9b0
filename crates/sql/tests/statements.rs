//! Every statement, in all dialects side by side. `INSTA_UPDATE=always cargo test -p commutator-sql` writes the snapshots anew.

use commutator_core::{
    Column, Epoch, LogicalType, PipelineId, SchemaAction, Slice, SyncMode, TableName, TableSchema, Target,
};
use commutator_sql::{
    BIGQUERY, BIGQUERY_JSON, Checkpoints, DUCKDB, Dialect, Layout, Owner, Part, REDSHIFT, REDSHIFT_TEXT, SNOWFLAKE,
    SNOWFLAKE_TEXT, SchemaRef, TargetCheckpoint, Written, changes,
};

const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

fn decimal(precision: u8, scale: u8) -> LogicalType {
    LogicalType::Decimal { precision, scale }
}

/// Two key columns, one of each kind of type, and a name that takes quotes.
fn schema() -> TableSchema {
    TableSchema::new(vec![
        Column::key("pk", LogicalType::Text),
        Column::key("sk", LogicalType::Int64),
        Column::new("order", LogicalType::Json),
        Column::new("price", decimal(5, 2)),
        Column::new("any", LogicalType::Number),
        Column::new("raw", LogicalType::Binary),
        Column::new("ok", LogicalType::Bool),
    ])
    .unwrap()
}

fn layout(dialect: &'static Dialect, mode: SyncMode) -> Layout {
    Layout::new(dialect, &schema_ref(dialect), "Orders", mode)
}

fn schema_ref(dialect: &'static Dialect) -> SchemaRef {
    let schema = if TWINS.iter().any(|(_, twin)| twin.is_some_and(|twin| std::ptr::eq(twin, dialect))) {
        TWIN_SCHEMA
    } else {
        SCHEMA
    };
    SchemaRef::new(dialect, &["db", schema])
}

/// The dialects, each with its twin whose documents are of another type.
static TWINS: [(&Dialect, Option<&Dialect>); 4] = [
    (&DUCKDB, None),
    (&REDSHIFT, Some(&REDSHIFT_TEXT)),
    (&SNOWFLAKE, Some(&SNOWFLAKE_TEXT)),
    (&BIGQUERY, Some(&BIGQUERY_JSON)),
];
const SCHEMA: &str = "shop";
const TWIN_SCHEMA: &str = "twin";

/// What each dialect makes of something, one after the other; and of its twin what is not the same, and tables, which make its statements whole.
fn side_by_side(statements: impl Fn(&'static Dialect) -> Vec<String>) -> String {
    let mut shown = Vec::new();
    for (dialect, twin) in TWINS {
        let usual = statements(dialect);
        let mut other = twin.map(&statements).unwrap_or_default();
        other.retain(|statement| {
            statement.starts_with("CREATE") || !usual.contains(&statement.replace(TWIN_SCHEMA, SCHEMA))
        });
        for statements in [usual, other].into_iter().filter(|statements| !statements.is_empty()) {
            let statements: Vec<_> = statements.into_iter().map(|statement| format!("{statement};")).collect();
            shown.push(format!("-- {}\n{}\n", dialect.name, statements.join("\n")));
        }
    }
    shown.join("\n")
}

#[test]
fn tables() {
    for mode in MODES {
        let name = format!("create_{mode}");
        insta::assert_snapshot!(name, side_by_side(|dialect| vec![layout(dialect, mode).create(&schema())]));
    }
    let others = side_by_side(|dialect| {
        let layout = layout(dialect, SyncMode::Mirror);
        vec![
            layout.create_stage(&schema()),
            layout.clear_stage(),
            layout.create_tombstones(&schema()),
            layout.drop_tombstones(),
        ]
    });
    insta::assert_snapshot!("create_others", others);
}

#[test]
fn columns() {
    let widen = |name: &str, from, to| SchemaAction::WidenColumn { name: name.to_owned(), from, to };
    let actions = [
        SchemaAction::AddColumn { column: Column::new("new", LogicalType::Text) },
        SchemaAction::AddColumn { column: Column::new("price 2", decimal(38, 38)) },
        widen("sk", LogicalType::Int64, decimal(21, 2)),
        widen("price", decimal(5, 2), decimal(7, 2)),
        widen("order", LogicalType::Text, LogicalType::Json),
    ];
    insta::assert_snapshot!("alter", side_by_side(|dialect| layout(dialect, SyncMode::Mirror).alter(&actions)));
    let keys = |dialect| layout(dialect, SyncMode::Mirror).alter_tombstones(&schema(), &actions);
    insta::assert_snapshot!("alter_tombstones", side_by_side(keys));
    assert_eq!(layout(&DUCKDB, SyncMode::Mirror).alter(&[]), Vec::<String>::new());
}

#[test]
fn a_widening_is_tried_where_it_may_fail() {
    let to_json = |dialect, from| layout(dialect, SyncMode::Mirror).try_widening("any", from, LogicalType::Json);
    let number = to_json(&SNOWFLAKE, LogicalType::Number).unwrap();
    let value = SNOWFLAKE.widened("\"any\"", LogicalType::Number, LogicalType::Json);
    assert_eq!(number, format!(r#"SELECT count({value}) FROM "db"."shop"."Orders""#));
    assert_eq!(to_json(&SNOWFLAKE, LogicalType::Int64), None);
    assert_eq!(to_json(&DUCKDB, LogicalType::Number), None);
}

/// Every pair of types that `conform` widens, as expressions.
#[test]
fn widenings() {
    use LogicalType::{Binary, Bool, Int64, Json, Number, Text};
    let types = [Bool, Int64, decimal(5, 2), decimal(5, 0), decimal(9, 4), decimal(38, 38), Number, Text, Binary, Json];
    let expressions = |dialect: &'static Dialect| {
        let mut all = Vec::new();
        for from in types {
            for to in types.into_iter().filter(|&to| to != from && (from.fits_in(to) || to == Text)) {
                all.push(format!("{from} to {to}: {}", dialect.widened("v", from, to)));
            }
        }
        all
    };
    insta::assert_snapshot!("widened", side_by_side(expressions));
}

#[test]
fn mirror() {
    let statements = |dialect| {
        let layout = layout(dialect, SyncMode::Mirror);
        let mut all = layout.apply(&schema(), true);
        all.extend(layout.record_removals(&schema()));
        all.push(layout.delete_older(Epoch(2)));
        all
    };
    insta::assert_snapshot!("mirror", side_by_side(statements));
    let in_place = layout(&DUCKDB, SyncMode::Mirror).in_place().apply(&schema(), false);
    assert!(in_place.len() == 1 && in_place[0].starts_with("MERGE INTO"), "{in_place:?}");
    let plain = layout(&DUCKDB, SyncMode::Mirror).apply(&schema(), false).concat();
    assert!(!plain.contains("_ct_tombstones"), "{plain}");
}

#[test]
fn soft_delete() {
    let statements = |dialect| {
        let layout = layout(dialect, SyncMode::SoftDelete);
        let mut all = layout.apply_images(&schema());
        all.extend(layout.mark_removed(&schema()));
        all.push(layout.mark_older(Epoch(2)));
        all.extend(layout.add_deleted());
        all.push(layout.tombstones_to_rows(&schema()));
        all
    };
    insta::assert_snapshot!("soft_delete", side_by_side(statements));
}

#[test]
fn filtered() {
    let statements = |dialect| {
        let marked = layout(dialect, SyncMode::SoftDelete);
        let versions = layout(dialect, SyncMode::History);
        let mut all = marked.apply_images_not_removed(&schema());
        all.extend(marked.mark_known(&schema()));
        all.extend([true, false].map(|runs| versions.drop_idle(&schema(), runs)));
        all.extend([versions.stage_idle(&schema()), versions.drop_staged(&schema())]);
        all
    };
    insta::assert_snapshot!("filtered", side_by_side(statements));
}

#[test]
fn history_and_append() {
    let statements = |dialect| {
        let layout = layout(dialect, SyncMode::History);
        vec![layout.add_versions(&schema()), layout.set_intervals(&schema()), layout.stage_unseen(&schema(), Epoch(2))]
    };
    insta::assert_snapshot!("history", side_by_side(statements));
    insta::assert_snapshot!(
        "append",
        side_by_side(|dialect| vec![layout(dialect, SyncMode::Append).append(&schema())])
    );
}

#[test]
fn checkpoints_and_fence() {
    let statements = |dialect| {
        let schema = schema_ref(dialect);
        let checkpoints = Checkpoints::new(dialect, &schema);
        vec![
            checkpoints.create(),
            checkpoints.select_rival(),
            checkpoints.raise(),
            checkpoints.insert(),
            checkpoints.select(),
            checkpoints.set_mode(),
            checkpoints.record(),
            changes::create(dialect, &schema),
            changes::insert(dialect, &schema),
        ]
    };
    insta::assert_snapshot!("checkpoints", side_by_side(statements));
}

#[test]
fn checkpoint_of_a_target() {
    let target = Target {
        pipeline: PipelineId::new("shop").unwrap(),
        table: TableName::new("orders"),
        name: "Order's".to_owned(),
        keys: Vec::new(),
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        expected_bytes: 0,
        filtered: false,
    };
    let statements = |dialect| {
        let checkpoint = TargetCheckpoint::new(dialect, &schema_ref(dialect), &target);
        let owner = Owner { number: 7, token: "ab-1".to_owned() };
        let mut all = vec![
            checkpoint.create(SyncMode::Mirror, &Owner { number: 1, token: "ab-1".to_owned() }),
            checkpoint.raise("ab-1"),
            checkpoint.select(),
            checkpoint.select_owner(),
            checkpoint.fail_rehearsed(),
        ];
        let part = |part, text, replaces| Written { part, text, replaces };
        all.extend(checkpoint.write(&owner, &[part(Part::Checkpoint, Some(r#"{"a":"\""}"#), false)], None));
        let moved = [
            part(Part::Checkpoint, Some("{}"), true),
            part(Part::Columns, Some("[]"), true),
            part(Part::Planned, None, true),
        ];
        all.extend(checkpoint.write(&owner, &moved, Some(SyncMode::SoftDelete)));
        let whose = changes::Whose { pipeline: "shop", table: "orders", target: "Order's", epoch: 2 };
        let actions = [
            SchemaAction::AddColumn { column: Column::new("new", LogicalType::Text) },
            SchemaAction::WidenColumn { name: "n".to_owned(), from: LogicalType::Int64, to: LogicalType::Number },
        ];
        let rows = changes::rows(dialect, &actions);
        all.extend(changes::insert_literals(dialect, &schema_ref(dialect), &whose, &rows));
        all
    };
    insta::assert_snapshot!("checkpoint_of_a_target", side_by_side(statements));
}
