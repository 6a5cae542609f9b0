//! Numbers that become doubles, and what is there before them.

use super::*;

/// Returns the table under other rules, as after a restart with another file.
fn under(table: Table, said: &TableRules) -> Table {
    Table {
        rules: Rules::new(said, &[Column::key("id", LogicalType::Int64)], None).unwrap(),
        by: TypeJoin::of(said),
        ..table
    }
}

fn item(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn numbers_become_doubles_where_nothing_exact_is_there() {
    let exact = TableRules::default();
    let float = TableRules::default().numbers(Numbers::Float);
    let mut table = Table::new(&exact);
    table.take(&[item(r#"{"id": 1, "old": 1.5, "nested": [0.30000000000000004441]}"#)]).unwrap();
    let mut table = under(table, &float);
    table.take(&[item(r#"{"id": 9007199254740993, "old": 9007199254740993, "new": 9007199254740993}"#)]).unwrap();
    table.take(&[item(r#"{"id": 3, "new": 0.30000000000000004441, "nested": [9007199254740993]}"#)]).unwrap();
    let decimal = LogicalType::Decimal { precision: 20, scale: 1 };
    let types = |new| {
        let types = [("id", LogicalType::Int64), ("nested", LogicalType::Json), ("new", new), ("old", decimal)];
        types.map(|(name, ty)| (name.to_owned(), ty))
    };
    assert_eq!(table.types(), types(LogicalType::Float64));
    let rows = [
        item(r#"{"id": 1, "old": 1.5, "nested": [0.30000000000000004441]}"#),
        item(r#"{"id": 9007199254740993, "old": 9007199254740993, "new": 9007199254740992}"#),
        item(r#"{"id": 3, "new": 0.30000000000000004, "nested": [9007199254740993]}"#),
    ];
    assert_eq!(table.rows(), rows);
    let mut table = under(table, &exact);
    table.take(&[item(r#"{"id": 4}"#)]).unwrap();
    assert_eq!(table.types(), types(LogicalType::Float64));
    table.take(&[item(r#"{"id": 5, "new": 0.30000000000000004441}"#)]).unwrap();
    assert_eq!(table.types(), types(LogicalType::Number));
    assert_eq!(table.rows()[1..3], rows[1..]);
    assert_eq!(table.rows()[4], item(r#"{"id": 5, "new": 0.30000000000000004441}"#));
    // Back again: what became exact stays so.
    let mut table = under(table, &float);
    table.take(&[item(r#"{"id": 6, "new": 9007199254740993}"#)]).unwrap();
    assert_eq!(table.types(), types(LogicalType::Number));
    assert_eq!(table.rows()[5], item(r#"{"id": 6, "new": 9007199254740993}"#));
}

#[test]
fn a_frozen_column_of_doubles_takes_what_it_holds() {
    let mut table = Table::new(&TableRules::default().numbers(Numbers::Float));
    table.take(&[json!({"id": 1, "a": 0.1})]).unwrap();
    let mut table = under(table, &TableRules::default().contract(Contract::both(SchemaPolicy::Freeze)));
    table.take(&[json!({"id": 2, "a": 7})]).unwrap();
    assert_eq!(table.rows()[1], json!({"id": 2, "a": 7}));
    let error = table.take(&[item(r#"{"id": 3, "a": 9007199254740993}"#)]).unwrap_err();
    assert_eq!(error.context()[0].1, "`a` is float64 and would have to be number");
}

#[test]
fn a_letter_s_digits_are_a_double_again() {
    let said = TableRules::default().column("pinned", ColumnRule::pinned(LogicalType::Float64));
    let items = [(Op::Insert, json!({"id": 7, "pinned": 0.1, "other": 0.1, "exact": 0.1}))];
    let known = |identity: &str| (identity == "exact").then_some(LogicalType::Number);
    let types = |said: &TableRules| {
        let rules = Rules::new(said, &[Column::key("id", LogicalType::Int64)], None).unwrap();
        let again = rules.apply_again(&batch(&items), &known).unwrap();
        ["id", "pinned", "other", "exact"].map(|name| again.schema().get(name).unwrap().1.ty)
    };
    let (int, decimal) = (LogicalType::Int64, LogicalType::Decimal { precision: 1, scale: 1 });
    assert_eq!(types(&said), [int, LogicalType::Float64, decimal, decimal]);
    assert_eq!(types(&said.numbers(Numbers::Float)), [int, LogicalType::Float64, LogicalType::Float64, decimal]);
}
