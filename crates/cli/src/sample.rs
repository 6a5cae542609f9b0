//! What a sample of a table says: its columns, and of each attribute how many items have it and in which types.

use commutator::dynamodb::{Sample, SampledAttribute};
use commutator::rules::{TableRules, TypeJoin};
use commutator::{Column, Result, TableDescription, TableSchema};
use serde_json::{Value, json};

use crate::output::Grid;

/// The attributes that the older version of global tables adds to every item; they are left out.
const REPLICATION: &str = "aws:rep:";

/// Returns a sample with the columns that a table which is new gets under what is said of numbers.
pub(crate) fn under(rules: &TableRules, sample: Sample) -> Result<Sample> {
    let by = TypeJoin::of(rules);
    let column = |column: &Column| Column {
        ty: if column.key { column.ty } else { by.arriving(column.ty, None) },
        ..column.clone()
    };
    let schema = TableSchema::new(sample.schema.columns().iter().map(column).collect())?;
    Ok(Sample { schema, ..sample })
}

/// Returns a grid of attributes, indented.
pub(crate) fn grid(sample: &Sample) -> Grid {
    let mut grid = Grid::new(["  attribute", "items", "types seen", "column"]);
    for attribute in &sample.attributes {
        let key = if sample.schema.keys().iter().any(|key| key.name == attribute.name) { " (key)" } else { "" };
        grid.row([
            format!("  {}", attribute.name),
            percent(attribute.items, sample.items),
            types(attribute),
            format!("{}{key}", column(sample, attribute)),
        ]);
    }
    grid
}

/// Returns a sample as it stands in `--json` output.
pub(crate) fn json(sample: &Sample) -> Value {
    let attribute = |attribute: &SampledAttribute| {
        let ty = sample.schema.get(&attribute.name).map(|(_, column)| column.ty);
        json!({ "name": attribute.name, "items": attribute.items, "types": attribute.types, "column_type": ty })
    };
    json!({
        "items": sample.items,
        "attributes": sample.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "columns": sample.schema,
    })
}

/// Returns what was read, in words.
pub(crate) fn heading(table: &TableDescription, sample: &Sample) -> String {
    let items = crate::output::count(sample.items);
    if sample.attributes.is_empty() {
        return format!("{}: no items to sample", table.name);
    }
    format!("{}: attributes of {items} sampled items", table.name)
}

/// Returns the types with the number of items, most frequent first; without numbers if there is only one.
fn types(attribute: &SampledAttribute) -> String {
    let mut types: Vec<_> = attribute.types.iter().collect();
    types.sort_by_key(|&(_, &items)| std::cmp::Reverse(items));
    match types[..] {
        [(only, _)] => only.clone(),
        _ => types
            .iter()
            .map(|(ty, items)| format!("{ty} {}", crate::output::count(**items)))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn column(sample: &Sample, attribute: &SampledAttribute) -> String {
    match sample.schema.get(&attribute.name) {
        Some((_, column)) => column.ty.to_string(),
        None if attribute.name.starts_with(REPLICATION) => "none: of global tables".to_owned(),
        None => "none yet: only nulls".to_owned(),
    }
}

/// Returns a share in percent; never 0 for what is there, never 100 for what is missing somewhere.
fn percent(part: u64, whole: u64) -> String {
    match u128::from(part) * 1000 / u128::from(whole.max(1)) {
        1000 => "100 %".to_owned(),
        0 if part > 0 => "<0.1 %".to_owned(),
        999 if part * 1000 > whole * 999 => ">99.9 %".to_owned(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use commutator::LogicalType;
    use commutator::rules::Numbers;

    #[test]
    fn shares_are_never_rounded_to_all_or_nothing() {
        let shown = [(0, 10), (1, 10_000), (1, 3), (9999, 10_000), (10, 10), (0, 0)].map(|(a, b)| percent(a, b));
        assert_eq!(shown, ["0.0 %", "<0.1 %", "33.3 %", ">99.9 %", "100 %", "0.0 %"]);
    }

    #[test]
    fn columns_follow_what_is_said_of_numbers() {
        let schema = |price| {
            let columns = vec![Column::key("id", LogicalType::Int64), Column::new("price", price)];
            TableSchema::new(columns).unwrap()
        };
        let sample = Sample { items: 1, attributes: Vec::new(), schema: schema(LogicalType::Int64) };
        for (numbers, ty) in [(Numbers::Exact, LogicalType::Int64), (Numbers::Float, LogicalType::Float64)] {
            let rules = TableRules::default().numbers(numbers);
            assert_eq!(under(&rules, sample.clone()).unwrap().schema, schema(ty));
        }
    }

    #[test]
    fn nulls_and_mixed_attributes_are_told_as_they_are() {
        let attribute = |name: &str, types: &[(&str, u64)]| SampledAttribute {
            name: name.to_owned(),
            items: types.iter().map(|(_, items)| items).sum(),
            types: types.iter().map(|&(ty, items)| (ty.to_owned(), items)).collect::<BTreeMap<_, _>>(),
        };
        let sample = Sample {
            items: 4,
            attributes: vec![
                attribute("id", &[("S", 4)]),
                attribute("price", &[("N", 3), ("S", 1)]),
                attribute("gone", &[("NULL", 2)]),
                attribute("aws:rep:region", &[("S", 4)]),
            ],
            schema: TableSchema::new(vec![
                Column::key("id", LogicalType::Text),
                Column::new("price", LogicalType::Json),
            ])
            .unwrap(),
        };
        let expected = "  attribute       items   types seen  column
  id              100 %   S           text (key)
  price           100 %   N 3, S 1    json
  gone            50.0 %  NULL        none yet: only nulls
  aws:rep:region  100 %   S           none: of global tables";
        assert_eq!(grid(&sample).to_string(), expected);
        let json = json(&sample);
        assert_eq!(json["attributes"][1]["types"], json!({"N": 3, "S": 1}));
        assert_eq!(
            (&json["attributes"][1]["column_type"], &json["attributes"][2]["column_type"]),
            (&"json".into(), &Value::Null)
        );
    }
}
