//! What a warehouse's SQL looks like, as data and a few functions.

use std::borrow::Cow;

use commutator_core::{IdentifierRules, LogicalType};

/// One warehouse's SQL.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The product's name, for messages.
    pub name: &'static str,
    /// What names columns and tables may have, and whether names that differ only in case are the same.
    pub identifiers: IdentifierRules,
    /// What stands on both sides of a name.
    pub quote: char,
    /// What the logical types are called.
    pub types: Types,
    /// How values become those of another type.
    pub casts: Casts,
    /// How several columns are added, renamed or dropped.
    pub alter: AlterColumns,
    /// What a column's type takes to become a wider one.
    pub widen: fn(LogicalType, LogicalType) -> Widening,
    /// What `MERGE` can do.
    pub merge: MergeForm,
    /// Whether `UPDATE` and `DELETE` may call their table by an alias.
    pub aliases: bool,
    /// What a parameter of a statement looks like.
    pub parameters: Parameters,
    /// Quotes a text.
    pub literal: fn(&str) -> String,
    /// The time of the transaction, or of the statement where there is no such.
    pub now: &'static str,
    /// Where rows are staged.
    pub stage: Stage,
    /// What stands behind the columns of a new table, given its key columns' quoted names and types.
    pub keyed: fn(&[(String, LogicalType)]) -> String,
}

/// The names of types, in the form in which the catalog writes them where it has one.
#[derive(Debug, Clone)]
pub struct Types {
    /// True or false.
    pub bool: &'static str,
    /// 64 bits.
    pub int64: &'static str,
    /// A double.
    pub float64: &'static str,
    /// Text of any length.
    pub text: &'static str,
    /// Bytes of any length.
    pub binary: &'static str,
    /// A document; the type of text where the warehouse's own would bend numbers.
    pub json: &'static str,
    /// Microseconds in UTC.
    pub timestamp: &'static str,
    /// Numbers that no decimal holds.
    pub number: NumberType,
    /// The type of so many digits in all and behind the point; `None` if there is none, so that it is held as other numbers are.
    pub decimal: fn(u8, u8) -> Option<String>,
}

/// What numbers are that no decimal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    /// The text of their digits; equal numbers have equal text.
    Text,
    /// A type of the warehouse that holds every digit.
    Native(&'static str),
}

/// Expressions that turn a value into one of a wider type, exactly as `commutator_core::schema::conform` does with values that are still
/// on their way. Each takes an expression and returns one.
#[derive(Debug, Clone)]
pub struct Casts {
    /// The digits of a decimal with so many behind the point, without zeros at the end.
    pub digits: fn(&str, u8) -> String,
    /// The shortest digits that mean a double, without an exponent and without zeros at the end.
    pub digits_of_float: fn(&str) -> String,
    /// JSON of its text.
    pub parse_json: fn(&str) -> String,
    /// The text of a JSON string that is this text; NULL of NULL.
    pub json_of_text: fn(&str) -> String,
    /// `true` or `false` as text.
    pub text_of_bool: fn(&str) -> String,
    /// Base64, without line breaks.
    pub base64: fn(&str) -> String,
    /// A JSON string without its quotes, any other document as it is.
    pub text_of_json: fn(&str) -> String,
    /// A number as a document, where the warehouse would bend it if it read its digits.
    pub json_of_number: fn(&str, LogicalType) -> Option<String>,
}

/// How several columns are added, renamed or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterColumns {
    /// Each by a statement of its own.
    One,
    /// `ADD COLUMN a, b`; each is renamed by a statement of its own.
    List,
    /// `ADD COLUMN a, ADD COLUMN b`; of several names that change each is taken or given after the ones before it.
    Repeated,
}

/// What a column's type takes to become a wider one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Widening {
    /// `ALTER COLUMN … TYPE … USING …`.
    Using,
    /// `ALTER COLUMN … SET DATA TYPE …`, which keeps every value by itself.
    InPlace,
    /// A new column is added, filled, and put in the old one's place.
    AddCopyRename,
}

/// What `MERGE` can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeForm {
    /// Everything: deletes, updates and inserts, each under a condition.
    Whole,
    /// Not enough: `DELETE`, `UPDATE` and `INSERT` one after the other.
    Apart,
    /// Everything, but where whole rows are replaced it is cheaper to find the older ones, delete and insert: the warehouse changes a row in
    /// place at many times that cost.
    Replace(Found),
}

/// How rows that are there already are found and named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The column that names a row within a transaction.
    pub row: &'static str,
    /// What creates the table that they are kept in, in the place of an earlier one.
    pub create: &'static str,
    /// How statements call it.
    pub name: &'static str,
}

/// What a parameter looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// This, and the number of the parameter.
    Numbered(&'static str),
    /// A question mark, in order; a statement here never uses one twice.
    Question,
}

/// Where a transaction's rows are staged.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    /// What creates it.
    pub create: &'static str,
    /// How statements call it.
    pub name: &'static str,
    /// Whether documents are documents there already, and not text that is parsed when a row is kept.
    pub documents: bool,
}

impl Dialect {
    /// Returns what a logical type is called.
    pub fn native(&self, ty: LogicalType) -> Cow<'static, str> {
        let types = &self.types;
        Cow::Borrowed(match ty {
            LogicalType::Bool => types.bool,
            LogicalType::Int64 => types.int64,
            LogicalType::Float64 => types.float64,
            LogicalType::Text => types.text,
            LogicalType::Binary => types.binary,
            LogicalType::Json => types.json,
            LogicalType::Timestamp => types.timestamp,
            LogicalType::Number => match types.number {
                NumberType::Text => types.text,
                NumberType::Native(name) => name,
            },
            LogicalType::Decimal { precision, scale } => match (types.decimal)(precision, scale) {
                Some(name) => return Cow::Owned(name),
                None => return self.native(LogicalType::Number),
            },
        })
    }

    /// Returns the logical type that alone has this name; `None` if several have it or none.
    pub fn logical(&self, native: &str) -> Option<LogicalType> {
        use LogicalType::{Binary, Bool, Float64, Int64, Json, Number, Text, Timestamp};
        let all = [Bool, Int64, Float64, Text, Binary, Json, Timestamp, Number];
        let mut named = all.into_iter().filter(|&ty| self.native(ty) == native);
        if let Some(first) = named.next() {
            return named.next().is_none().then_some(first);
        }
        let (_, digits) = native.strip_suffix(')')?.split_once('(')?;
        let ty: LogicalType = format!("decimal({digits})").parse().ok()?;
        (self.native(ty) == native).then_some(ty)
    }

    /// Returns the type in which a value is staged: JSON is text there, so that only the rows that are kept are parsed, unless the
    /// warehouse's text is too short for a document.
    pub fn staged(&self, ty: LogicalType) -> Cow<'static, str> {
        self.native(if self.parses(ty) { LogicalType::Text } else { ty })
    }

    /// Returns the expression that makes a column's value of a staged one.
    pub fn unstaged(&self, expression: &str, ty: LogicalType) -> String {
        if self.parses(ty) { (self.casts.parse_json)(expression) } else { expression.to_owned() }
    }

    fn parses(&self, ty: LogicalType) -> bool {
        ty == LogicalType::Json && !self.stage.documents
    }

    /// Returns the expression that turns a value into one of a wider type; what does not widen is cast.
    pub fn widened(&self, value: &str, from: LogicalType, to: LogicalType) -> String {
        use LogicalType::{Binary, Bool, Decimal, Float64, Int64, Json, Number, Text};
        // A decimal of which there is no type is held as other numbers are.
        let held = |ty| match ty {
            Decimal { precision, scale } if (self.types.decimal)(precision, scale).is_none() => Number,
            ty => ty,
        };
        let (from, to) = (held(from), held(to));
        let casts = &self.casts;
        let cast = |ty| format!("CAST({value} AS {})", self.native(ty));
        // The text that a value becomes, where `conform` goes by its text.
        let text = || match from {
            Decimal { scale, .. } => (casts.digits)(value, scale),
            Float64 => (casts.digits_of_float)(value),
            Bool => (casts.text_of_bool)(value),
            Binary => (casts.base64)(value),
            Json => (casts.text_of_json)(value),
            Number if self.types.number == NumberType::Text => value.to_owned(),
            Text => value.to_owned(),
            Int64 | Number | LogicalType::Timestamp => cast(Text),
        };
        match (from, to) {
            (a, b) if a == b => value.to_owned(),
            (_, Text) => text(),
            (Int64 | Decimal { .. } | Float64, Number) if self.types.number == NumberType::Text => text(),
            (Float64, Number) => format!("CAST({} AS {})", text(), self.native(Number)),
            (Text | Binary, Json) => (casts.parse_json)(&(casts.json_of_text)(&text())),
            (from, Json) => (casts.json_of_number)(value, from).unwrap_or_else(|| (casts.parse_json)(&text())),
            (_, to) => cast(to),
        }
    }

    /// Returns the parameter of this number, from 1.
    pub fn parameter(&self, number: usize) -> String {
        match self.parameters {
            Parameters::Numbered(start) => format!("{start}{number}"),
            Parameters::Question => "?".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BIGQUERY, DUCKDB, REDSHIFT, SNOWFLAKE, SNOWFLAKE_TEXT};

    #[test]
    fn types_are_found_again_where_only_one_has_the_name() {
        let decimal = LogicalType::Decimal { precision: 38, scale: 7 };
        for ty in [
            LogicalType::Bool,
            LogicalType::Int64,
            LogicalType::Float64,
            LogicalType::Binary,
            LogicalType::Json,
            decimal,
        ] {
            assert_eq!(DUCKDB.logical(&DUCKDB.native(ty)), Some(ty));
        }
        for foreign in ["VARCHAR", "INTEGER", "DECIMAL(39,2)", "DECIMAL(3,5)", "FLOAT", "STRUCT(a BIGINT)"] {
            assert_eq!(DUCKDB.logical(foreign), None, "{foreign}");
        }
        assert_eq!(SNOWFLAKE.logical("DECFLOAT"), Some(LogicalType::Number));
    }

    #[test]
    fn only_json_is_staged_as_text() {
        for dialect in [&DUCKDB, &SNOWFLAKE, &SNOWFLAKE_TEXT, &BIGQUERY] {
            assert_eq!(dialect.staged(LogicalType::Json), dialect.types.text);
            assert_eq!(dialect.staged(LogicalType::Binary), dialect.types.binary);
        }
        assert_eq!(REDSHIFT.staged(LogicalType::Json), "SUPER");
        assert_eq!(REDSHIFT.unstaged("n.c0", LogicalType::Json), "n.c0");
    }
}
