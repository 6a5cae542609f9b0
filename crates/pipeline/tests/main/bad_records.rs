//! Records that cannot be read and rows that the destination refuses: set aside and counted, never lost, never doubled.

use std::collections::BTreeMap;
use std::sync::Arc;

use commutator_core::{
    Checkpoint, DEAD_LETTERS_FACT, DeadLetters as _, Destination, ErrorKind, OnBadRecord, Op, PipelineId, RawForm,
    SyncMode,
};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, Options, Pipeline, RunReport, TableOutcome};

use crate::faults::Faulty;
use crate::letter_store::{Letters, id_of};
use crate::refusing::{Refusing, When};
use crate::runs::{ints, options, rows};
use crate::scripted::{Scripted, Step, Value, description};

pub(crate) fn setting_aside(mode: SyncMode) -> Options {
    let mut options = options(mode);
    options.defaults.on_bad_record = OnBadRecord::DeadLetter;
    options
}

pub(crate) fn pipeline(
    source: &Scripted,
    destination: impl Destination,
    letters: &Letters,
    mode: SyncMode,
) -> Pipeline {
    let id = PipelineId::new("test").unwrap();
    Pipeline::new(id, Arc::new(source.clone()), Arc::new(destination), setting_aside(mode))
        .with_dead_letters(Arc::new(letters.clone()))
}

pub(crate) async fn run(
    source: &Scripted,
    destination: impl Destination,
    letters: &Letters,
    mode: SyncMode,
) -> RunReport {
    pipeline(source, destination, letters, mode).run(&CancellationToken::new()).await.unwrap()
}

/// The checkpoint of table `t`.
pub(crate) async fn checkpoint(memory: &Memory, mode: SyncMode) -> Checkpoint {
    let pipeline = pipeline(&Scripted::new([]), memory.clone(), &Letters::default(), mode);
    memory.peek(&pipeline.target(&description("t"))).await.unwrap().unwrap()
}

pub(crate) async fn counted(memory: &Memory, mode: SyncMode) -> Option<String> {
    checkpoint(memory, mode).await.fact(DEAD_LETTERS_FACT).map(str::to_owned)
}

/// The ids in the keys of all letters that count.
pub(crate) async fn listed(pipeline: &Pipeline, letters: &Letters) -> Vec<i64> {
    let mut ids = Vec::new();
    for file in pipeline.letter_files(None).await.unwrap() {
        ids.extend(letters.read(&file).await.unwrap().iter().map(id_of));
    }
    ids.sort_unstable();
    ids
}

pub(crate) fn mixed(rows: &[i64], bad: &[i64]) -> Step {
    Step::Mixed(rows.iter().map(|id| (*id, Some(Value::Int(id * 10)))).collect(), bad.to_vec())
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_set_aside_and_counted() {
    // Bad ones alone at the beginning, among others, and alone at the end.
    let steps = vec![mixed(&[], &[1]), mixed(&[2, 3], &[4, 5]), Step::SnapshotEnd, mixed(&[6], &[]), mixed(&[], &[7])];
    let (memory, letters) = (Memory::new(), Letters::default());
    let source = Scripted::new([("t", steps)]);
    let report = run(&source, memory.clone(), &letters, SyncMode::Mirror).await;
    assert!(report.succeeded(), "{report:?}");
    assert_eq!((report.tables[0].rows, report.tables[0].dead_letters), (3, 4));
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(2, 20), (3, 30), (6, 60)]));
    assert_eq!(letters.ids(), [1, 4, 5, 7]);
    assert_eq!(counted(&memory, SyncMode::Mirror).await.as_deref(), Some("4"));
    // Nothing is left to do, and the count stays.
    let report = run(&source, memory.clone(), &letters, SyncMode::Mirror).await;
    assert_eq!((report.tables[0].rows, report.tables[0].dead_letters), (0, 0));
    assert_eq!(counted(&memory, SyncMode::Mirror).await.as_deref(), Some("4"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_is_set_aside_wherever_it_stands() {
    for when in [When::AtWrite, When::AtCommit] {
        for mode in [SyncMode::Mirror, SyncMode::Append] {
            for bad in 1..=7 {
                let steps = vec![
                    rows([(1, 10), (2, 20), (3, 30)]),
                    Step::SnapshotEnd,
                    rows([(4, 40), (5, 50)]),
                    Step::Rows(vec![(6, Some(Value::Column("late", 6))), (7, None)]),
                ];
                let (memory, letters) = (Memory::new(), Letters::default());
                let refusing = Refusing::new(memory.clone(), [bad], when);
                let report = run(&Scripted::new([("t", steps)]), refusing, &letters, mode).await;
                assert!(report.succeeded(), "{when:?} {mode} {bad}: {report:?}");
                let expected: BTreeMap<i64, i64> = (1..=5).filter(|id| *id != bad).map(|id| (id, id * 10)).collect();
                assert_eq!(ints(&memory, "t", "value"), expected, "{when:?} {mode} {bad}");
                assert_eq!(report.tables[0].dead_letters, 1);
                assert_eq!(counted(&memory, mode).await.as_deref(), Some("1"));
                let [letter] = &letters.all()[..] else { panic!("{letters:?}") };
                assert_eq!((id_of(letter), letter.rejected.form), (bad, RawForm::Row));
                assert_eq!(letter.rejected.error, "The row is refused");
                let (raw, op) = match bad {
                    1..=3 => (format!(r#"{{"id":{{"N":"{bad}"}},"value":{{"N":"{bad}0"}}}}"#), Op::Snapshot),
                    6 => (r#"{"id":{"N":"6"},"late":{"N":"6"}}"#.to_owned(), Op::Modify),
                    7 => (r#"{"id":{"N":"7"}}"#.to_owned(), Op::Remove),
                    _ => (format!(r#"{{"id":{{"N":"{bad}"}},"value":{{"N":"{bad}0"}}}}"#), Op::Modify),
                };
                assert_eq!((str::from_utf8(&letter.rejected.raw).unwrap(), letter.rejected.op), (&*raw, Some(op)));
                if mode == SyncMode::Append {
                    assert_eq!(memory.rows("t").unwrap().len(), 6);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_set_of_refused_rows_is_told_from_the_others() {
    for set in 0..1_i64 << 6 {
        let is_bad = |id: &i64| set >> (id - 1) & 1 == 1;
        let steps = vec![rows([(1, 10), (2, 20)]), Step::SnapshotEnd, mixed(&[3, 4], &[9]), rows([(5, 50), (6, 60)])];
        let (memory, letters) = (Memory::new(), Letters::default());
        let refusing = Refusing::new(memory.clone(), (1..=6).filter(is_bad), When::AtCommit);
        let report = run(&Scripted::new([("t", steps)]), refusing, &letters, SyncMode::Append).await;
        assert!(report.succeeded(), "{set:b}: {report:?}");
        let (bad, good): (Vec<i64>, Vec<i64>) = (1..=6).partition(is_bad);
        assert_eq!(letters.ids(), [&bad[..], &[9]].concat(), "{set:b}");
        let found = if good.is_empty() { BTreeMap::new() } else { ints(&memory, "t", "value") };
        assert_eq!(found.into_keys().collect::<Vec<_>>(), good, "{set:b}");
        assert_eq!(report.tables[0].dead_letters, letters.ids().len() as u64);
    }
}

fn script() -> Vec<Step> {
    vec![mixed(&[1, 2], &[11]), Step::SnapshotEnd, mixed(&[3], &[]), mixed(&[4, 5], &[12]), mixed(&[6], &[])]
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_of_the_destination_loses_and_doubles_no_row_and_no_letter() {
    for when in [When::AtWrite, When::AtCommit] {
        let mut failures = 0;
        for at in 0.. {
            let (memory, letters) = (Memory::new(), Letters::default());
            let faulty = Faulty::new(&memory, at);
            let refusing = Refusing::new(faulty.clone(), [2, 5], when);
            let report = run(&Scripted::new([("t", script())]), refusing, &letters, SyncMode::Append).await;
            assert!(report.succeeded(), "{at}: {report:?}");
            assert_eq!(ints(&memory, "t", "value").into_keys().collect::<Vec<_>>(), [1, 3, 4, 6], "{at}");
            assert_eq!(memory.rows("t").unwrap().len(), 4, "{at}");
            assert_eq!(letters.ids(), [2, 5, 11, 12], "{at}");
            assert_eq!(counted(&memory, SyncMode::Append).await.as_deref(), Some("4"), "{at}");
            if !faulty.has_failed() {
                break;
            }
            failures += 1;
        }
        assert!(failures > 20, "only {failures} places were tried");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_for_letters_loses_and_doubles_nothing() {
    let mut failures = 0;
    for at in 0.. {
        let (memory, letters) = (Memory::new(), Letters::failing_at(at));
        let refusing = Refusing::new(memory.clone(), [2, 5], When::AtCommit);
        let report = run(&Scripted::new([("t", script())]), refusing, &letters, SyncMode::Append).await;
        assert!(report.succeeded(), "{at}: {report:?}");
        assert_eq!(memory.rows("t").unwrap().len(), 4, "{at}");
        let looks = pipeline(&Scripted::new([("t", script())]), memory.clone(), &letters, SyncMode::Append);
        assert_eq!(listed(&looks, &letters).await, [2, 5, 11, 12], "{at}");
        assert_eq!(counted(&memory, SyncMode::Append).await.as_deref(), Some("4"), "{at}");
        if !letters.has_failed() {
            break;
        }
        failures += 1;
    }
    assert!(failures >= 4, "only {failures} places were tried");
}

fn is_empty(memory: &Memory) -> bool {
    memory.rows("t").is_none_or(|rows| rows.is_empty())
}

fn failure(report: &RunReport) -> String {
    let TableOutcome::Failed(error) = &report.tables[0].outcome else { panic!("{report:?}") };
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    error.report()
}

#[tokio::test(start_paused = true)]
async fn the_default_is_to_stop_the_table() {
    let memory = Memory::new();
    let refusing = Refusing::new(memory.clone(), [2], When::AtCommit);
    let source = Scripted::new([("t", vec![rows([(1, 10), (2, 20)])])]);
    let pipeline = crate::runs::pipeline(&source, Arc::new(refusing), options(SyncMode::Mirror));
    let report = pipeline.run(&CancellationToken::new()).await.unwrap();
    assert_eq!(failure(&report), "The row is refused");
    assert!(is_empty(&memory));
}

#[tokio::test(start_paused = true)]
async fn a_place_for_letters_is_asked_for_before_anything_begins() {
    let source = Scripted::new([("t", vec![rows([(1, 10)])])]);
    let pipeline = crate::runs::pipeline(&source, Arc::new(Memory::new()), setting_aside(SyncMode::Mirror));
    let error = pipeline.run(&CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("dead letters") && error.to_string().contains("table: t"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn too_many_refused_rows_stop_the_table_and_write_nothing() {
    let (memory, letters) = (Memory::new(), Letters::default());
    let refusing = Refusing::new(memory.clone(), 0..1500, When::AtWrite);
    let source = Scripted::new([("t", vec![rows((0..2000).map(|id| (id, id)))])]);
    let said = failure(&run(&source, refusing, &letters, SyncMode::Mirror).await);
    assert!(said.contains("too many rows") && said.contains("limit: 1000"), "{said}");
    assert!(said.contains("The row is refused"), "{said}");
    assert!(is_empty(&memory) && letters.ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rows_that_no_rehearsal_refuses_stop_the_table() {
    let (memory, letters) = (Memory::new(), Letters::default());
    let refusing = Refusing::new(memory.clone(), [2], When::OnlyAtCommit);
    let source = Scripted::new([("t", vec![rows([(1, 10), (2, 20)])])]);
    let said = failure(&run(&source, refusing, &letters, SyncMode::Mirror).await);
    assert!(said.contains("none of them alone"), "{said}");
    assert!(is_empty(&memory) && letters.ids().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_source_cannot_tell_apart_stops_the_table_at_once() {
    let (memory, letters) = (Memory::new(), Letters::default());
    let source = Scripted::new([("t", vec![rows([(1, 10)]), Step::Fail(ErrorKind::DataInvalid), rows([(2, 20)])])]);
    let report = run(&source, memory.clone(), &letters, SyncMode::Mirror).await;
    assert_eq!(failure(&report), "As the script says");
    assert_eq!(ints(&memory, "t", "value"), BTreeMap::from([(1, 10)]));
}
