//! Columns are added and widened, and no value changes by it.

use commutator_core::schema::{merge, plan};
use commutator_core::{Column, Limit, LogicalType, TableSchema};

use crate::bench::rows;
use crate::change::{at, put, remove};
use crate::verdict::ensure;
use crate::{Bench, Change, Item, Value, Verdict};

/// Fails unless a table of this description holds every row of `wanted` as it is.
fn holds(described: Option<&TableSchema>, wanted: &TableSchema) -> Verdict {
    let Some(described) = described else {
        return Err(crate::Stop::Failed("a table that was created is described as absent".to_owned()));
    };
    let rest = plan(Some(described), wanted)?;
    ensure!(rest.is_empty(), "after a plan was carried out there is still to do: {:?}", rest.actions);
    let names = |schema: &TableSchema| schema.keys().iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    ensure!(names(described) == names(wanted), "the key is {:?}, wanted is {:?}", names(described), names(wanted));
    let system = described.columns().iter().find(|column| column.name.starts_with("_ct_"));
    ensure!(system.is_none(), "the description has a system column: {system:?}");
    let count = (described.columns().len(), wanted.columns().len());
    ensure!(count.0 == count.1, "the description has {} columns where {} were planned", count.0, count.1);
    Ok(())
}

fn every_type() -> Vec<Column> {
    let mut columns = vec![Column::key("id", LogicalType::Int64)];
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let types = [
        LogicalType::Bool,
        LogicalType::Int64,
        LogicalType::Number,
        LogicalType::Text,
        LogicalType::Binary,
        LogicalType::Json,
        LogicalType::Float64,
        decimal(1, 0),
        decimal(5, 2),
        decimal(38, 0),
        decimal(38, 38),
    ];
    columns.extend(types.iter().enumerate().map(|(i, &ty)| Column::new(format!("column_{i}"), ty)));
    columns
}

pub(crate) async fn what_was_planned_is_described(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let wanted = TableSchema::new(every_type())?;
        table.commit_as(&wanted, &[put(1, at(1), [])]).await?;
        holds(table.writer.session.describe().await?.as_ref(), &wanted)?;
        table.reopen().await?;
        holds(table.writer.session.describe().await?.as_ref(), &wanted)?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn keys_of_every_type_are_described(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        for ty in [LogicalType::Int64, LogicalType::Text, LogicalType::Binary, LogicalType::Number] {
            let keys = vec![Column::key("zone", ty), Column::key("area", LogicalType::Int64)];
            let mut table = bench.table_with_keys(mode, keys.clone()).await?;
            let wanted = TableSchema::new([keys, vec![Column::new("a_first_by_name", LogicalType::Text)]].concat())?;
            table.commit_as(&wanted, &[]).await?;
            table.reopen().await?;
            holds(table.writer.session.describe().await?.as_ref(), &wanted)?;
        }
    }
    Ok(())
}

pub(crate) async fn committed_columns_can_be_peeked(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let peeked = bench.reconnect().await.peek_schema(&table.target).await?;
        ensure!(peeked.is_none(), "there is no table yet, but peek_schema gives {peeked:?}");
        let first = TableSchema::new(vec![Column::key("id", LogicalType::Int64)])?;
        for wanted in [first, TableSchema::new(every_type())?] {
            table.commit_as(&wanted, &[put(1, at(1), [])]).await?;
            holds(bench.reconnect().await.peek_schema(&table.target).await?.as_ref(), &wanted)?;
        }
        // The session was not fenced by it.
        table.commit(&[put(2, at(2), [])]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn a_plan_done_twice_is_done_once(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let first = TableSchema::new(vec![Column::key("id", LogicalType::Int64), Column::new("a", LogicalType::Text)])?;
        let create = plan(None, &first)?;
        table.writer.session.evolve(&create).await?;
        table.writer.session.evolve(&create).await?;
        table.commit_as(&first, &[put(1, at(1), [("a", Value::text("x"))])]).await?;
        let wider = TableSchema::new(every_type())?;
        let add = plan(Some(&first), &wider)?;
        table.writer.session.evolve(&add).await?;
        table.writer.session.evolve(&add).await?;
        table.writer.session.begin().await?.commit(&table.writer.checkpoint).await?;
        table.reopen().await?;
        table.writer.session.evolve(&add).await?;
        table.commit(&[put(2, at(2), [("column_3", Value::text("y")), ("a", Value::text("z"))])]).await?;
        table.agrees_with(2).await?;
        holds(table.writer.session.describe().await?.as_ref(), &merge(&first, &wider)?)?;
    }
    Ok(())
}

pub(crate) async fn a_plan_half_done_is_completed(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        let before = table.writer.schema().cloned();
        let wider = TableSchema::new(every_type())?;
        let half = TableSchema::new(every_type().into_iter().take(4).collect())?;
        table.commit_as(&half, &[put(2, at(2), [("column_0", Value::Bool(true))])]).await?;
        table.reopen().await?;
        // As after a crash half-way: the plan was made for the table as it was before.
        table.writer.session.evolve(&plan(before.as_ref(), &wider)?).await?;
        table.commit_as(&wider, &[put(3, at(3), [("column_3", Value::text("x"))])]).await?;
        table.agrees_with(3).await?;
    }
    Ok(())
}

pub(crate) async fn an_evolution_that_nobody_committed_is_harmless(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let wanted = TableSchema::new(every_type())?;
        table.writer.session.evolve(&plan(None, &wanted)?).await?;
        table.reopen().await?;
        table.agrees_with(0).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        let now = table.writer.schema().cloned();
        table.writer.session.evolve(&plan(now.as_ref(), &wanted)?).await?;
        table.reopen().await?;
        table.agrees_with(1).await?;
        table.commit_as(&wanted, &[put(2, at(2), [("column_3", Value::text("x"))])]).await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn an_evolution_outlives_a_dropped_transaction(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.abandon(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        table.commit(&[put(2, at(2), [("a", Value::int(2))])]).await?;
        table.abandon(&[put(3, at(3), [("b", Value::text("x"))])]).await?;
        table.commit(&[put(4, at(4), [("b", Value::text("y"))])]).await?;
        table.agrees_with(2).await?;
        table.reopen().await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn a_new_column_is_null_in_older_rows(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        for n in 0..12_i64 {
            let name = format!("column_{n}");
            table.commit(&[put(n, at(n.cast_unsigned() + 1), [(name.as_str(), Value::int(n))])]).await?;
        }
        table.agrees_with(12).await?;
        table.reopen().await?;
        table.commit(&[put(3, at(100), [("column_11", Value::int(1))]), put(50, at(101), [])]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn batches_of_several_schemas_share_a_transaction(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let first = [put(1, at(1), [("a", Value::int(1))]), put(2, at(2), [("b", Value::text("x"))])];
        let second =
            [put(3, at(3), [("c", Value::Bool(true)), ("a", Value::int(3))]), put(1, at(4), [("b", Value::text("y"))])];
        table.commit_all(&[&first, &second, &[remove(2, at(5))]]).await?;
        table.agrees_with(rows(mode, 2, 3, 5)).await?;
    }
    Ok(())
}

pub(crate) async fn a_table_may_have_only_its_key(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), []), put(2, at(2), [])]).await?;
        table.commit(&[put(1, at(3), []), put(3, at(4), []), remove(2, at(5))]).await?;
        table.agrees_with(rows(mode, 2, 3, 5)).await?;
        table.commit(&[put(1, at(6), [("late", Value::int(1))])]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn a_table_may_have_many_columns(bench: &Bench) -> Verdict {
    // System columns, and those that a destination needs for itself, count too.
    let count = match bench.capabilities().max_columns {
        Limit::Unlimited => 1_000,
        Limit::AtMost(limit) => (limit - 20).min(1_000),
    };
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let wide = |id: i64, sequence, modulus: usize| {
            let item: Item =
                (0..count).filter(|n| n % modulus == 0).map(|n| (format!("c{n}"), Value::text("x"))).collect();
            Change::new(vec![Value::int(id)], at(sequence), commutator_core::Op::Insert, item)
        };
        table.commit(&[wide(1, 1, 1), wide(2, 2, 7)]).await?;
        table.commit(&[wide(2, 3, 3), wide(3, 4, 2)]).await?;
        table.agrees().await?;
    }
    Ok(())
}
