//! A table's columns, and their Arrow form.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use super::LogicalType;
use crate::{Error, ErrorKind, Result};

/// The metadata key of an Arrow field that says which logical type it has where Arrow's own does not tell.
const TYPE_KEY: &str = "commutator.type";

/// One column: its name, its type, and whether it is part of the primary key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column {
    /// The attribute's name, or the destination's name once names were mapped.
    pub name: String,
    /// What the column holds.
    #[serde(rename = "type")]
    pub ty: LogicalType,
    /// Whether the column is part of the primary key; key columns are never null.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
    /// Whether maps and lists in it become the destination's own types, as far as they agree, if its type is JSON or becomes it; the type
    /// is JSON all the same.
    ///
    /// It says what a column is born as, of whatever type: one that a table has already stays what it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub native: bool,
}

impl Column {
    /// Creates a column that is not part of the key.
    pub fn new(name: impl Into<String>, ty: LogicalType) -> Self {
        Self { name: name.into(), ty, key: false, native: false }
    }

    /// Creates a column that is part of the key.
    pub fn key(name: impl Into<String>, ty: LogicalType) -> Self {
        Self { name: name.into(), ty, key: true, native: false }
    }

    /// Returns the Arrow field: `Int64`, `Decimal128`, `Float64`, `Utf8`, `Binary`, `Boolean` or a UTC microsecond timestamp; `Number`
    /// and `Json` are `Utf8` with a tag in the field's metadata, `Json` also with the `arrow.json` extension name.
    pub fn to_field(&self) -> Field {
        let tagged = |tag: &str, extension: Option<&str>| {
            let mut metadata = HashMap::from([(TYPE_KEY.to_owned(), tag.to_owned())]);
            if let Some(name) = extension {
                metadata.insert("ARROW:extension:name".to_owned(), name.to_owned());
            }
            metadata
        };
        let metadata = match self.ty {
            LogicalType::Number => tagged("number", None),
            LogicalType::Json => tagged("json", Some("arrow.json")),
            _ => HashMap::new(),
        };
        Field::new(&self.name, self.data_type(), !self.key).with_metadata(metadata)
    }

    /// Returns the Arrow type of the field.
    pub(crate) fn data_type(&self) -> DataType {
        match self.ty {
            LogicalType::Bool => DataType::Boolean,
            LogicalType::Int64 => DataType::Int64,
            LogicalType::Float64 => DataType::Float64,
            LogicalType::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
            LogicalType::Number | LogicalType::Text | LogicalType::Json => DataType::Utf8,
            LogicalType::Binary => DataType::Binary,
            LogicalType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        }
    }
}

/// The columns of a table: the key columns first (partition key, then sort key), no name twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TableSchema {
    columns: Vec<Column>,
}

impl TableSchema {
    /// Creates a schema; the key columns are moved to the front, all else keeps its order.
    ///
    /// Returns [`SchemaConflict`](ErrorKind::SchemaConflict) if a name stands twice.
    pub fn new(mut columns: Vec<Column>) -> Result<Self> {
        columns.sort_by_key(|c| !c.key);
        let mut names = std::collections::HashSet::with_capacity(columns.len());
        if let Some(twice) = columns.iter().find(|c| !names.insert(c.name.as_str())) {
            return Err(Error::new(ErrorKind::SchemaConflict, "A schema has two columns of one name")
                .with("column", &twice.name));
        }
        Ok(Self { columns })
    }

    /// Returns all columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the key columns, which are the first ones.
    pub fn keys(&self) -> &[Column] {
        &self.columns[..self.columns.iter().take_while(|c| c.key).count()]
    }

    /// Returns the column of this name and its index; linear, for single look-ups.
    pub fn get(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, c)| c.name == name)
    }

    /// Returns an index from names to columns, for many look-ups.
    pub fn by_name(&self) -> HashMap<&str, (usize, &Column)> {
        self.columns.iter().enumerate().map(|(i, c)| (c.name.as_str(), (i, c))).collect()
    }

    /// Returns the Arrow schema, a field per column in the same order.
    pub fn to_arrow(&self) -> SchemaRef {
        Arc::new(Schema::new(self.columns.iter().map(Column::to_field).collect::<Vec<_>>()))
    }
}

impl<'de> Deserialize<'de> for TableSchema {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_first_and_names_are_unique() {
        let schema =
            TableSchema::new(vec![Column::new("a", LogicalType::Text), Column::key("id", LogicalType::Int64)]).unwrap();
        assert_eq!(schema.keys(), [Column::key("id", LogicalType::Int64)]);
        assert_eq!(schema.get("a").unwrap().0, 1);
        let twice = vec![Column::new("a", LogicalType::Text), Column::new("a", LogicalType::Int64)];
        assert_eq!(TableSchema::new(twice).unwrap_err().kind(), ErrorKind::SchemaConflict);
    }

    #[test]
    fn serde_round_trips() {
        let schema = TableSchema::new(vec![
            Column::key("id", LogicalType::Text),
            Column::new("price", LogicalType::Decimal { precision: 5, scale: 2 }),
        ])
        .unwrap();
        let text = serde_json::to_string(&schema).unwrap();
        assert_eq!(text, r#"[{"name":"id","type":"text","key":true},{"name":"price","type":"decimal(5,2)"}]"#);
        assert_eq!(serde_json::from_str::<TableSchema>(&text).unwrap(), schema);
    }
}
