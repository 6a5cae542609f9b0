//! The steps from the schema a destination has to the one that is wanted.

use serde::Serialize;

use super::{Column, LogicalType, TableSchema};
use crate::rules::TypeJoin;
use crate::{Error, ErrorKind, Result};

/// One step of a [`SchemaPlan`]; every step only adds or widens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum SchemaAction {
    /// Create the table with these columns.
    CreateTable {
        /// The table's columns.
        schema: TableSchema,
    },
    /// Add a nullable column.
    AddColumn {
        /// The new column.
        column: Column,
    },
    /// Change a column's type to a wider one; every value stays what it was.
    WidenColumn {
        /// The column's name.
        name: String,
        /// Its type before.
        from: LogicalType,
        /// Its type after.
        to: LogicalType,
    },
}

/// What a destination must do before it can take rows of a schema.
///
/// Applying a plan twice has the same effect as applying it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaPlan {
    /// The steps, in order.
    pub actions: Vec<SchemaAction>,
    /// The schema the table has afterwards.
    pub result: TableSchema,
}

impl SchemaPlan {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

/// Returns the steps from `actual` (`None`: there is no table yet) to a schema that also holds every row of `wanted`.
///
/// Columns that only the destination has stay as they are: an attribute that disappears keeps its column.
pub fn plan(actual: Option<&TableSchema>, wanted: &TableSchema) -> Result<SchemaPlan> {
    plan_by(actual, wanted, TypeJoin::default())
}

/// Returns the steps as [`plan`] does, where the types of columns that are not part of the key join as `by` says.
pub fn plan_by(actual: Option<&TableSchema>, wanted: &TableSchema, by: TypeJoin) -> Result<SchemaPlan> {
    let Some(actual) = actual else {
        let schema = wanted.clone();
        return Ok(SchemaPlan { actions: vec![SchemaAction::CreateTable { schema }], result: wanted.clone() });
    };
    let result = super::merge_by(actual, wanted, by)?;
    let before = actual.by_name();
    let mut actions = Vec::new();
    for column in result.columns() {
        match before.get(column.name.as_str()) {
            None if column.key => {
                return Err(Error::new(ErrorKind::SchemaConflict, "The destination's table lacks a key column")
                    .with("column", &column.name));
            }
            None => actions.push(SchemaAction::AddColumn { column: column.clone() }),
            Some((_, old)) if old.ty != column.ty => {
                actions.push(SchemaAction::WidenColumn { name: column.name.clone(), from: old.ty, to: column.ty });
            }
            Some(_) => {}
        }
    }
    Ok(SchemaPlan { actions, result })
}
