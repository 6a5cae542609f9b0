use super::*;

fn schema() -> TableSchema {
    TableSchema::new(vec![
        Column::key("pk", LogicalType::Text),
        Column::key("sk", LogicalType::Binary),
        Column::new("doc", LogicalType::Json),
    ])
    .unwrap()
}

fn layout(hashed: bool) -> Layout {
    Layout::new("s", "Orders", SyncMode::Mirror, hashed)
}

#[test]
fn names_and_texts_are_quoted() {
    assert_eq!(name(r#"a"b"#), r#""a""b""#);
    assert_eq!(literal(r"it's \"), r"E'it''s \\'");
}

#[test]
fn long_targets_have_tombstones_of_their_own() {
    assert_eq!(tombstones_name("orders"), "_ct_tombstones_orders");
    let (a, b) = (tombstones_name(&"x".repeat(63)), tombstones_name(&"x".repeat(62)));
    assert!(a.len() <= MAX_NAME && b.len() <= MAX_NAME && a != b);
}

#[test]
fn a_table_has_its_key_and_system_columns() {
    assert_eq!(
        layout(false).create(&schema()).join(";"),
        "CREATE TABLE \"s\".\"Orders\" (\n  \"pk\" text COLLATE \"C\" NOT NULL,\n  \"sk\" bytea NOT NULL,\n  \"doc\" jsonb,\n  \
         _ct_order text COLLATE \"C\" NOT NULL,\n  _ct_synced_at timestamp with time zone NOT NULL DEFAULT now(),\n  \
         _ct_changed_at timestamp with time zone,\n  PRIMARY KEY (\"pk\", \"sk\")\n)"
    );
}

#[test]
fn columns_are_added_and_widened_in_one_statement() {
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let widen = |column: &str, from, to| SchemaAction::WidenColumn { name: column.to_owned(), from, to };
    let actions = [
        SchemaAction::AddColumn { column: Column::new("n", LogicalType::Number) },
        widen("b", LogicalType::Binary, LogicalType::Json),
        widen("d", decimal(5, 2), decimal(7, 2)),
    ];
    assert_eq!(
        layout(false).alter(&actions).unwrap(),
        "ALTER TABLE \"s\".\"Orders\" ADD COLUMN \"n\" numeric, ALTER COLUMN \"b\" TYPE jsonb USING \
         to_jsonb(translate(encode(\"b\", 'base64'), E'\\n', '')), ALTER COLUMN \"d\" TYPE numeric(7,2)"
    );
    assert_eq!(rewritten(&actions).len(), 1);
    assert!(rewritten(&actions[2..]).is_empty());
    assert_eq!(layout(false).alter(&[]), None);
    assert_eq!(layout(false).alter_tombstones(&schema(), &actions), None);
}

#[test]
fn rows_are_applied_where_they_are_newer() {
    let plain = layout(false).apply(&schema(), false, false, false);
    assert_eq!(
        plain,
        "INSERT INTO \"s\".\"Orders\" AS t (\"pk\", \"sk\", \"doc\", _ct_order, _ct_changed_at, _ct_synced_at) \
         SELECT n.\"pk\", n.\"sk\", n.\"doc\"::jsonb, n._ct_order, n._ct_changed_at, now() \
         FROM (SELECT DISTINCT ON (\"pk\", \"sk\") s.* FROM pg_temp._ct_stage s ORDER BY \"pk\", \"sk\", _ct_order DESC) n \
         ON CONFLICT (\"pk\", \"sk\") DO UPDATE SET \"doc\" = excluded.\"doc\", _ct_order = excluded._ct_order, \
         _ct_changed_at = excluded._ct_changed_at, _ct_synced_at = excluded._ct_synced_at \
         WHERE t._ct_order < excluded._ct_order"
    );
    let full = layout(true).apply(&schema(), true, true, true);
    for part in [
        "sha256(int4send(octet_length(convert_to(s.\"pk\", 'UTF8'))) || convert_to(s.\"pk\", 'UTF8') || s.\"sk\") AS _ct_key",
        "t._ct_key = n._ct_key AND t._ct_order < n._ct_order",
        "d._ct_order >= n._ct_order",
        "NOT n._ct_removed",
        "ON CONFLICT (_ct_key)",
    ] {
        assert!(full.contains(part), "{part}\n{full}");
    }
}

#[test]
fn deleted_rows_keep_what_a_removal_does_not_carry() {
    let layout = Layout::new("s", "Orders", SyncMode::SoftDelete, false);
    let marks = layout.mark_removed(&schema());
    assert!(marks.ends_with(
        "ON CONFLICT (\"pk\", \"sk\") DO UPDATE SET _ct_order = excluded._ct_order, _ct_changed_at = excluded._ct_changed_at, \
         _ct_synced_at = excluded._ct_synced_at, _ct_deleted = true WHERE t._ct_order < excluded._ct_order"
    ));
    assert!(!marks.contains("doc"), "{marks}");
    let images = layout.apply_images(&schema(), false);
    assert!(images.contains("FROM pg_temp._ct_stage s WHERE NOT s._ct_removed ORDER BY"), "{images}");
    assert!(images.contains("_ct_deleted = excluded._ct_deleted WHERE t._ct_order < excluded._ct_order"), "{images}");
}

#[test]
fn versions_are_unique_by_key_and_order() {
    for (hashed, unique) in [(false, "\"pk\", \"sk\", _ct_order"), (true, "_ct_key, _ct_order")] {
        let layout = Layout::new("s", "Orders", SyncMode::History, hashed);
        let add = layout.add_versions(&schema());
        assert!(add.ends_with(&format!("ON CONFLICT ({unique}) DO NOTHING")), "{add}");
        let index = layout.index_current(&schema());
        let key = unique.trim_end_matches(", _ct_order");
        assert_eq!(index, format!("CREATE INDEX \"_ct_current_Orders\" ON \"s\".\"Orders\" ({key}) WHERE _ct_current"));
    }
}
