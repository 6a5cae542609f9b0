//! Numbers that are doubles, for those who ask for it; what is exact already stays so.

use commutator_core::rules::{Numbers, Rules, TableRules};
use commutator_core::{LogicalType, Op};

use crate::bench::Table;
use crate::change::{at, key, put, remove};
use crate::verdict::ensure;
use crate::{Bench, Change, Value, Verdict, batch};

/// Numerals, and the shortest digits of the doubles that are nearest to them.
const NEAREST: &[(&str, &str)] = &[
    ("0", "0"),
    ("-0.1", "-0.1"),
    ("12.50", "12.5"),
    ("0.30000000000000004441", "0.30000000000000004"),
    ("9007199254740992", "9007199254740992"),
    ("9007199254740993", "9007199254740992"),
    ("-9007199254740995", "-9007199254740996"),
    ("9223372036854775807", "9223372036854776000"),
    ("-9223372036854775808", "-9223372036854776000"),
    ("123456789.123456789", "123456789.12345679"),
    ("12345678901234567890123456789012345678", "1.2345678901234568E37"),
    ("9.9999999999999999999999999999999999999E+125", "1E126"),
    ("-9.99E125", "-9.99E125"),
    ("1E-130", "1E-130"),
    ("-1.2345678901234567890123456789012345678E-130", "-1.2345678901234568E-130"),
];

/// Commits changes as a pipeline does whose rules say `numbers = "float"`; the table must then hold `arrives`.
async fn commit_rounded(table: &mut Table<'_>, sent: &[Change], arrives: &[Change]) -> Verdict {
    let rules = Rules::new(&TableRules::default().numbers(Numbers::Float), &table.target.keys, None)?;
    let actual = table.writer.session.describe().await?;
    let known = |name: &str| Some(actual.as_ref()?.get(name)?.1.ty);
    let (admitted, _) = rules.admit(&batch(&table.target.keys, sent)?, &known, false)?;
    table.commit_batch(admitted, arrives).await
}

/// Returns the type that the destination says a column has.
async fn described(table: &mut Table<'_>, name: &str) -> Verdict<Option<LogicalType>> {
    let schema = table.writer.session.describe().await?;
    Ok(schema.as_ref().and_then(|schema| schema.get(name)).map(|(_, column)| column.ty))
}

pub(crate) async fn a_column_of_doubles_holds_the_nearest_ones(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        for (round, column) in [(0, "v"), (1_000, "v"), (2_000, "w")] {
            let row = |id: u64, value: Value| put(id.cast_signed(), at(round + id), [(column, value)]);
            let changes = |value: &dyn Fn(&str, &str) -> Value| -> Vec<_> {
                let numbers = (1..).zip(NEAREST).map(|(id, (sent, nearest))| row(id, value(sent, nearest)));
                numbers.chain([row(900, Value::Null)]).collect()
            };
            let (sent, arrives) =
                (changes(&|sent, _| Value::number(sent)), changes(&|_, nearest| Value::number(nearest)));
            commit_rounded(&mut table, &sent, &arrives).await?;
            table.agrees().await?;
            let ty = described(&mut table, column).await?;
            ensure!(ty == Some(LogicalType::Float64), "a column of doubles is described as {ty:?}");
            table.reopen().await?;
        }
        // Rows are told apart by their keys, which keep their digits.
        let keys = [put((1 << 53) + 1, at(5_000), []), put(1 << 53, at(5_001), [])];
        commit_rounded(&mut table, &keys, &keys).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn doubles_keep_their_digits_when_their_column_widens(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let row = |id: u64, value: &Value| {
            let values = ["number", "json"].map(|name| (name, value.clone()));
            put(id.cast_signed(), at(id), values)
        };
        let sent: Vec<_> = (1..).zip(NEAREST).map(|(id, (sent, _))| row(id, &Value::number(sent))).collect();
        let arrives: Vec<_> = (1..).zip(NEAREST).map(|(id, (_, nearest))| row(id, &Value::number(nearest))).collect();
        commit_rounded(&mut table, &sent, &arrives).await?;
        table.agrees().await?;
        let exact = Value::number("12345678901234567890.123456789012345678");
        table.commit(&[put(900, at(900), [("number", exact.clone()), ("json", Value::text("x"))])]).await?;
        table.agrees().await?;
        let types = (described(&mut table, "number").await?, described(&mut table, "json").await?);
        ensure!(
            types == (Some(LogicalType::Number), Some(LogicalType::Json)),
            "the columns are described as {types:?}"
        );
        table.reopen().await?;
        // Asked for again, doubles do not come back: the column holds exact numbers now.
        let again = [put(1, at(901), [("number", exact)]), remove(2, at(902))];
        commit_rounded(&mut table, &again, &again).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn an_exact_column_stays_exact_when_numbers_become_doubles(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let columns = ["int", "decimal", "number", "json"];
        let values = |texts: [&str; 3], json: &str| {
            let [a, b, c] = texts.map(Value::number);
            columns
                .into_iter()
                .zip([a, b, c, Value::json(json)])
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        let change = |id: i64, order, item| Change::new(key(id), at(order), Op::Insert, item);
        table.commit(&[change(1, 1, values(["7", "0.25", "1e-130"], "[0.30000000000000004441]"))]).await?;
        let long = values(
            ["9007199254740993", "9007199254740993.25", "12345678901234567890.123456789012345678"],
            "[9007199254740993]",
        );
        let more = [change(2, 2, long)];
        commit_rounded(&mut table, &more, &more).await?;
        table.agrees().await?;
        table.reopen().await?;
        // A number that needs a wider type gets it.
        let wider = [change(3, 3, values(["9007199254740993.25", "1e-100", "9.99e125"], "{\"a\":1.10}"))];
        commit_rounded(&mut table, &wider, &wider).await?;
        table.agrees().await?;
        for name in &columns[..3] {
            let ty = described(&mut table, name).await?;
            ensure!(ty.is_some_and(|ty| ty != LogicalType::Float64), "the exact column {name} is described as {ty:?}");
        }
    }
    Ok(())
}
