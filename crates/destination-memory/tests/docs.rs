//! The tables of `docs/modes.md` are what a little history leaves in each mode.
//!
//! `COMMUTATOR_UPDATE_DOCS=1 cargo test -p commutator-destination-memory --test docs` writes them anew.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use commutator_conformance::{Change, Item, Row, Value, batch, rows_of_table};
use commutator_core::schema::{conform, plan};
use commutator_core::{
    Checkpoint, Column, Destination, Epoch, LogicalType, Op, OrderKey, PipelineId, Session, Slice, SyncMode, TableName,
    Target,
};
use commutator_destination_memory::Memory;

const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
const COLUMNS: [&str; 3] = ["id", "status", "total"];

/// A time of day, of a day on which nothing else happens.
const fn at(hour: i64, minute: i64, second: i64) -> i64 {
    ((hour * 60 + minute) * 60 + second) * 1_000_000
}

fn time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn change(id: &str, epoch: u32, sequence: u64, op: Op, changed_at: Option<i64>, item: Option<(&str, i64)>) -> Change {
    let attributes = |(status, total): (&str, i64)| {
        Item::from([("status".to_owned(), Value::text(status)), ("total".to_owned(), Value::int(total))])
    };
    let order = OrderKey::new(Epoch(epoch), sequence.into());
    let change = Change::new(vec![Value::text(id)], order, op, item.map(attributes).unwrap_or_default());
    Change { changed_at, ..change }
}

/// What happens, commit by commit: when it is written, what, and the epoch whose snapshot ends with it.
fn story() -> [(&'static str, i64, Vec<Change>, Option<Epoch>); 3] {
    use Op::{Expire, Insert, Modify, Remove, Snapshot};
    let seen = |id, epoch, item| change(id, epoch, 0, Snapshot, None, Some(item));
    let first = vec![seen("A-1", 1, ("open", 30)), seen("A-2", 1, ("open", 12)), seen("A-3", 1, ("draft", 7))];
    let changes = vec![
        change("A-1", 1, 41, Modify, Some(at(9, 5, 10)), Some(("paid", 30))),
        change("A-1", 1, 42, Modify, Some(at(9, 5, 10)), Some(("sent", 30))),
        change("A-2", 1, 43, Remove, Some(at(9, 10, 0)), None),
        change("A-3", 1, 44, Expire, Some(at(9, 20, 0)), None),
        change("A-2", 1, 45, Insert, Some(at(9, 30, 0)), Some(("open", 15))),
    ];
    [
        ("after the first load", at(9, 0, 0), first, Some(Epoch(1))),
        ("after the changes", at(9, 30, 1), changes, None),
        ("after a resync", at(12, 0, 0), vec![seen("A-2", 2, ("open", 15))], Some(Epoch(2))),
    ]
}

async fn write(session: &mut dyn Session, keys: &[Column], changes: &[Change], ended: Option<Epoch>) {
    let batch = batch(keys, changes).unwrap();
    let actual = session.describe().await.unwrap();
    let plan = plan(actual.as_ref(), batch.schema()).unwrap();
    session.evolve(&plan).await.unwrap();
    let batch = conform(&batch, &Arc::new(plan.result)).unwrap();
    let mut transaction = session.begin().await.unwrap();
    transaction.write(&batch).await.unwrap();
    if let Some(epoch) = ended {
        transaction.end_snapshot(epoch).await.unwrap();
    }
    transaction.commit(&Checkpoint::default()).await.unwrap();
}

fn table(mode: SyncMode, mut rows: Vec<Row>) -> String {
    let system: &[&str] = match mode {
        SyncMode::Mirror => &[],
        SyncMode::SoftDelete => &["_ct_deleted"],
        SyncMode::History => &["_ct_op", "_ct_valid_from", "_ct_valid_to", "_ct_current"],
        SyncMode::Append => &["_ct_op"],
    };
    let titles: Vec<_> = COLUMNS.into_iter().chain(["_ct_order"]).chain(system.iter().copied()).collect();
    let rule = vec!["---"; titles.len()];
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |");
    rows.sort_by_key(|row| (format!("{:?}", row.columns["id"]), row.order));
    let cell = |row: &Row, title: &str| match (title, row.validity) {
        ("_ct_order", _) => {
            let order = row.order.to_string();
            format!("{}-{}", row.order.epoch(), order[8..].parse::<u64>().unwrap())
        }
        ("_ct_op", _) => row.op.clone().unwrap_or_default(),
        ("_ct_deleted", _) => row.deleted.unwrap().to_string(),
        ("_ct_valid_from", Some(validity)) => time(validity.from),
        ("_ct_valid_to", Some(validity)) => validity.to.map(time).unwrap_or_default(),
        ("_ct_current", Some(validity)) => validity.current.to_string(),
        (column, _) => match &row.columns[column] {
            Value::Text(text) | Value::Number(text) => text.clone(),
            Value::Null => String::new(),
            other => panic!("{other:?}"),
        },
    };
    let mut out = line(&titles) + &format!("|{}|\n", rule.join("|"));
    for row in &rows {
        let cells: Vec<_> = titles.iter().map(|title| cell(row, title)).collect();
        out += &line(&cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
    out
}

/// Returns the tables of a mode, each under what happened before.
async fn tables(mode: SyncMode) -> String {
    let now = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let memory = Memory::with_clock(move || clock.load(Ordering::Relaxed));
    let keys = vec![Column::key("id", LogicalType::Text)];
    let target = Target {
        pipeline: PipelineId::new("docs").unwrap(),
        table: TableName::new("orders"),
        name: "orders".to_owned(),
        keys: keys.clone(),
        mode,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    };
    let mut session = memory.open(&target).await.unwrap();
    let mut out = String::new();
    for (title, at, changes, ended) in story() {
        now.store(at, Ordering::Relaxed);
        write(&mut *session, &keys, &changes, ended).await;
        let rows = rows_of_table(&memory.schema("orders").unwrap(), &memory.table("orders").unwrap());
        write!(out, "\n`{mode}` {title}:\n\n{}", table(mode, rows)).unwrap();
    }
    out + "\n"
}

#[test]
fn the_tables_of_the_page_on_modes_are_right() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modes.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let mut right = page.clone();
    for mode in MODES {
        let [begin, end] = ["begin", "end"].map(|place| format!("<!-- {mode}: {place} -->"));
        let from = right.find(&begin).unwrap_or_else(|| panic!("{begin} is missing")) + begin.len() + 1;
        let to = right.find(&end).unwrap_or_else(|| panic!("{end} is missing"));
        right.replace_range(from..to, &runtime.block_on(tables(mode)));
    }
    if std::env::var("COMMUTATOR_UPDATE_DOCS").is_ok_and(|update| update == "1") {
        std::fs::write(&path, right).unwrap();
        return;
    }
    assert!(page == right, "docs/modes.md is not what the modes do; COMMUTATOR_UPDATE_DOCS=1 writes this: {right}");
}
