//! A change of a table's columns, told in a log line and as a line of JSON: pure.

use commutator::TableName;
use commutator::schema::{SchemaAction, SchemaPlan};
use serde_json::{Value, json};

/// A log line names so many columns; a table of a thousand would flood it.
const NAMED: usize = 12;

/// Returns what changes, in words, such as `adds note text; widens price int64 to number`.
pub(super) fn words(plan: &SchemaPlan) -> String {
    let (mut created, mut added, mut widened) = (Vec::new(), Vec::new(), Vec::new());
    for action in &plan.actions {
        match action {
            SchemaAction::CreateTable { schema } => {
                created.extend(schema.columns().iter().map(|column| format!("{} {}", column.name, column.ty)));
            }
            SchemaAction::AddColumn { column } => added.push(format!("{} {}", column.name, column.ty)),
            SchemaAction::WidenColumn { name, from, to } => widened.push(format!("{name} {from} to {to}")),
        }
    }
    let parts = [("creates the table with ", created), ("adds ", added), ("widens ", widened)];
    let parts = parts.into_iter().filter(|(_, columns)| !columns.is_empty());
    parts.map(|(verb, columns)| format!("{verb}{}", some(&columns))).collect::<Vec<_>>().join("; ")
}

fn some(columns: &[String]) -> String {
    let named = columns[..columns.len().min(NAMED)].join(", ");
    if columns.len() > NAMED { format!("{named} and {} more", columns.len() - NAMED) } else { named }
}

/// Returns the line of JSON; `at_ms` is the time in milliseconds since 1970.
pub(super) fn event(table: &TableName, plan: &SchemaPlan, at_ms: u64) -> Value {
    json!({ "event": "schema_changed", "table": table, "at_ms": at_ms, "actions": plan.actions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator::{Column, LogicalType, TableSchema};

    #[test]
    fn changes_are_told_in_a_line() {
        let schema = TableSchema::new(vec![Column::key("id", LogicalType::Text)]).unwrap();
        let add = |i| SchemaAction::AddColumn { column: Column::new(format!("a{i}"), LogicalType::Bool) };
        let widen =
            SchemaAction::WidenColumn { name: "n".to_owned(), from: LogicalType::Int64, to: LogicalType::Number };
        let mut actions: Vec<_> = (0..14).map(add).collect();
        actions.push(widen);
        let plan = SchemaPlan { actions, result: schema.clone() };
        let said = words(&plan);
        assert!(
            said.starts_with("adds a0 bool, a1 bool") && said.contains("a11 bool and 2 more; widens n int64 to number")
        );
        let created =
            SchemaPlan { actions: vec![SchemaAction::CreateTable { schema: schema.clone() }], result: schema };
        assert_eq!(words(&created), "creates the table with id text");
        let event = event(&TableName::new("t"), &created, 7);
        assert_eq!(event["actions"][0]["action"], "create_table");
        assert_eq!((&event["table"], &event["at_ms"]), (&"t".into(), &7.into()));
    }
}
