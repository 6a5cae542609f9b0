//! Every value comes back exactly as it was written.

use commutator_core::schema::MAX_PRECISION;
use commutator_core::{Column, LogicalType, TableSchema};

use crate::bench::Table;
use crate::change::{at, put};
use crate::{Bench, Value, Verdict};

/// An attribute of `DynamoDB` is at most so large.
const LARGE: usize = 400 << 10;

/// Writes the values in a column of this type, twice: into a new table, and over rows that are there.
async fn round_trip(bench: &Bench, ty: LogicalType, values: &[Value]) -> Verdict {
    let id = Column::key("id", LogicalType::Int64);
    let schema = TableSchema::new(vec![id, Column::new("v", ty), Column::new("w", ty)])?;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        write(&mut table, &schema, 1, values, 0).await.map_err(|stop| stop.within(ty))?;
        write(&mut table, &schema, 10_000, values, 1).await.map_err(|stop| stop.within(ty))?;
        table.reopen().await?;
        table.agrees().await.map_err(|stop| stop.within(ty))?;
    }
    Ok(())
}

/// Writes a row per value, the values moved on by `shift` rows; every other column is null.
async fn write(table: &mut Table<'_>, schema: &TableSchema, first: u64, values: &[Value], shift: usize) -> Verdict {
    let shifted = values.iter().cycle().skip(shift).take(values.len());
    let changes: Vec<_> = (0..)
        .zip(shifted)
        .map(|(id, value): (i64, _)| {
            let name = if (id + i64::from(shift == 1)) % 2 == 0 { "v" } else { "w" };
            put(id, at(first + id.cast_unsigned()), [(name, value.clone())])
        })
        .collect();
    table.commit_as(schema, &changes).await?;
    table.agrees().await
}

pub(crate) async fn booleans_are_exact(bench: &Bench) -> Verdict {
    round_trip(bench, LogicalType::Bool, &[Value::Bool(true), Value::Bool(false), Value::Null]).await
}

pub(crate) async fn whole_numbers_are_exact(bench: &Bench) -> Verdict {
    let edges = [0, 1, -1, i64::MAX, i64::MIN, i64::MAX - 1, (1 << 53) + 1, -(1 << 53) - 1, 1 << 31, -(1 << 31) - 1];
    let values: Vec<_> = edges.into_iter().map(Value::int).chain([Value::Null]).collect();
    round_trip(bench, LogicalType::Int64, &values).await
}

pub(crate) async fn decimals_are_exact(bench: &Bench) -> Verdict {
    for (precision, scale) in
        [(1, 0), (1, 1), (5, 2), (9, 9), (18, 4), (19, 0), (20, 0), (28, 10), (38, 0), (38, 19), (38, 37), (38, 38)]
    {
        debug_assert!(precision <= MAX_PRECISION && scale <= precision);
        // All nines, one unit, a one in front, in the middle and both signs: what a float or a narrower decimal would bend.
        let nines = "9".repeat(precision.into());
        let one_in_front = format!("1{}", "0".repeat(usize::from(precision) - 1));
        let ends = format!("{:0<width$}", "1", width = usize::from(precision) - 1) + "7";
        let mut values = vec![Value::int(0), Value::Null];
        for digits in [nines.as_str(), "1", &one_in_front, &ends[ends.len().saturating_sub(precision.into())..]] {
            values.push(Value::number(&format!("{digits}e-{scale}")));
            values.push(Value::number(&format!("-{digits}e-{scale}")));
        }
        round_trip(bench, LogicalType::Decimal { precision, scale }, &values).await?;
    }
    Ok(())
}

pub(crate) async fn numbers_are_exact(bench: &Bench) -> Verdict {
    round_trip(bench, LogicalType::Number, &numbers()).await
}

/// What `DynamoDB` accepts at most: 38 digits, magnitudes of 1E-130 to 9.99…E+125.
fn numbers() -> Vec<Value> {
    let nines = "9".repeat(38);
    let extremes = ["1E-130".to_owned(), format!("{nines}E+88"), format!("{nines}E-130"), format!("{nines}E-19")];
    let plain =
        ["0", "1", "0.1", "100", "1E125", "9223372036854775808", "0.00000000000000000000000000000000000001", "12.50"];
    let all = extremes.into_iter().chain(plain.map(str::to_owned));
    all.flat_map(|text| [Value::number(&text), Value::number(&format!("-{text}"))]).chain([Value::Null]).collect()
}

pub(crate) async fn text_is_exact(bench: &Bench) -> Verdict {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  two  ",
        "NULL",
        "null",
        "\\N",
        "\\.",
        "\\",
        "'",
        "\"",
        "''",
        "\"\"",
        "a,b;c|d\te",
        "line\nline\r\nline\r",
        "$1 {} %s ? :name",
        "ä",
        "a\u{308}",
        "ſ",
        "İı",
        "\u{feff}bom",
        "\u{202e}rtl",
        "👩‍👩‍👧‍👦",
        "\u{10ffff}",
        "\u{ffff}",
        "\u{2028}",
        "\u{7f}\u{80}\u{9f}",
        "0x41",
        "1e5",
        "007",
        "true",
        "2026-01-01",
        "<b>&amp;</b>",
        "--",
        "/*",
        "\\u0041",
        "\\x41",
        "ﷺ",
    ]
    .map(str::to_owned)
    .into();
    texts.push((1..32_u8).map(char::from).collect());
    texts.push("x".repeat(LARGE));
    texts.push("\u{1f980}".repeat(LARGE / 4));
    texts.push("\"\\\n".repeat(LARGE / 3));
    if bench.capabilities().nul_in_text {
        texts.extend(["\0".to_owned(), "a\0b".to_owned(), "\0\0".to_owned()]);
    }
    let values: Vec<_> = texts.into_iter().map(Value::Text).chain([Value::Null]).collect();
    round_trip(bench, LogicalType::Text, &values).await
}

pub(crate) async fn binary_is_exact(bench: &Bench) -> Verdict {
    let all: Vec<u8> = (0..=255).collect();
    let values = [
        vec![],
        vec![0],
        vec![0; 9],
        all.clone(),
        all.into_iter().rev().collect(),
        b"\\x41".to_vec(),
        b"text".to_vec(),
        vec![0xc3, 0x28],
        vec![0xff; 3],
        vec![b'\\'; 5],
        b"NULL".to_vec(),
        b"a\tb\nc\r\n".to_vec(),
        vec![0xa5; LARGE],
    ];
    let values: Vec<_> = values.into_iter().map(Value::Binary).chain([Value::Null]).collect();
    round_trip(bench, LogicalType::Binary, &values).await
}

pub(crate) async fn json_is_exact(bench: &Bench) -> Verdict {
    let depth = 31;
    let mut texts: Vec<String> = [
        "{}",
        "[]",
        "[[]]",
        "[{}]",
        "{\"\":{}}",
        r#"{"a":null,"b":[null,true,false]}"#,
        r#"["",""]"#,
        r#"{"a.b":1,"a":{"b":2}}"#,
        r#"{"A":1,"a":2,"ä":3,"a ":4," a":5}"#,
        r#"["\\u0041","\\","\"","/","'"]"#,
        r#"["\u0001\u001f\b\f\n\r\t\u007f"]"#,
        r#"["👩‍👩‍👧‍👦","\u2028","﷐"]"#,
        r#"{"quote\"d":"v","new\nline":"v","$1":"{}"}"#,
        r#"["\\u0000"]"#,
        r"[0,-1,1.5,12345678901234567890123456789012345678,0.00000000000000000000000000000000000001]",
        "[9223372036854775808,-9223372036854775809,9007199254740993,18446744073709551616]",
        r#"[{"S":"looks like DynamoDB"},{"N":"1"}]"#,
    ]
    .map(str::to_owned)
    .into();
    texts.push(format!("{}1.10{}", "[".repeat(depth), "]".repeat(depth)));
    texts.push(format!("{}\"deep\"{}", r#"{"k":"#.repeat(depth), "}".repeat(depth)));
    let numbers = numbers().into_iter().map(Value::into_json).filter_map(|v| match v {
        Value::Json(text) => Some(text),
        _ => None,
    });
    texts.push(format!("[{}]", numbers.collect::<Vec<_>>().join(",")));
    texts.push(format!("[{}]", vec!["\"0123456789\""; LARGE / 13].join(",")));
    let keys = (0..2_000).map(|n| format!("\"key_{n}\":{n}")).collect::<Vec<_>>();
    texts.push(format!("{{{}}}", keys.join(",")));
    if bench.capabilities().nul_in_text {
        texts.push(r#"["a\u0000b",{"\u0000":1}]"#.to_owned());
    }
    let mut values: Vec<_> = texts.iter().map(|text| Value::json(text)).collect();
    // Scalars, as they stand in a column whose attribute has several types.
    let scalars =
        [Value::text("text"), Value::text(""), Value::Bool(true), Value::int(7), Value::binary([1, 2]), Value::Null];
    values.extend(scalars.map(Value::into_json));
    round_trip(bench, LogicalType::Json, &values).await
}

pub(crate) async fn nulls_come_and_go(bench: &Bench) -> Verdict {
    let values = [
        ("bool", Value::Bool(false)),
        ("int", Value::int(0)),
        ("decimal", Value::number("0.50")),
        ("number", Value::number("1e-100")),
        ("text", Value::text("")),
        ("binary", Value::binary([])),
        ("json", Value::json("[]")),
    ];
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), values.clone()), put(2, at(2), [])]).await?;
        table.agrees().await?;
        table.commit(&[put(1, at(3), []), put(2, at(4), values.clone())]).await?;
        table.agrees().await?;
        table.commit(&[put(1, at(5), values.clone().map(|(name, _)| (name, Value::Null))), put(2, at(6), [])]).await?;
        table.agrees().await?;
    }
    Ok(())
}
