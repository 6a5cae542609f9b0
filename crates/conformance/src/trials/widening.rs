//! A column's type grows with its values, and no value changes by it.

use commutator_core::{Epoch, Op, OrderKey, SyncMode};

use crate::change::{at, put, remove};
use crate::verdict::ensure;
use crate::{Bench, Change, Item, Value, Verdict, batch};

pub(crate) async fn numbers_keep_every_digit_while_their_column_widens(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    let texts = [
        "9223372036854775807",
        "-9223372036854775808",
        "0.5",
        "9007199254740993.25",
        "-0.000000001",
        "99999999999999999999.5",
        "1e37",
        "1e-30",
        "12345678901234567890123456789012345678",
        "9.99e125",
        "1e-130",
        "7",
    ];
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        for (n, text) in (1..).zip(texts) {
            let row = |id: u64| put(id.cast_signed(), at(id), [("v", Value::number(text)), ("same", Value::int(1))]);
            table.commit(&[row(n), row(n + 100)]).await?;
            table.agrees().await.map_err(|stop| stop.within(text))?;
        }
        table.reopen().await?;
        table.commit(&[put(1, at(1_000), [("v", Value::int(1))]), remove(102, at(1_001))]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn any_value_stays_itself_when_its_column_becomes_json(bench: &Bench) -> Verdict {
    let values = [
        Value::Bool(true),
        Value::int(i64::MIN),
        // All digits behind the point, where some write no zero before it.
        Value::number("0.5"),
        Value::number("-0.25"),
        Value::text("te\"xt\\ \n\u{1f980}"),
        Value::text("1"),
        Value::text("null"),
        Value::text("{\"a\":1}"),
        Value::text(""),
        Value::binary([0, 255, 62]),
        Value::binary([]),
    ];
    becomes_json(bench, &values).await
}

/// Apart from other values, because a type of documents may have no room for such numbers.
pub(crate) async fn any_number_stays_itself_when_its_column_becomes_json(bench: &Bench) -> Verdict {
    becomes_json(bench, &[Value::number("12345678901234567890.12345678901234567"), Value::number("-1e-130")]).await
}

async fn becomes_json(bench: &Bench, values: &[Value]) -> Verdict {
    bench.require_widening()?;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        for (n, value) in (0_u32..).zip(values) {
            let (id, name) = (i64::from(n), format!("v{n}"));
            let odd = if matches!(value, Value::Text(_)) { Value::int(5) } else { Value::text("odd") };
            let item = |value: &Value| {
                [(name.as_str(), value.clone()), ("other", Value::int(id))].map(|(k, v)| (k.to_owned(), v)).into()
            };
            let change = |id: i64, sequence: u64, value: &Value| {
                Change::new(vec![Value::int(id)], at(sequence), Op::Modify, item(value))
            };
            let first = u64::from(n) * 10 + 1;
            table.commit(&[change(id, first, value), change(id + 100, first, &Value::Null)]).await?;
            table.commit(&[change(id + 200, first + 1, &odd)]).await?;
            table.agrees().await.map_err(|stop| stop.within(format_args!("{value:?}, then {odd:?}")))?;
            table
                .commit(&[change(id + 300, first + 2, value), change(id + 100, first + 2, &Value::json("[1.50]"))])
                .await?;
            table.agrees().await.map_err(|stop| stop.within(format_args!("{value:?} after {odd:?}")))?;
        }
        table.reopen().await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn a_key_column_widens(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    let texts = ["5", "9223372036854775807", "5.5", "-3", "100000000000000000000", "1e-100", "5.05", "0"];
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let change = |text: &str, sequence, op, item| Change::new(vec![Value::number(text)], at(sequence), op, item);
        let item = |n: u64| Item::from([("n".to_owned(), Value::int(n.cast_signed()))]);
        for (n, text) in (1..).zip(texts) {
            table.commit(&[change(text, n, Op::Insert, item(n))]).await?;
        }
        table.agrees_with(texts.len()).await?;
        // Each key is found again under the type that its column has now.
        for (n, text) in (100..).zip(texts).step_by(2) {
            table.commit(&[change(text, n, Op::Modify, item(n))]).await?;
        }
        table.agrees().await?;
        for (n, text) in (200..).zip(texts).skip(1).step_by(2) {
            table.commit(&[change(text, n, Op::Remove, Item::new()), change(text, 1, Op::Modify, item(n))]).await?;
        }
        table.agrees().await?;
        table.reopen().await?;
        table.commit(&[change("5", 300, Op::Remove, Item::new())]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn tombstones_outlive_the_widening_of_their_key(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[remove(1, at(10)), put(2, at(11), [])]).await?;
    let half = Change::new(vec![Value::number("1.5")], at(12), Op::Insert, Item::new());
    table.commit(&[half]).await?;
    let snapshot = OrderKey::snapshot(Epoch(1));
    table.commit(&[put(1, snapshot, []), put(2, snapshot, []), put(3, snapshot, [])]).await?;
    table.agrees_with(3).await
}

pub(crate) async fn columns_are_added_and_widened_with_many_rows_there(bench: &Bench) -> Verdict {
    bench.require_widening()?;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let rows: Vec<_> =
            (0..2_000_i64).map(|id| put(id, at(1), [("v", Value::int(id)), ("t", Value::text("x"))])).collect();
        table.commit(&rows).await?;
        let changes =
            [put(1_000, at(2), [("v", Value::number("0.25")), ("t", Value::int(1)), ("new", Value::Bool(true))])];
        ensure!(batch(&table.target.keys, &changes)?.len() == 1, "one change makes one row");
        table.commit(&changes).await?;
        table.agrees().await?;
    }
    Ok(())
}
