//! What filters mean: tables of cases, and laws.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;
use crate::{Column, Epoch, LogicalType, Op, OrderKey, TableSchema};

/// Rows `id` 0.., with a text, a number and a JSON column.
fn batch(rows: &[(Option<&str>, Option<i64>, Option<&str>)]) -> ChangeBatch {
    let schema = TableSchema::new(vec![
        Column::key("id", LogicalType::Int64),
        Column::new("t", LogicalType::Text),
        Column::new("n", LogicalType::Int64),
        Column::new("j", LogicalType::Json),
    ])
    .unwrap();
    let ids: Vec<i64> = (0..).take(rows.len()).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>()),
    ];
    let rows = RecordBatch::try_new(schema.to_arrow(), columns).unwrap();
    let n = rows.num_rows();
    ChangeBatch::new(
        Arc::new(schema),
        rows,
        vec![Op::Snapshot; n],
        vec![OrderKey::snapshot(Epoch(0)); n],
        vec![None; n],
    )
    .unwrap()
}

#[test]
fn filters_mean_what_the_documentation_says() {
    let rows = batch(&[
        (Some("open"), Some(5), Some(r#"{"city":"Bern","n":1.50}"#)),
        (Some("OPEN"), Some(-7), Some(r#"["a",2,"new"]"#)),
        (None, None, Some(r#""open""#)),
        (Some("5"), Some(100), None),
    ]);
    for (filter, passing) in [
        ("t = 'open'", vec![0]),
        ("t != 'open'", vec![1, 3]),
        ("not t = 'open'", vec![1, 3]),
        ("t <> 'open' or t is null", vec![1, 2, 3]),
        ("n > 5", vec![3]),
        ("n >= 5.0 and n < 1e2", vec![0]),
        ("n between -7 and 5", vec![0, 1]),
        ("n not between -7 and 5", vec![3]),
        ("n in (5, 100.00)", vec![0, 3]),
        ("n not in (5)", vec![1, 3]),
        ("t = 5", vec![]),
        ("t != 5", vec![0, 1, 3]),
        ("t < 5 or not t < 5", vec![]),
        ("exists(t) and j is not null", vec![0, 1]),
        ("begins_with(t, 'op')", vec![0]),
        ("j.city = 'Bern'", vec![0]),
        ("j.n = 1.5", vec![0]),
        ("j = 'open'", vec![2]),
        ("contains(j, 'new') or contains(j, 3)", vec![1]),
        ("contains(t, 'PE')", vec![1]),
        ("absent = 1 or not absent = 1", vec![]),
        ("otherwise(absent = 1) and n = 5", vec![0]),
        ("TRUE", vec![0, 1, 2, 3]),
        ("false or id = 2", vec![2]),
        ("(n = 5 or n = 100) and \"t\" = '5'", vec![3]),
    ] {
        let filter: Filter = filter.parse().unwrap_or_else(|e| panic!("{filter}: {e}"));
        let found: Vec<_> =
            filter.passes(&rows).iter().enumerate().filter(|(_, pass)| **pass).map(|(at, _)| at).collect();
        assert_eq!(found, passing, "{filter}");
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    for (text, at) in [
        ("", 1),
        ("status", 7),
        ("status = ", 10),
        ("status = 'open", 15),
        ("a = 1 and", 10),
        ("(a = 1", 7),
        ("a = 1)", 6),
        ("a = 1 b = 2", 7),
        ("begins_with(a, 1)", 16),
        ("a in ()", 7),
        ("a is 5", 6),
        ("ä. = 5", 3),
    ] {
        let error = text.parse::<Filter>().unwrap_err();
        assert_eq!(error.context()[0], ("at", at.to_string()), "{text}: {error}");
    }
    let deep = format!("{}a = 1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(deep.parse::<Filter>().is_err() && "not ".repeat(10_000).parse::<Filter>().is_err());
}

fn filters() -> impl Strategy<Value = String> {
    let literal = prop_oneof![
        "'[a']{0,2}'".prop_map(|t| format!("'{}'", t[1..t.len() - 1].replace('\'', "''"))),
        "-?[0-9]{1,2}(\\.[0-9])?",
        Just("true".to_owned())
    ];
    let name = prop_oneof![Just("t"), Just("n"), Just("j"), Just("\"and\"\"\""), Just("j.city")];
    let leaf = (name, prop_oneof![Just("="), Just("!="), Just("<"), Just(">=")], literal.clone()).prop_flat_map(
        move |(name, comparison, literal)| {
            prop_oneof![
                Just(format!("{name} {comparison} {literal}")),
                Just(format!("{name} in ({literal}, 1)")),
                Just(format!("{name} is not null")),
                Just(format!("contains({name}, {literal})")),
            ]
        },
    );
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or ({b})")),
            inner.clone().prop_map(|a| format!("not ({a})")),
            inner.prop_map(|a| format!("otherwise({a})")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(text in filters()) {
        let filter: Filter = text.parse().unwrap();
        prop_assert_eq!(&filter.to_string().parse::<Filter>().unwrap(), &filter, "{}", filter);
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"([ab."'(),=<>! 0-9eä-]|not|and|or|in|is|null|true|exists\(|contains\(){0,30}"#) {
        if let Ok(filter) = text.parse::<Filter>() {
            prop_assert_eq!(&filter.to_string().parse::<Filter>().unwrap(), &filter, "{}", filter);
        }
    }

    #[test]
    fn truth_has_three_values(
        a in filters(), b in filters(),
        rows in prop::collection::vec((prop::option::of(0..3usize), prop::option::of(-2..3i64), prop::option::of(0..3usize)), 1..5),
    ) {
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(t, n, j)| (t.map(|t| ["", "a", "'"][t]), n, j.map(|j| ["1", "\"a\"", "{\"city\":\"a\"}"][j])))
            .collect();
        let rows = batch(&rows);
        let passes = |text: String| text.parse::<Filter>().unwrap().passes(&rows);
        // De Morgan, and that nothing is both true and false.
        prop_assert_eq!(passes(format!("not (({a}) and ({b}))")), passes(format!("not ({a}) or not ({b})")));
        prop_assert_eq!(passes(format!("not (({a}) or ({b}))")), passes(format!("not ({a}) and not ({b})")));
        prop_assert_eq!(passes(format!("not not ({a})")), passes(a.clone()));
        let neither = passes(format!("({a}) and not ({a})"));
        prop_assert!(neither.iter().all(|pass| !pass));
        // A filter and what is left over part the rows.
        let left = a.parse::<Filter>().unwrap().otherwise().passes(&rows);
        prop_assert!(passes(a).iter().zip(left).all(|(pass, left)| *pass != left));
    }
}
