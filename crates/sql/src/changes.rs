//! `_ct_schema_changes`: how every table's columns came about, a row per column and change.

use std::borrow::Cow;

use commutator_core::SchemaAction;

use crate::{Dialect, SchemaRef, TableRef};

/// The table's name.
pub const NAME: &str = "_ct_schema_changes";

/// One row: what became of a column.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// `create_table`, `add_column` or `widen_column`.
    pub action: &'static str,
    /// The column's name.
    pub column: &'a str,
    /// The column's type before, if it was there.
    pub from: Option<Cow<'static, str>>,
    /// The column's type after.
    pub to: Cow<'static, str>,
}

/// Returns the rows that a plan's steps leave, in their order.
pub fn rows<'a>(dialect: &Dialect, actions: &'a [SchemaAction]) -> Vec<Change<'a>> {
    let mut rows = Vec::new();
    for action in actions {
        match action {
            SchemaAction::CreateTable { schema } => rows.extend(schema.columns().iter().map(|column| Change {
                action: "create_table",
                column: &column.name,
                from: None,
                to: dialect.native(column.ty),
            })),
            SchemaAction::AddColumn { column } => rows.push(Change {
                action: "add_column",
                column: &column.name,
                from: None,
                to: dialect.native(column.ty),
            }),
            SchemaAction::WidenColumn { name, from, to } => rows.push(Change {
                action: "widen_column",
                column: name,
                from: Some(dialect.native(*from)),
                to: dialect.native(*to),
            }),
        }
    }
    rows
}

/// Creates the table where it is missing; `epoch` is the one that a table was read under when its columns changed.
pub fn create(dialect: &Dialect, schema: &SchemaRef) -> String {
    let types = &dialect.types;
    let (text, number, time) = (types.text, types.int64, types.timestamp);
    format!(
        "CREATE TABLE IF NOT EXISTS {} (
  pipeline {text} NOT NULL,
  table_name {text} NOT NULL,
  target {text} NOT NULL,
  changed_at {time} NOT NULL,
  epoch {number} NOT NULL,
  action {text} NOT NULL,
  column_name {text} NOT NULL,
  from_type {text},
  to_type {text} NOT NULL
)",
        TableRef::new(dialect, schema, NAME)
    )
}

/// Adds one row; parameters: pipeline, table, target, epoch, action, column, type before, type after.
pub fn insert(dialect: &Dialect, schema: &SchemaRef) -> String {
    let parameters: Vec<_> = (1..=8).map(|n| dialect.parameter(n)).collect();
    format!(
        "INSERT INTO {} (pipeline, table_name, target, epoch, action, column_name, from_type, to_type, changed_at) VALUES ({}, {})",
        TableRef::new(dialect, schema, NAME),
        parameters.join(", "),
        dialect.now,
    )
}

/// Whose columns changed, and under which epoch it was read then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The pipeline.
    pub pipeline: &'a str,
    /// The source's table.
    pub table: &'a str,
    /// The destination's table.
    pub target: &'a str,
    /// The epoch.
    pub epoch: u32,
}

/// The most bytes of rows in one statement, which is far from most limits; Redshift's Data API takes 100 KB.
const BYTES: usize = 80_000;
/// And the most rows.
const ROWS: usize = 200;

/// Adds rows, as literals.
pub fn insert_literals(dialect: &Dialect, schema: &SchemaRef, whose: &Whose<'_>, rows: &[Change<'_>]) -> Vec<String> {
    let literal = |text: &str| (dialect.literal)(text);
    let Whose { pipeline, table, target, epoch } = whose;
    let whose = [literal(pipeline), literal(table), literal(target), epoch.to_string()].join(", ");
    let values = |row: &Change<'_>| {
        let from = row.from.as_deref().map_or("NULL".to_owned(), literal);
        let (action, column, to) = (literal(row.action), literal(row.column), literal(&row.to));
        format!("({whose}, {action}, {column}, {from}, {to}, {})", dialect.now)
    };
    let start = format!(
        "INSERT INTO {} (pipeline, table_name, target, epoch, action, column_name, from_type, to_type, changed_at) VALUES ",
        TableRef::new(dialect, schema, NAME),
    );
    let mut statements = Vec::new();
    let (mut open, mut count) = (String::new(), 0);
    for row in rows {
        let row = values(row);
        if count > 0 && (count == ROWS || open.len() + row.len() > BYTES) {
            statements.push(std::mem::take(&mut open));
            count = 0;
        }
        open.push_str(if count == 0 { &start } else { ", " });
        open.push_str(&row);
        count += 1;
    }
    statements.extend((count > 0).then_some(open));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DUCKDB;
    use commutator_core::{Column, LogicalType, TableSchema};

    #[test]
    fn statements_have_as_many_rows_as_fit() {
        let schema = SchemaRef::new(&DUCKDB, &["db", "shop"]);
        let whose = Whose { pipeline: "p", table: "t", target: "t", epoch: 1 };
        let sizes = |column: &str, count: usize| -> Vec<usize> {
            let change = |_| Change { action: "add_column", column, from: None, to: "JSON".into() };
            let rows: Vec<_> = (0..count).map(change).collect();
            let statements = insert_literals(&DUCKDB, &schema, &whose, &rows);
            assert!(statements.iter().all(|statement| statement.len() < 100_000));
            statements.iter().map(|statement| statement.matches("'add_column'").count()).collect()
        };
        assert_eq!(sizes("x", 0), Vec::<usize>::new());
        assert_eq!(sizes("x", 401), [200, 200, 1]);
        assert_eq!(sizes(&"x".repeat(1000), 100), [75, 25]);
    }

    #[test]
    fn every_column_of_a_plan_has_its_row() {
        let schema =
            TableSchema::new(vec![Column::key("id", LogicalType::Text), Column::new("n", LogicalType::Int64)]).unwrap();
        let actions = [
            SchemaAction::CreateTable { schema },
            SchemaAction::AddColumn { column: Column::new("x", LogicalType::Json) },
            SchemaAction::WidenColumn { name: "n".to_owned(), from: LogicalType::Int64, to: LogicalType::Number },
        ];
        let shown: Vec<_> = rows(&DUCKDB, &actions)
            .into_iter()
            .map(|row| format!("{} {} {} {}", row.action, row.column, row.from.unwrap_or("-".into()), row.to))
            .collect();
        let expected = [
            "create_table id - VARCHAR",
            "create_table n - BIGINT",
            "add_column x - JSON",
            "widen_column n BIGINT VARCHAR",
        ];
        assert_eq!(shown, expected);
    }
}
