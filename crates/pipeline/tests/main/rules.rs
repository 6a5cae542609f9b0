//! Rules and policies end to end: what of a source's items is in the destination, also after a restart, and what is counted.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use commutator_core::rules::{
    ColumnRule, Contract, Flatten, LeftOut, Mask, Nested, OnTypeConflict, SchemaPolicy, TableRules,
};
use commutator_core::{
    ChangeBatch, Column, Destination, ErrorKind, LogicalType, OnBadRecord, Op, PipelineId, Result, Secret, SyncMode,
    TableName, TableSchema,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{
    CancellationToken, Event, Observer, Options, Pipeline, RunReport, TableOutcome, TableReport, Transform,
};
use serde_json::{Value, json};

use crate::faults::Faulty;
use crate::items::{Items, seen};
use crate::letter_store::Letters;
use crate::live::Live;
use crate::refusing::{Refusing, When};
use crate::runs;
use crate::scripted::description;

pub(crate) fn options(rules: TableRules) -> Options {
    let mut options = runs::options(SyncMode::Mirror);
    options.until = commutator_core::Until::CaughtUp;
    options.defaults.rules = rules;
    options.hash_salt = Some(Secret::new("salt".to_owned()));
    options
}

pub(crate) fn pipeline(source: &Items, destination: impl Destination, options: Options) -> Pipeline {
    Pipeline::new(PipelineId::new("test").unwrap(), Arc::new(source.clone()), Arc::new(destination), options)
}

pub(crate) async fn run(source: &Items, memory: &Memory, options: Options) -> RunReport {
    pipeline(source, memory.clone(), options).run(&CancellationToken::new()).await.unwrap()
}

async fn table(source: &Items, memory: &Memory, options: Options) -> TableReport {
    run(source, memory, options).await.tables.remove(0)
}

fn items(snapshot: impl IntoIterator<Item = Value>) -> Items {
    Items { snapshot: snapshot.into_iter().collect(), ..Items::default() }
}

#[tokio::test]
async fn columns_leave_the_process_as_the_rules_say() {
    let source = items([
        json!({"id": 1, "mail": "a@b", "phone": "12345", "secret": "x", "address": {"city": "Bern", "zip": 3000}}),
    ]);
    let rules = TableRules::default()
        .exclude("sec*")
        .column("mail", ColumnRule::default().renamed("e_mail"))
        .column("phone", ColumnRule::masked(Mask::KeepLast(1)))
        .nested(Nested::Flatten(Flatten::default()));
    let memory = Memory::new();
    assert!(run(&source, &memory, options(rules)).await.succeeded());
    let expected = json!({"id": 1, "e_mail": "a@b", "phone": "****5", "address_city": "Bern", "address_zip": 3000});
    assert_eq!(seen(&memory, "t"), [expected]);
}

#[tokio::test]
async fn a_hashed_key_still_finds_its_row() {
    let source = Items {
        snapshot: vec![json!({"id": 1, "a": 1}), json!({"id": 2, "a": 2})],
        changes: vec![vec![json!({"id": 1, "a": 3}), json!({"id": 2})]],
        ..Items::default()
    };
    let rules = TableRules::default().column("id", ColumnRule::hashed().renamed("key"));
    let memory = Memory::new();
    assert!(run(&source, &memory, options(rules.clone())).await.succeeded());
    let rows = seen(&memory, "t");
    assert_eq!((rows.len(), &rows[0]["a"]), (1, &json!(3)));
    assert_eq!(rows[0]["key"].as_str().unwrap().len(), 64);
    let unsalted = Options { hash_salt: None, ..options(rules) };
    let error = pipeline(&source, memory, unsalted).run(&CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test(start_paused = true)]
async fn another_hash_of_the_key_waits_for_a_resync() {
    let (live, memory) = (Live::default(), Memory::new());
    (1..3).for_each(|id| live.put(id, id * 10));
    let hashed = |salt: &str| {
        let rules = TableRules::default().column("id", ColumnRule::hashed().renamed("key"));
        let options = Options { hash_salt: Some(Secret::new(salt.to_owned())), ..options(rules) };
        Pipeline::new(PipelineId::new("test").unwrap(), Arc::new(live.clone()), Arc::new(memory.clone()), options)
    };
    let run = async |salt: &str| hashed(salt).run(&CancellationToken::new()).await.unwrap().tables.remove(0).outcome;
    assert!(matches!(run("salt").await, TableOutcome::Completed));
    let before = seen(&memory, "t");
    let TableOutcome::Failed(error) = run("pepper").await else { panic!("it ran") };
    assert_eq!((error.kind(), error.to_string().contains("pepper")), (ErrorKind::ConfigInvalid, false));
    assert!(error.to_string().contains("commutator resync"), "{error}");
    assert_eq!(seen(&memory, "t"), before);

    hashed("pepper").resync(&description("t")).await.unwrap();
    assert!(matches!(run("pepper").await, TableOutcome::Completed));
    let after = seen(&memory, "t");
    let values = |rows: &[Value]| rows.iter().filter_map(|row| row["value"].as_i64()).collect::<BTreeSet<_>>();
    assert_eq!((after.len(), values(&after)), (2, values(&before)));
    assert!(before.iter().all(|row| after.iter().all(|other| other["key"] != row["key"])));
    assert!(matches!(run("salt").await, TableOutcome::Failed(_)), "it belongs to the other salt now");
}

#[tokio::test]
async fn two_columns_that_ask_for_one_name_both_arrive_and_keep_it() {
    let source = items([json!({"id": 1, "x": 1, "a": 2, "b_c": 3, "b": {"c": 4}})]);
    let rules = TableRules::default()
        .column("a", ColumnRule::default().renamed("x"))
        .nested(Nested::Flatten(Flatten::default()));
    let memory = Memory::new();
    assert!(run(&source, &memory, options(rules.clone())).await.succeeded());
    let first = seen(&memory, "t").remove(0);
    // The user's own word comes first.
    assert_eq!((&first["x"], &first["b_c"], first.as_object().unwrap().len()), (&json!(2), &json!(3), 5));
    let more = Items { changes: vec![vec![json!({"id": 2, "b": {"c": 4}, "x": 1, "b_c": 3, "a": 2})]], ..source };
    assert!(run(&more, &memory, options(rules)).await.succeeded());
    let mut again = seen(&memory, "t").into_iter().find(|row| row["id"] == 2).unwrap();
    again["id"] = json!(1);
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_row_that_passes_no_more_leaves_the_destination() {
    let source = Items {
        snapshot: vec![json!({"id": 1, "s": "on"}), json!({"id": 2, "s": "off"}), json!({"id": 3, "s": "on"})],
        changes: vec![vec![json!({"id": 1, "s": "off"}), json!({"id": 2, "s": "on"}), json!({"id": 4, "s": "off"})]],
        ..Items::default()
    };
    let memory = Memory::new();
    let report = table(&source, &memory, options(TableRules::default().filter("s = 'on'".parse().unwrap()))).await;
    assert_eq!(seen(&memory, "t"), [json!({"id": 2, "s": "on"}), json!({"id": 3, "s": "on"})]);
    assert_eq!(report.left_out, LeftOut { filtered_rows: 3, ..LeftOut::default() });
}

#[tokio::test]
async fn what_never_passed_leaves_no_row_in_any_mode() {
    let source = Items {
        snapshot: vec![json!({"id": 1, "s": "on"}), json!({"id": 2, "s": "off"})],
        changes: vec![
            vec![json!({"id": 1, "s": "off"}), json!({"id": 2, "s": "off", "n": 1}), json!({"id": 3, "s": "off"})],
            // Without attributes it is removed.
            vec![json!({"id": 1, "s": "off", "n": 1}), json!({"id": 2, "s": "off", "n": 2}), json!({"id": 3})],
        ],
        ..Items::default()
    };
    for (mode, rows) in [(SyncMode::Mirror, 0), (SyncMode::SoftDelete, 1), (SyncMode::History, 2)] {
        let memory = Memory::new();
        let mut options = options(TableRules::default().filter("s = 'on'".parse().unwrap()));
        options.defaults.mode = mode;
        assert!(run(&source, &memory, options).await.succeeded());
        let table = memory.table("t").unwrap();
        assert_eq!(table.num_rows(), rows, "{mode}");
        let ids = table.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec();
        assert!(ids.iter().all(|id| *id == 1), "{mode}: {ids:?}");
    }
}

#[derive(Debug, Default)]
struct Counts(Mutex<LeftOut>);

impl Observer for Counts {
    fn event(&self, _: &TableName, event: &Event<'_>) {
        if let Event::LeftOut(left_out) = event {
            *self.0.lock().unwrap() += *left_out;
        }
    }
}

#[tokio::test]
async fn contracts_hold_after_the_first_snapshot_and_across_restarts() {
    let first = items([json!({"id": 1, "a": 1})]);
    let source = Items {
        changes: vec![vec![json!({"id": 2, "a": "x", "b": 1})], vec![json!({"id": 3, "a": 4})]],
        ..first.clone()
    };
    let both = |policy| options(TableRules::default().contract(Contract::both(policy)));
    for restarts in [false, true] {
        let started = |policy| {
            let first = first.clone();
            async move {
                let memory = Memory::new();
                if restarts {
                    assert!(run(&first, &memory, both(policy)).await.succeeded());
                }
                memory
            }
        };
        let memory = started(SchemaPolicy::Freeze).await;
        let report = table(&source, &memory, both(SchemaPolicy::Freeze)).await;
        let TableOutcome::Failed(error) = report.outcome else { panic!("a frozen table went on") };
        assert_eq!(error.kind(), ErrorKind::SchemaConflict);
        let difference = "`a` is int64 and would have to be json; `b` would be a new column of type int64";
        assert_eq!(error.context(), [("difference", difference.to_owned()), ("table", "t".to_owned())]);
        assert_eq!(seen(&memory, "t"), [json!({"id": 1, "a": 1})]);

        let memory = started(SchemaPolicy::DiscardColumn).await;
        let counts = Arc::new(Counts::default());
        let pipeline = pipeline(&source, memory.clone(), both(SchemaPolicy::DiscardColumn))
            .with_observer(Arc::<Counts>::clone(&counts));
        let report = pipeline.run(&CancellationToken::new()).await.unwrap().tables.remove(0);
        assert_eq!(report.left_out, LeftOut { discarded_values: 2, ..LeftOut::default() });
        assert_eq!(*counts.0.lock().unwrap(), report.left_out);
        assert_eq!(seen(&memory, "t"), [json!({"id": 1, "a": 1}), json!({"id": 2}), json!({"id": 3, "a": 4})]);

        let memory = started(SchemaPolicy::DiscardRow).await;
        let report = table(&source, &memory, both(SchemaPolicy::DiscardRow)).await;
        assert_eq!(report.left_out, LeftOut { discarded_rows: 1, ..LeftOut::default() });
        assert_eq!(seen(&memory, "t"), [json!({"id": 1, "a": 1}), json!({"id": 3, "a": 4})]);
    }
}

#[tokio::test]
async fn a_column_of_several_kinds_becomes_what_its_policy_says() {
    let first = items([json!({"id": 1, "a": 1})]);
    let source = Items { changes: vec![vec![json!({"id": 2, "a": "x"}), json!({"id": 3, "a": [1]})]], ..first.clone() };
    for (policy, expected) in [
        (OnTypeConflict::Json, [json!({"id": 1, "a": 1}), json!({"id": 2, "a": "x"}), json!({"id": 3, "a": [1]})]),
        (OnTypeConflict::Text, [json!({"id": 1, "a": "1"}), json!({"id": 2, "a": "x"}), json!({"id": 3, "a": "[1]"})]),
        (
            OnTypeConflict::Variant,
            [json!({"id": 1, "a": 1}), json!({"id": 2, "a__text": "x"}), json!({"id": 3, "a__json": [1]})],
        ),
    ] {
        for restarts in [false, true] {
            let memory = Memory::new();
            let options = || options(TableRules::default().on_type_conflict(policy));
            if restarts {
                assert!(run(&first, &memory, options()).await.succeeded());
            }
            assert!(run(&source, &memory, options()).await.succeeded());
            assert_eq!(seen(&memory, "t"), expected, "{policy:?}");
        }
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_cast_stops_the_table_or_is_set_aside_and_tried_again() {
    let source = Items {
        snapshot: vec![json!({"id": 1, "n": "5"}), json!({"id": 2, "n": "five"})],
        now: [(2, json!({"id": 2, "n": "6", "s": "x"}))].into(),
        ..Items::default()
    };
    let rules = TableRules::default()
        .column("n", ColumnRule::pinned(LogicalType::Int64))
        .column("s", ColumnRule::default().renamed("z"));
    let memory = Memory::new();
    let TableOutcome::Failed(error) = table(&source, &memory, options(rules.clone())).await.outcome else {
        panic!("a value was cast that cannot be")
    };
    assert_eq!((error.kind(), error.context()[0].clone()), (ErrorKind::DataInvalid, ("column", "n".to_owned())));
    assert!(!error.report().contains("five"));

    let (memory, letters) = (Memory::new(), Letters::default());
    let mut options = options(rules);
    options.defaults.on_bad_record = OnBadRecord::DeadLetter;
    let pipeline = pipeline(&source, memory.clone(), options).with_dead_letters(Arc::new(letters.clone()));
    let report = pipeline.run(&CancellationToken::new()).await.unwrap();
    assert_eq!((report.tables[0].dead_letters, letters.ids()), (1, vec![2]));
    assert_eq!(seen(&memory, "t"), [json!({"id": 1, "n": 5})]);
    assert!(pipeline.replay(None).await.unwrap().succeeded());
    assert_eq!(seen(&memory, "t"), [json!({"id": 1, "n": 5}), json!({"id": 2, "n": 6, "z": "x"})]);
    assert!(letters.ids().is_empty());
}

#[tokio::test]
async fn a_refused_row_is_replayed_as_the_rules_left_it() {
    let source = items([json!({"id": 1, "a": "x", "m": {"b": 1}}), json!({"id": 2, "a": "y", "m": {"b": 2}})]);
    let rules = TableRules::default()
        .column("a", ColumnRule::hashed())
        .column("id", ColumnRule::default().renamed("key"))
        .nested(Nested::Flatten(Flatten::default()));
    let expected = Memory::new();
    let mut options = options(rules);
    options.defaults.mode = SyncMode::Append;
    options.defaults.on_bad_record = OnBadRecord::DeadLetter;
    let report = pipeline(&source, expected.clone(), options.clone()).with_dead_letters(Arc::new(Letters::default()));
    assert!(report.run(&CancellationToken::new()).await.unwrap().succeeded());

    let (memory, letters) = (Memory::new(), Letters::default());
    let refusing = Refusing::new(memory.clone(), [2], When::AtWrite);
    let before = pipeline(&source, refusing, options.clone()).with_dead_letters(Arc::new(letters.clone()));
    assert_eq!(before.run(&CancellationToken::new()).await.unwrap().tables[0].dead_letters, 1);
    let after = pipeline(&source, memory.clone(), options).with_dead_letters(Arc::new(letters));
    assert!(after.replay(None).await.unwrap().succeeded());
    assert_eq!(seen(&memory, "t"), seen(&expected, "t"));
}

/// Adds the column `double`, or loses a row.
#[derive(Debug)]
struct Doubles {
    loses: bool,
}

impl Transform for Doubles {
    fn transform(&self, _: &TableName, batch: ChangeBatch) -> Result<ChangeBatch> {
        if self.loses {
            return batch.filter(&(0..batch.len()).map(|row| row > 0).collect::<Vec<_>>());
        }
        let ids = batch.rows().column(0).as_primitive::<Int64Type>();
        let live = |row: usize| !matches!(batch.ops()[row], Op::Remove | Op::Expire);
        let doubles: Int64Array = (0..ids.len()).map(|row| live(row).then(|| ids.value(row) * 2)).collect();
        let columns = [batch.schema().columns(), &[Column::new("double", LogicalType::Int64)]].concat();
        let schema = Arc::new(TableSchema::new(columns)?);
        let arrays: Vec<ArrayRef> =
            batch.rows().columns().iter().map(Arc::clone).chain([Arc::new(doubles) as ArrayRef]).collect();
        batch.with_rows(Arc::clone(&schema), RecordBatch::try_new(schema.to_arrow(), arrays).unwrap())
    }
}

#[tokio::test]
async fn the_users_own_code_comes_before_the_rules_and_keeps_every_row() {
    let source = Items {
        snapshot: vec![json!({"id": 1}), json!({"id": 2, "a": 1})],
        changes: vec![vec![json!({"id": 2})]],
        ..Items::default()
    };
    let rules = TableRules::default().column("double", ColumnRule::default().renamed("twice"));
    let memory = Memory::new();
    let transforming =
        |loses| pipeline(&source, memory.clone(), options(rules.clone())).with_transform(Arc::new(Doubles { loses }));
    let report = transforming(true).run(&CancellationToken::new()).await.unwrap();
    assert!(matches!(&report.tables[0].outcome, TableOutcome::Failed(error) if error.kind() == ErrorKind::Unexpected));
    assert!(transforming(false).run(&CancellationToken::new()).await.unwrap().succeeded());
    assert_eq!(seen(&memory, "t"), [json!({"id": 1, "twice": 2})]);
}

#[tokio::test]
async fn a_letter_has_what_the_source_sent_so_that_the_users_code_is_applied_once() {
    let source = items([json!({"id": 1, "n": 5}), json!({"id": 2, "n": "five"})]);
    let (memory, letters) = (Memory::new(), Letters::default());
    let pipeline = |rules| {
        let mut options = options(rules);
        options.defaults.mode = SyncMode::Append;
        options.defaults.on_bad_record = OnBadRecord::DeadLetter;
        let pipeline = pipeline(&source, memory.clone(), options).with_dead_letters(Arc::new(letters.clone()));
        pipeline.with_transform(Arc::new(Doubles { loses: false }))
    };
    let pinned = pipeline(TableRules::default().column("n", ColumnRule::pinned(LogicalType::Int64)));
    assert_eq!(pinned.run(&CancellationToken::new()).await.unwrap().tables[0].dead_letters, 1);
    assert!(pipeline(TableRules::default()).replay(None).await.unwrap().succeeded());
    assert!(seen(&memory, "t").iter().any(|row| row["id"] == 2 && row["double"] == 4));
}

/// A destination may have columns that a run added which was killed before it committed: they are the table's all the same.
#[tokio::test(start_paused = true)]
async fn a_column_that_a_killed_run_left_keeps_its_type() {
    let rules = TableRules::default().on_type_conflict(OnTypeConflict::Variant);
    let (mut crashes, mut left) = (0, 0);
    for at in 0.. {
        let memory = Memory::new();
        let deadly = Faulty::deadly(&memory, at);
        let killed = pipeline(&items([json!({"id": 1, "amount": 12})]), deadly.clone(), options(rules.clone()));
        assert_eq!(killed.run(&CancellationToken::new()).await.unwrap().succeeded(), !deadly.has_failed());
        if !deadly.has_failed() {
            break;
        }
        crashes += 1;
        let amount = |memory: &Memory| Some(memory.schema("t")?.get("amount")?.1.ty);
        let before = amount(&memory);
        left += u32::from(before.is_some());
        let later = items([json!({"id": 1, "amount": "twelve"}), json!({"id": 2, "amount": 13})]);
        assert!(run(&later, &memory, options(rules.clone())).await.succeeded());
        let expected = before.unwrap_or(LogicalType::Text);
        assert_eq!(amount(&memory), Some(expected), "{at}");
    }
    assert!(crashes > 3 && left > 1, "{crashes} {left}");
}
