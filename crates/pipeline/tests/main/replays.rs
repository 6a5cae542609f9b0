//! Dead letters that are tried again.

use std::collections::BTreeMap;

use commutator_core::{ErrorKind, SyncMode, TableName};
use commutator_destination_memory::Memory;

use crate::bad_records::{checkpoint, counted, listed, pipeline, run};
use crate::letter_store::Letters;
use crate::refusing::{Refusing, When};
use crate::runs::{ints, rows};
use crate::scripted::{Scripted, Step, Value};

const T: &str = "t";

#[tokio::test(start_paused = true)]
async fn a_mirror_gets_the_items_as_they_are_now_and_nothing_comes_back() {
    let bad = Step::Mixed(Vec::new(), vec![1, 2, 3, 4]);
    let steps = vec![rows([(1, 10), (3, 30)]), Step::SnapshotEnd, bad, rows([(4, 44)])];
    let source = Scripted::new([(T, steps)]);
    let (memory, letters) = (Memory::new(), Letters::default());
    assert!(run(&source, memory.clone(), &letters, SyncMode::Mirror).await.succeeded());
    // 1 has an old version, 2 none; 3 is gone; a newer version of 4 has come meanwhile.
    assert_eq!(ints(&memory, T, "value"), BTreeMap::from([(1, 10), (3, 30), (4, 44)]));
    source.items.lock().unwrap().extend([(1, 11), (2, 22), (4, 40)]);
    let before = checkpoint(&memory, SyncMode::Mirror).await;
    let report = pipeline(&source, memory.clone(), &letters, SyncMode::Mirror).replay(None).await.unwrap();
    assert!(report.succeeded(), "{report:?}");
    assert_eq!(report.tables[0].replayed, 4);
    assert_eq!(ints(&memory, T, "value"), BTreeMap::from([(1, 11), (2, 22), (4, 44)]));
    assert_eq!(counted(&memory, SyncMode::Mirror).await.as_deref(), Some("0"));
    let after = checkpoint(&memory, SyncMode::Mirror).await;
    assert_eq!((before.partitions(), before.epoch()), (after.partitions(), after.epoch()));
    assert!(letters.ids().is_empty());
    assert_eq!(letters.replayed.lock().unwrap().len(), 4);
    // Nothing is left, and a run goes on where it stood.
    assert!(
        pipeline(&source, memory.clone(), &letters, SyncMode::Mirror).replay(None).await.unwrap().tables.is_empty()
    );
    assert_eq!(run(&source, memory, &letters, SyncMode::Mirror).await.tables[0].rows, 0);
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_stays_and_is_told() {
    let source = Scripted::new([(T, vec![rows([(1, 10), (2, 20), (3, 30)]), Step::SnapshotEnd])]);
    for when in [When::AtWrite, When::AtCommit] {
        let (memory, letters) = (Memory::new(), Letters::default());
        let refusing = Refusing::new(memory.clone(), [1, 2], when);
        assert!(run(&source, refusing.clone(), &letters, SyncMode::Append).await.succeeded());
        assert_eq!(letters.ids(), [1, 2]);
        refusing.ids.lock().unwrap().remove(&1);
        let again = pipeline(&source, refusing.clone(), &letters, SyncMode::Append);
        let report = again.replay(Some(&TableName::new(T))).await.unwrap();
        assert!(!report.succeeded());
        assert_eq!((report.tables[0].replayed, report.tables[0].failed.len()), (1, 1));
        assert_eq!(report.tables[0].failed[0].1.kind(), ErrorKind::DataInvalid);
        assert_eq!(letters.ids(), [2]);
        assert_eq!(ints(&memory, T, "value"), BTreeMap::from([(1, 10), (3, 30)]));
        assert_eq!(counted(&memory, SyncMode::Append).await.as_deref(), Some("1"));
        refusing.ids.lock().unwrap().clear();
        assert!(again.replay(None).await.unwrap().succeeded());
        assert_eq!(memory.rows(T).unwrap().len(), 3);
        assert_eq!(counted(&memory, SyncMode::Append).await.as_deref(), Some("0"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_dies_anywhere_doubles_nothing() {
    // Two groups: each is written, then put away.
    let ids: Vec<i64> = (1..=150).collect();
    let source =
        Scripted::new([(T, vec![Step::Mixed(vec![(0, Some(Value::Int(0)))], ids.clone()), Step::SnapshotEnd])]);
    let mut failures = 0;
    // The first calls are the run's: it puts and confirms.
    for at in 4.. {
        let (memory, letters) = (Memory::new(), Letters::failing_at(at));
        assert!(run(&source, memory.clone(), &letters, SyncMode::Append).await.succeeded());
        let pipeline = pipeline(&source, memory.clone(), &letters, SyncMode::Append);
        let report = pipeline.replay(None).await.unwrap();
        if !letters.has_failed() {
            assert!(report.succeeded(), "{report:?}");
            break;
        }
        assert!(report.tables[0].error.is_some(), "{report:?}");
        assert!(pipeline.replay(None).await.unwrap().succeeded());
        assert_eq!(memory.rows(T).unwrap().len(), 151, "{at}");
        assert_eq!(letters.replayed.lock().unwrap().len(), 150, "{at}");
        assert_eq!(counted(&memory, SyncMode::Append).await.as_deref(), Some("0"));
        failures += 1;
    }
    assert!(failures >= 4, "only {failures} places were tried");
}

#[tokio::test(start_paused = true)]
async fn letters_of_what_is_not_there_are_told() {
    let (memory, letters) = (Memory::new(), Letters::default());
    let source = Scripted::new([(T, vec![Step::Mixed(Vec::new(), vec![1]), Step::SnapshotEnd])]);
    assert!(run(&source, memory.clone(), &letters, SyncMode::Mirror).await.succeeded());
    // Another destination, and another source.
    let elsewhere = pipeline(&source, Memory::new(), &letters, SyncMode::Mirror).replay(None).await.unwrap();
    assert_eq!(elsewhere.tables[0].error.as_ref().unwrap().kind(), ErrorKind::NotFound);
    let other =
        pipeline(&Scripted::new([("u", vec![])]), memory, &letters, SyncMode::Mirror).replay(None).await.unwrap();
    assert!(!other.succeeded());
    assert_eq!(letters.ids(), [1]);
}

#[tokio::test(start_paused = true)]
async fn files_are_read_one_after_the_other_and_each_twice_at_most() {
    const FILES: u32 = 450;
    // Each is a commit of its own, for what is whole is committed before a failure is looked at.
    let bad = |id| [Step::Mixed(Vec::new(), vec![id]), Step::Fail(ErrorKind::Unavailable)];
    let steps: Vec<_> = (0..i64::from(FILES)).flat_map(bad).collect();
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let (memory, letters) = (Memory::new(), Letters::default());
        let source = Scripted::new([(T, steps.clone())]);
        assert!(run(&source, memory.clone(), &letters, mode).await.succeeded());
        let pipeline = pipeline(&source, memory.clone(), &letters, mode);
        assert_eq!(pipeline.letter_files(None).await.unwrap().len(), FILES as usize);
        assert_eq!(letters.work(), (0, 0), "nothing is read to list the files");
        let report = pipeline.replay(None).await.unwrap();
        assert_eq!((report.succeeded(), report.tables[0].replayed), (true, u64::from(FILES)), "{report:?}");
        assert_eq!(letters.work(), (FILES, FILES));
        assert!(letters.held_at_once() <= 100, "{} letters were held", letters.held_at_once());
        assert!(listed(&pipeline, &letters).await.is_empty());
    }
}
