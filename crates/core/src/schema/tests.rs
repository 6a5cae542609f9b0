//! The laws of schema evolution, for random schemas and values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;
use crate::{ChangeBatch, Epoch, ErrorKind, Op, OrderKey};

fn any_decimal() -> impl Strategy<Value = LogicalType> {
    (1..=MAX_PRECISION)
        .prop_flat_map(|precision| (Just(precision), 0..=precision))
        .prop_map(|(precision, scale)| LogicalType::Decimal { precision, scale })
}

fn any_exact_type() -> impl Strategy<Value = LogicalType> {
    prop_oneof![2 => Just(LogicalType::Int64), 3 => any_decimal(), 1 => Just(LogicalType::Number)]
}

/// Types of items' attributes; none is a timestamp.
fn any_type() -> impl Strategy<Value = LogicalType> {
    let plain = [LogicalType::Bool, LogicalType::Float64, LogicalType::Text, LogicalType::Binary, LogicalType::Json];
    prop_oneof![2 => any_exact_type(), 2 => prop::sample::select(plain.to_vec())]
}

/// A schema with the key columns `id` and `n` and some of a few others.
fn any_schema() -> impl Strategy<Value = TableSchema> {
    let others = prop::collection::btree_map("[a-f]", any_type(), 0..6).prop_map(BTreeMap::into_iter);
    (any_exact_type(), others, any::<bool>()).prop_map(|(n, others, reversed)| {
        let mut columns: Vec<_> = others.map(|(name, ty)| Column::new(name, ty)).collect();
        if reversed {
            columns.reverse();
        }
        columns.push(Column::key("id", LogicalType::Text));
        columns.push(Column::key("n", n));
        TableSchema::new(columns).unwrap()
    })
}

fn set(schema: &TableSchema) -> BTreeMap<String, (LogicalType, bool)> {
    schema.columns().iter().map(|c| (c.name.clone(), (c.ty, c.key))).collect()
}

fn holds(wide: &TableSchema, narrow: &TableSchema) -> bool {
    narrow.columns().iter().all(|c| wide.get(&c.name).is_some_and(|(_, w)| c.ty.fits_in(w.ty) && c.key == w.key))
}

/// Does what a plan says to a schema, the way a destination does: what is there already stays.
fn carried_out(before: Option<&TableSchema>, actions: &[SchemaAction]) -> Option<TableSchema> {
    let mut schema = before.cloned();
    for action in actions {
        let columns = || schema.iter().flat_map(|s| s.columns().to_vec()).collect::<Vec<_>>();
        let after = match action {
            SchemaAction::CreateTable { schema: wanted } if schema.is_none() => wanted.columns().to_vec(),
            SchemaAction::CreateTable { .. } => columns(),
            SchemaAction::AddColumn { column } if columns().iter().any(|c| c.name == column.name) => columns(),
            SchemaAction::AddColumn { column } => [columns(), vec![column.clone()]].concat(),
            SchemaAction::WidenColumn { name, from, to } => {
                let mut columns = columns();
                let column = columns.iter_mut().find(|c| c.name == *name).expect("only what is there is widened");
                assert!(from.fits_in(*to), "{from} is not widened to {to}");
                assert!(column.ty == *from || column.ty == *to, "{} is neither {from} nor {to}", column.ty);
                column.ty = *to;
                columns
            }
        };
        schema = Some(TableSchema::new(after).unwrap());
    }
    schema
}

proptest! {
    #[test]
    fn merge_is_the_join_of_schemas(a in any_schema(), b in any_schema(), c in any_schema()) {
        let both = merge(&a, &b).unwrap();
        prop_assert_eq!(merge(&a, &a).unwrap(), a.clone());
        prop_assert_eq!(merge(&both, &b).unwrap(), both.clone());
        prop_assert_eq!(set(&both), set(&merge(&b, &a).unwrap()));
        prop_assert_eq!(
            merge(&both, &c).unwrap(),
            merge(&a, &merge(&b, &c).unwrap()).unwrap()
        );
        prop_assert!(holds(&both, &a) && holds(&both, &b));
        // The least: whatever holds both holds their merge.
        prop_assert!(holds(&merge(&both, &c).unwrap(), &both));
        prop_assert_eq!(&both.columns()[..a.columns().len()].iter().map(|c| &c.name).collect::<Vec<_>>(),
            &a.columns().iter().map(|c| &c.name).collect::<Vec<_>>());
    }

    #[test]
    fn a_plan_leads_to_its_result_however_often_it_is_begun(a in any_schema(), w in any_schema(), done in 0..12_usize) {
        prop_assert!(plan(Some(&w), &w).unwrap().is_empty());
        let plan = plan(Some(&a), &w).unwrap();
        prop_assert!(holds(&plan.result, &a) && holds(&plan.result, &w));
        prop_assert_eq!(set(&plan.result), set(&merge(&a, &w).unwrap()));
        let once = carried_out(Some(&a), &plan.actions);
        prop_assert_eq!(once.as_ref().map(set), Some(set(&plan.result)));
        prop_assert_eq!(&carried_out(once.as_ref(), &plan.actions), &once);
        let half = carried_out(Some(&a), &plan.actions[..done.min(plan.actions.len())]);
        prop_assert_eq!(carried_out(half.as_ref(), &plan.actions).as_ref().map(set), once.as_ref().map(set));
        prop_assert!(super::plan(once.as_ref(), &w).unwrap().is_empty());
        prop_assert_eq!(plan.is_empty(), holds(&a, &w));
    }

    #[test]
    fn a_table_that_is_not_there_is_created(w in any_schema()) {
        let plan = plan(None, &w).unwrap();
        prop_assert_eq!(carried_out(None, &plan.actions), Some(w.clone()));
        prop_assert_eq!(plan.result, w);
    }
}

/// The digits of a value, from which a value of any type is made.
type Seed = Option<(i128, u8)>;

fn numeral(ty: LogicalType, (digits, shift): (i128, u8)) -> String {
    match ty {
        LogicalType::Int64 => i64::try_from(digits % (1 << 63)).unwrap().to_string(),
        LogicalType::Decimal { precision, scale } => {
            let mut text = Vec::new();
            write_number(digits % 10_i128.pow(precision.into()), scale, &mut text);
            String::from_utf8(text).unwrap()
        }
        _ => canonical_number(&format!("{}e{}", digits % 10_i128.pow(38), i32::from(shift) - 128)).unwrap(),
    }
}

fn array(ty: LogicalType, seeds: &[Seed]) -> ArrayRef {
    let values = || seeds.iter().copied();
    let texts = |make: fn((i128, u8)) -> String| Arc::new(values().map(|v| v.map(make)).collect::<StringArray>());
    match ty {
        LogicalType::Bool => Arc::new(values().map(|v| v.map(|v| v.1 % 2 == 0)).collect::<BooleanArray>()),
        LogicalType::Int64 => {
            let parse = |v| numeral(LogicalType::Int64, v).parse::<i64>().unwrap();
            Arc::new(values().map(|v| v.map(parse)).collect::<Int64Array>())
        }
        LogicalType::Decimal { precision, scale } => {
            let digits = values().map(|v| v.map(|v| v.0 % 10_i128.pow(precision.into())));
            let array = digits.collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(precision, scale.cast_signed()).unwrap())
        }
        LogicalType::Float64 => {
            let float = |v| numeral(LogicalType::Number, v).parse::<f64>().unwrap();
            Arc::new(values().map(|v| v.map(float)).collect::<Float64Array>())
        }
        LogicalType::Number => texts(|v| numeral(LogicalType::Number, v)),
        LogicalType::Text => texts(|v| format!("\"{}\n\u{1f980}\\{}", v.0, char::from(v.1))),
        LogicalType::Json => texts(|v| format!("{{\"k\":[{}.5,null]}}", v.0)),
        LogicalType::Binary => {
            let bytes = |v: (i128, u8)| v.0.to_be_bytes()[..usize::from(v.1 % 17)].to_vec();
            Arc::new(values().map(|v| v.map(bytes)).collect::<BinaryArray>())
        }
        LogicalType::Timestamp => unreachable!("no attribute is a timestamp"),
    }
}

fn batch(schema: &TableSchema, seeds: &[Seed]) -> ChangeBatch {
    let columns = schema.columns().iter().enumerate().map(|(i, column)| {
        let mut own = seeds.to_vec();
        own.rotate_left(i % seeds.len().max(1));
        if column.key {
            for seed in &mut own {
                *seed = seed.or(Some((7, 7)));
            }
        }
        array(column.ty, &own)
    });
    let rows = RecordBatch::try_new(schema.to_arrow(), columns.collect()).unwrap();
    let orders = (1..).take(seeds.len()).map(|n: u64| OrderKey::new(Epoch(1), n.into())).collect();
    let times = (0..).take(seeds.len()).map(Some).collect();
    ChangeBatch::new(Arc::new(schema.clone()), rows, vec![Op::Modify; seeds.len()], orders, times).unwrap()
}

/// What a value means, as JSON: the least that all types have in common.
fn meaning(ty: LogicalType, array: &dyn Array, i: usize) -> Option<serde_json::Value> {
    if array.is_null(i) {
        return None;
    }
    let parse = |text: &str| serde_json::from_str(text).unwrap();
    Some(match ty {
        LogicalType::Bool => array.as_boolean().value(i).into(),
        LogicalType::Int64 => parse(&array.as_primitive::<Int64Type>().value(i).to_string()),
        LogicalType::Decimal { scale, .. } => {
            let units = array.as_primitive::<Decimal128Type>().value(i);
            parse(&canonical_number(&format!("{units}e-{scale}")).unwrap())
        }
        LogicalType::Float64 => {
            let float = array.as_primitive::<Float64Type>().value(i);
            parse(&canonical_number(&format!("{float:e}")).unwrap())
        }
        LogicalType::Number | LogicalType::Json => parse(array.as_string::<i32>().value(i)),
        LogicalType::Text => array.as_string::<i32>().value(i).into(),
        LogicalType::Binary => BASE64_STANDARD.encode(array.as_binary::<i32>().value(i)).into(),
        LogicalType::Timestamp => unreachable!("no attribute is a timestamp"),
    })
}

fn any_seeds() -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec(prop::option::weighted(0.8, (any::<i128>(), any::<u8>())), 0..8)
}

proptest! {
    #[test]
    fn conform_changes_no_value(a in any_schema(), b in any_schema(), c in any_schema(), seeds in any_seeds()) {
        let before = batch(&a, &seeds);
        let wanted = Arc::new(merge(&a, &b).unwrap());
        let after = conform(&before, &wanted).unwrap();
        prop_assert_eq!(after.schema(), &wanted);
        prop_assert_eq!(after.rows().schema(), wanted.to_arrow());
        prop_assert_eq!((after.ops(), after.orders(), after.changed_at()), (before.ops(), before.orders(), before.changed_at()));
        for (column, widened) in wanted.columns().iter().zip(after.rows().columns()) {
            for i in 0..seeds.len() {
                let was = a.get(&column.name).and_then(|(at, old)| meaning(old.ty, before.rows().column(at), i));
                prop_assert_eq!(meaning(column.ty, widened, i), was, "{}", column.name);
            }
        }
        let again = conform(&after, &wanted).unwrap();
        prop_assert_eq!(again.rows(), after.rows());
        // In one step or in several: a table that was widened twice holds what one that was widened once does.
        let widest = Arc::new(merge(&wanted, &c).unwrap());
        let (stepwise, at_once) = (conform(&after, &widest).unwrap(), conform(&before, &widest).unwrap());
        prop_assert_eq!(stepwise.rows(), at_once.rows());
    }

    #[test]
    fn conform_refuses_what_does_not_fit(a in any_schema(), b in any_schema(), seeds in any_seeds()) {
        let result = conform(&batch(&a, &seeds), &Arc::new(b.clone()));
        // Besides what fits, everything but the key may become text, which only some tables' policies ask for.
        let as_text = a.columns().iter().map(|column| match b.get(&column.name) {
            Some((_, to)) if to.ty == LogicalType::Text && !column.key => Column { ty: to.ty, ..column.clone() },
            _ => column.clone(),
        });
        prop_assert_eq!(result.is_ok(), holds(&b, &TableSchema::new(as_text.collect()).unwrap()));
        if let Err(error) = result {
            prop_assert_eq!(error.kind(), ErrorKind::SchemaConflict);
        }
    }

    #[test]
    fn names_are_given_once_and_apart(
        attributes in prop::collection::vec("[aAbB_.ß-]{0,12}|_ct_[a-c]|select|x{10,40}[a-c]?", 1..60),
        max_bytes in 16..64_usize,
        case_sensitive in any::<bool>(),
        words in any::<bool>(),
        split in any::<prop::sample::Index>(),
    ) {
        let accepts: fn(char) -> bool = if words { |c| c.is_ascii_alphanumeric() || c == '_' } else { |_| true };
        let rules = IdentifierRules { max_bytes, case_sensitive, accepts, reserved: &["select"] };
        let mut names = Names::new(rules, NameMap::new());
        let mut given = BTreeMap::new();
        for (i, attribute) in attributes.iter().enumerate() {
            // A restart in the middle: names go on from the map that the checkpoint kept.
            if i == split.index(attributes.len()) {
                names = Names::new(rules, names.map().clone());
            }
            let name = names.name(attribute).to_owned();
            prop_assert!(!name.is_empty() && name.len() <= max_bytes && name.chars().all(accepts), "{}", name);
            prop_assert!(name.to_lowercase() != "select" && !name.to_lowercase().starts_with("_ct_"), "{}", name);
            prop_assert_eq!(given.entry(attribute.clone()).or_insert_with(|| name.clone()), &name);
        }
        let fold = |name: &String| if case_sensitive { name.clone() } else { name.to_lowercase() };
        let distinct: std::collections::BTreeSet<_> = given.values().map(fold).collect();
        prop_assert_eq!(distinct.len(), given.len());
        prop_assert_eq!(names.map(), &given);
    }

    #[test]
    fn a_number_fits_the_type_that_is_inferred_from_it(digits in any::<i128>(), exponent in -140..140_i32, cut in 0..39_u32) {
        let text = format!("{}e{exponent}", digits % 10_i128.pow(cut.min(38)));
        let (ty, canonical) = (number_type(&text).unwrap(), canonical_number(&text).unwrap());
        prop_assert_eq!(number_type(&canonical), Some(ty));
        prop_assert_eq!(canonical_number(&canonical), Some(canonical.clone()));
        let (integer, fraction) = canonical.trim_start_matches('-').split_once('.').unwrap_or((canonical.trim_start_matches('-'), ""));
        let integer = integer.trim_start_matches('0').len();
        match ty {
            LogicalType::Int64 => prop_assert!(canonical.parse::<i64>().is_ok()),
            LogicalType::Decimal { precision, scale } => {
                prop_assert!(canonical.parse::<i64>().is_err());
                prop_assert_eq!((usize::from(precision - scale), usize::from(scale)), (integer, fraction.len()));
            }
            LogicalType::Number => prop_assert!(integer + fraction.len() > usize::from(MAX_PRECISION)),
            other => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn keys_of_several_types_are_refused() {
    let schema = |ty| TableSchema::new(vec![Column::key("id", ty)]).unwrap();
    let error = merge(&schema(LogicalType::Text), &schema(LogicalType::Int64)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    let plain = TableSchema::new(vec![Column::new("id", LogicalType::Text)]).unwrap();
    assert_eq!(merge(&plain, &schema(LogicalType::Text)).unwrap_err().kind(), ErrorKind::SchemaConflict);
    let more =
        TableSchema::new(vec![Column::key("id", LogicalType::Text), Column::key("s", LogicalType::Text)]).unwrap();
    assert_eq!(plan(Some(&schema(LogicalType::Text)), &more).unwrap_err().kind(), ErrorKind::SchemaConflict);
}
