//! Schemas: what columns a table has, and how they follow the data. Everything here is a pure function of values.
//!
//! `infer` gives a value's type, `merge` the schema that holds two others, `plan` the steps from what a destination has to
//! what is wanted, `conform` a batch in the wanted schema, `rename` the destination's names. Evolution only adds and widens.

mod conform;
pub(crate) mod float;
pub(crate) mod identity;
mod infer;
mod json;
mod logical_type;
mod merge;
mod plan;
mod rename;
mod table;

pub use conform::conform;
pub use float::{nearest_float, write_float};
pub use identity::{attribute_of, item_column};
pub use infer::{canonical_number, number_type};
pub use json::{write_json_string, write_number};
pub use logical_type::{LogicalType, MAX_PRECISION};
pub use merge::{merge, merge_by};
pub use plan::{SchemaAction, SchemaPlan, plan, plan_by};
pub use rename::{IdentifierRules, NameMap, Names};
pub use table::{Column, TableSchema};

#[cfg(test)]
mod tests;
