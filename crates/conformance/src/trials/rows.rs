//! Changes become rows: the order rule, removals, keys.

use commutator_core::{Column, Epoch, LogicalType, Op, OrderKey, SyncMode};

use crate::change::{at, item, put, remove};
use crate::{Bench, Change, Item, Value, Verdict};

pub(crate) async fn a_row_is_read_back(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), [("a", Value::text("x")), ("n", Value::int(5))])]).await?;
        table.agrees_with(1).await?;
    }
    Ok(())
}

pub(crate) async fn a_newer_version_replaces_the_whole_row(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, at(1), [("a", Value::text("old")), ("gone", Value::int(1))]), put(2, at(2), [])]).await?;
    table.commit(&[put(1, at(3), [("a", Value::text("new"))])]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn an_older_version_changes_nothing(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, at(10), [("a", Value::text("newest"))])]).await?;
    table.commit(&[put(1, at(9), [("a", Value::text("older"))])]).await?;
    table.commit(&[put(1, OrderKey::snapshot(Epoch(1)), [("a", Value::text("oldest"))])]).await?;
    table.commit(&[remove(1, at(8))]).await?;
    table.agrees_with(1).await
}

pub(crate) async fn order_is_by_number_not_by_arrival_within_a_transaction(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    let newest = [put(1, at(10), [("a", Value::text("newest"))]), put(2, at(1), [("a", Value::text("first"))])];
    let older = [put(1, at(9), [("a", Value::text("older"))]), put(2, at(2), [("a", Value::text("second"))])];
    table.commit_all(&[&newest, &older]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn order_is_by_number_not_by_arrival_within_a_batch(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    let text = |text| [("a", Value::text(text))];
    let changes = [put(1, at(9), text("9")), put(1, at(10), text("10")), put(1, at(2), text("2")), remove(1, at(1))];
    table.commit(&changes).await?;
    table.agrees_with(1).await
}

pub(crate) async fn sequences_of_forty_digits_are_told_apart(bench: &Bench) -> Verdict {
    let order = |digits: &str| Ok::<_, commutator_core::Error>(OrderKey::new(Epoch(1), digits.parse()?));
    let (low, high) = (order(&"9".repeat(39))?, order(&format!("1{}1", "0".repeat(38)))?);
    let almost = order(&format!("1{}", "0".repeat(39)))?;
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, low, [("a", Value::int(1))]), put(2, high, [("a", Value::int(2))])]).await?;
    table.commit(&[put(1, high, [("a", Value::int(3))]), put(2, almost, [("a", Value::int(4))])]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn a_later_epoch_is_newer_than_any_sequence(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    let highest = OrderKey::new(Epoch(1), "9".repeat(40).parse()?);
    table.commit(&[put(1, highest, [("a", Value::int(1))])]).await?;
    table.commit(&[put(1, OrderKey::snapshot(Epoch(2)), [("a", Value::int(2))])]).await?;
    table.commit(&[put(1, highest, [("a", Value::int(3))])]).await?;
    table.agrees_with(1).await
}

pub(crate) async fn a_removal_removes(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, at(1), [("a", Value::int(1))]), put(2, at(2), []), put(3, at(3), [])]).await?;
    let expired = Change::new(vec![Value::int(2)], at(5), Op::Expire, Item::new());
    table.commit(&[remove(1, at(4)), expired, remove(99, at(6))]).await?;
    table.agrees_with(1).await
}

pub(crate) async fn a_removed_key_comes_back_with_a_newer_insert(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, at(1), [("a", Value::int(1)), ("b", Value::int(1))])]).await?;
    table.commit(&[remove(1, at(2))]).await?;
    table.agrees_with(0).await?;
    let again =
        |id: i64, sequence| Change::new(vec![Value::int(id)], at(sequence), Op::Insert, item([("a", Value::int(2))]));
    table.commit(&[again(1, 3)]).await?;
    table.commit(&[put(2, at(4), []), remove(2, at(5)), again(2, 6), remove(1, at(7)), again(1, 8)]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn keys_of_every_type_are_told_apart(bench: &Bench) -> Verdict {
    let texts = ["", " ", "a", "A", "a ", "ä", "a\u{308}", "ＡＢ", "0", "00", "null", "\u{1f980}", "a\nb", "'\"\\"];
    let numbers = ["0", "-1", "1", "0.1", "0.10000000000000000000000000000000000001", "9223372036854775807", "1e20"];
    let bytes: [&[u8]; 6] = [b"a", b"A", &[0], &[0, 0], &[0xff, 0xfe], b"\\x61"];
    let keys: [(LogicalType, Vec<Value>); 3] = [
        (LogicalType::Text, texts.into_iter().filter(|text| !text.is_empty()).map(Value::text).collect()),
        (LogicalType::Int64, numbers.into_iter().map(Value::number).collect()),
        (LogicalType::Binary, bytes.into_iter().map(Value::binary).collect()),
    ];
    for (ty, keys) in keys {
        let mut table = bench.table_with_keys(SyncMode::Mirror, vec![Column::key("id", ty)]).await?;
        let version = |first: u64| {
            (first..).zip(&keys).map(|(n, key)| {
                Change::new(vec![key.clone()], at(n), Op::Modify, item([("n", Value::int(n.cast_signed()))]))
            })
        };
        table.commit(&version(1).collect::<Vec<_>>()).await?;
        table.agrees_with(keys.len()).await?;
        table.commit(&version(100).collect::<Vec<_>>()).await?;
        table.agrees_with(keys.len()).await?;
        let removals: Vec<_> = (200..)
            .zip(&keys)
            .step_by(2)
            .map(|(n, key)| Change::new(vec![key.clone()], at(n), Op::Remove, Item::new()))
            .collect();
        table.commit(&removals).await?;
        table.agrees_with(keys.len() - removals.len()).await?;
    }
    Ok(())
}

pub(crate) async fn keys_of_two_columns_are_told_apart(bench: &Bench) -> Verdict {
    let columns = vec![Column::key("partition", LogicalType::Text), Column::key("sort", LogicalType::Int64)];
    let mut table = bench.table_with_keys(SyncMode::Mirror, columns).await?;
    let key = |p: &str, s: i64| vec![Value::text(p), Value::int(s)];
    let keys = [key("a", 1), key("a", 11), key("a1", 1), key("a", -1), key("b", 1)];
    let put =
        |(n, key): (u64, &Vec<Value>)| Change::new(key.clone(), at(n), Op::Insert, item([("v", Value::text("x"))]));
    table.commit(&(1..).zip(&keys).map(put).collect::<Vec<_>>()).await?;
    table.commit(&[Change::new(key("a", 1), at(10), Op::Remove, Item::new())]).await?;
    table.commit(&[Change::new(key("a", 11), at(11), Op::Modify, Item::new())]).await?;
    table.agrees_with(4).await
}

pub(crate) async fn append_keeps_every_change(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Append).await?;
    let snapshot = OrderKey::snapshot(Epoch(1));
    table.commit(&[put(1, at(3), [("a", Value::int(1))]), remove(1, at(4)), put(1, at(5), [])]).await?;
    table.commit(&[put(1, snapshot, [("a", Value::int(0))]), put(1, at(1), [("a", Value::int(2))])]).await?;
    let expired = Change::new(vec![Value::int(1)], at(7), Op::Expire, Item::new());
    let inserted = Change::new(vec![Value::int(1)], at(6), Op::Insert, Item::new());
    table.commit_all(&[&[inserted], &[expired]]).await?;
    table.agrees_with(7).await
}
