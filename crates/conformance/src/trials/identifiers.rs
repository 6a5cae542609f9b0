//! Names that are hard on a destination arrive, and none takes another's place.

use std::collections::HashSet;

use commutator_core::schema::Names;
use commutator_core::{Column, ErrorKind, LogicalType, NameMap, Op, SyncMode, TableName};

use crate::bench::rows;
use crate::change::{at, put};
use crate::verdict::ensure;
use crate::{Bench, Change, Item, Stop, Value, Verdict};

/// Attributes that collide, are reserved somewhere, or have what some destination does not take in a name.
fn attributes() -> Vec<String> {
    let mut names: Vec<String> = [
        "select",
        "SELECT",
        "Select",
        "from",
        "order",
        "table",
        "user",
        "group",
        "end",
        "null",
        "true",
        "default",
        "primary",
        "a",
        "A",
        "á",
        "Á",
        "a\u{301}",
        "ß",
        "ss",
        "SS",
        "ı",
        "I",
        "i",
        "İ",
        "a.b",
        "a_b",
        "a-b",
        "a b",
        "a/b",
        "a\\b",
        "a:b",
        "a,b",
        "a;b",
        "a=b",
        "a%b",
        "a{b}",
        "a(b)",
        "a[0]",
        "a\"b",
        "a'b",
        "a`b",
        "a$b",
        "$1",
        "a#b",
        "#",
        "?",
        "@",
        "*",
        "1",
        "1a",
        "-",
        "_",
        "__",
        " ",
        " a",
        "a ",
        "\t",
        "a\nb",
        "日本語",
        "🦀",
        "👩‍👩‍👧‍👦",
        "_ct_order",
        "_CT_order",
        "_ct_op",
        "attribute_ct_order",
        "ctid",
        "xmin",
        "oid",
        "tableoid",
        "rowid",
        "_id",
        "__key",
        "constructor",
        "$set",
        "a$",
        "-- ",
        "/* */",
        "id_",
        "Id",
        "ID",
    ]
    .map(str::to_owned)
    .into();
    for length in [62, 63, 64, 100, 127, 128, 129, 255, 256, 300, 1_000] {
        names.push("x".repeat(length));
        names.push(format!("{}y", "x".repeat(length - 1)));
        names.push("ä".repeat(length / 2));
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

pub(crate) async fn hard_attribute_names_stay_apart(bench: &Bench) -> Verdict {
    let rules = bench.capabilities().identifiers;
    for mode in bench.modes() {
        let mut names = Names::new(rules, NameMap::new());
        let key = names.name("id").to_owned();
        let mut table = bench.table_with_keys(mode, vec![Column::key(key, LogicalType::Int64)]).await?;
        let item: Item =
            (0..).zip(attributes()).map(|(n, name)| (names.name(&name).to_owned(), Value::int(n))).collect();
        ensure!(item.len() == attributes().len(), "the destination's identifier rules give two attributes one name");
        let change =
            |id: i64, sequence, item: &Item| Change::new(vec![Value::int(id)], at(sequence), Op::Modify, item.clone());
        table.commit(&[change(1, 1, &item)]).await?;
        table.agrees().await?;
        // One by one, so that a column that was taken for another's would show.
        for (n, (name, value)) in (2..).zip(item.iter().step_by(9)) {
            let alone = Item::from([(name.clone(), value.clone())]);
            table.commit(&[change(n, n.cast_unsigned(), &alone)]).await?;
        }
        table.agrees().await?;
        table.writer.checkpoint.set_names(names.map().clone());
        let checkpoint = table.writer.checkpoint.clone();
        table.writer.transact(&[], None, &checkpoint).await?;
        table.reopen().await?;
        table.commit(&[change(1, 10_000, &item)]).await?;
        table.agrees().await?;
    }
    Ok(())
}

pub(crate) async fn hard_attribute_names_can_be_keys(bench: &Bench) -> Verdict {
    let rules = bench.capabilities().identifiers;
    for mode in bench.modes() {
        for (partition, sort) in [("select", "order"), ("a.b", "A B"), ("Key", "key"), ("🦀", "\""), ("'", "_ct_order")]
        {
            let mut names = Names::new(rules, NameMap::new());
            let mut column = |attribute: &str| Column::key(names.name(attribute), LogicalType::Text);
            let keys = vec![column(partition), column(sort)];
            let value = names.name("value").to_owned();
            let mut table = bench.table_with_keys(mode, keys).await?;
            let change = |sort: &str, sequence, op| {
                let item =
                    if op == Op::Remove { Item::new() } else { Item::from([(value.clone(), Value::text(sort))]) };
                Change::new(vec![Value::text("p"), Value::text(sort)], at(sequence), op, item)
            };
            table.commit(&[change("1", 1, Op::Insert), change("2", 2, Op::Insert)]).await?;
            table.commit(&[change("1", 3, Op::Modify), change("2", 4, Op::Remove), change("3", 5, Op::Insert)]).await?;
            table.agrees_with(rows(mode, 2, 3, 5)).await?;
        }
    }
    Ok(())
}

/// `DynamoDB` takes letters, digits, `_`, `-` and `.` in a table's name, and 3 to 255 of them.
pub(crate) async fn hard_table_names_stay_apart_or_are_refused(bench: &Bench) -> Verdict {
    let mut names: Vec<String> = [
        "a.b-c_d",
        "a_b_c_d",
        "a-b.c_d",
        "a-b-c-d",
        "select",
        "Select",
        "SELECT",
        "_ct_order",
        "_ct_state",
        "...",
        "---",
        "..a",
        "1.0",
        "-f",
        "con",
    ]
    .map(str::to_owned)
    .into();
    names.extend(["x".repeat(63), "x".repeat(64), "x".repeat(255), format!("{}y", "x".repeat(254))]);
    for mode in bench.modes() {
        let mut tables = Vec::new();
        for (n, name) in (1..).zip(&names) {
            match open(bench, mode, name, n).await {
                Ok(table) => tables.push(table),
                Err(error) => {
                    let kinds = [ErrorKind::ConfigInvalid, ErrorKind::Unsupported, ErrorKind::SchemaConflict];
                    ensure!(kinds.contains(&error.kind()), "table `{name}` is refused without a reason: {error:?}");
                }
            }
        }
        ensure!(!tables.is_empty(), "every table name is refused");
        for (target, schema, model) in &tables {
            let verdict = bench.agrees(target, schema.as_ref(), model).await;
            verdict.map_err(|stop: Stop| stop.within(format_args!("table name `{}`", target.name)))?;
        }
    }
    Ok(())
}

type Written = (commutator_core::Target, Option<commutator_core::TableSchema>, crate::Model);

async fn open(bench: &Bench, mode: SyncMode, name: &str, n: i64) -> commutator_core::Result<Written> {
    let mut target = bench.target(mode, vec![Column::key("id", LogicalType::Int64)]);
    target.name = format!("{name}{}", "_".repeat(mode as usize));
    target.name = target.name.chars().skip(target.name.len().saturating_sub(255)).collect();
    target.table = TableName::new(target.name.as_str());
    let mut writer = crate::bench::Writer::new(bench.destination().open(&target).await?, &target).await?;
    let mut model = crate::Model::new(mode);
    for change in [put(1, at(1), [("n", Value::int(n))]), put(n + 1, at(2), [("n", Value::int(n))])] {
        let checkpoint = crate::bench::next_checkpoint(&writer.checkpoint, false);
        writer.transact(&[vec![change.clone()]], None, &checkpoint).await?;
        model.apply(&change);
    }
    Ok((target, writer.schema().cloned(), model))
}
