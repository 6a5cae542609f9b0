//! Letters whose commit never happens: whatever fails, and whoever comes in between, they count for nothing.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use commutator_core::{DEAD_LETTERS_FACT, Destination as _, ErrorKind, SyncMode};
use commutator_destination_memory::Memory;
use commutator_pipeline::{CancellationToken, Pipeline, RunReport, TableOutcome};

use crate::bad_records::{checkpoint, counted, listed, mixed, pipeline, run};
use crate::faults::Faulty;
use crate::letter_store::Letters;
use crate::refusing::{Refusing, When};
use crate::scripted::{Scripted, Step, description};

const MODE: SyncMode = SyncMode::Append;

fn script() -> Scripted {
    let steps = vec![mixed(&[1, 2], &[11, 12]), Step::SnapshotEnd, mixed(&[3], &[13]), mixed(&[4, 5], &[14])];
    Scripted::new([("t", steps)])
}

/// How often each id is in the table, which shows what was written twice.
fn times(memory: &Memory) -> BTreeMap<i64, usize> {
    let mut times = BTreeMap::new();
    if let Some(rows) = memory.rows("t") {
        for id in rows.rows().column_by_name("id").unwrap().as_primitive::<Int64Type>().values() {
            *times.entry(*id).or_default() += 1;
        }
    }
    times
}

fn once(ids: &[i64]) -> BTreeMap<i64, usize> {
    ids.iter().map(|id| (*id, 1)).collect()
}

fn fenced(report: &RunReport) -> bool {
    matches!(&report.tables[0].outcome, TableOutcome::Failed(error) if error.kind() == ErrorKind::Fenced)
}

/// The letters that are listed are those that the checkpoint counts.
async fn lists_what_is_counted(looks: &Pipeline, memory: &Memory, letters: &Letters, at: u32) {
    let peeked = memory.peek(&looks.target(&description("t"))).await.unwrap();
    let count = peeked.and_then(|peeked| peeked.fact(DEAD_LETTERS_FACT).map(|count| count.parse().unwrap()));
    assert_eq!(listed(looks, letters).await.len(), count.unwrap_or(0), "{at}");
}

/// The record goes through the next time, replays come at the worst moments, and still each is there once.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_of_the_destination_leaves_nothing_that_counts() {
    for when in [When::AtWrite, When::AtCommit] {
        let (mut crashes, mut leftovers, mut unconfirmed) = (0, 0, 0);
        for at in 0.. {
            let (source, memory, letters) = (script(), Memory::new(), Letters::default());
            let deadly = Faulty::deadly(&memory, at);
            let died = run(&source, Refusing::new(deadly.clone(), [2, 5], when), &letters, MODE).await;
            assert_eq!(died.succeeded(), !deadly.has_failed(), "{at}: {died:?}");
            let healthy = pipeline(&source, memory.clone(), &letters, MODE);
            lists_what_is_counted(&healthy, &memory, &letters, at).await;
            let before = listed(&healthy, &letters).await.len();
            leftovers += usize::from(letters.ids().len() == before && !letters.pending().is_empty());
            unconfirmed += usize::from(letters.ids().len() < before);
            let replayed = healthy.replay(None).await.unwrap();
            assert!(replayed.succeeded(), "{at}: {replayed:?}");
            assert_eq!(replayed.tables.iter().map(|table| table.replayed).sum::<u64>(), before as u64, "{at}");
            assert!(healthy.run(&CancellationToken::new()).await.unwrap().succeeded(), "{at}");
            lists_what_is_counted(&healthy, &memory, &letters, at).await;
            assert!(healthy.replay(None).await.unwrap().succeeded());
            assert_eq!(times(&memory), once(&[1, 2, 3, 4, 5, 11, 12, 13, 14]), "{when:?} {at}");
            assert_eq!(counted(&memory, MODE).await.as_deref(), Some("0"), "{at}");
            assert!(letters.ids().is_empty());
            if !deadly.has_failed() {
                break;
            }
            crashes += 1;
        }
        assert!(crashes > 20 && leftovers > 0 && unconfirmed > 0, "{crashes} {leftovers} {unconfirmed}");
    }
}

/// The run is killed in a call for letters: before and after a put, before and after it is confirmed.
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_call_for_letters_leaves_nothing_that_counts() {
    let mut crashes = 0;
    for at in 0.. {
        let (source, memory, letters) = (script(), Memory::new(), Letters::default());
        let (stuck, gate) = letters.waiting_at(at);
        let mut running = tokio::spawn({
            let pipeline = pipeline(&source, memory.clone(), &stuck, MODE);
            async move { pipeline.run(&CancellationToken::new()).await.unwrap() }
        });
        let reached = tokio::select! {
            () = gate.reached.notified() => true,
            report = &mut running => { assert!(report.unwrap().succeeded()); false }
        };
        running.abort();
        let healthy = pipeline(&source, memory.clone(), &letters, MODE);
        lists_what_is_counted(&healthy, &memory, &letters, at).await;
        assert!(healthy.replay(None).await.unwrap().succeeded());
        assert!(healthy.run(&CancellationToken::new()).await.unwrap().succeeded(), "{at}");
        assert!(healthy.replay(None).await.unwrap().succeeded());
        assert_eq!(times(&memory), once(&[1, 2, 3, 4, 5, 11, 12, 13, 14]), "{at}");
        assert_eq!(counted(&memory, MODE).await.as_deref(), Some("0"), "{at}");
        assert!(letters.ids().is_empty() && letters.pending().is_empty(), "leftovers are swept: {at}");
        if !reached {
            break;
        }
        crashes += 1;
    }
    assert!(crashes >= 6, "only {crashes} places were tried");
}

/// One runner is held up in a call for letters while another takes over, goes to the end, and its letters are replayed.
#[tokio::test(start_paused = true)]
async fn a_runner_that_was_fenced_in_any_call_for_letters_adds_none_and_takes_none() {
    let mut fences = 0;
    for at in 0.. {
        let (source, memory, letters) = (script(), Memory::new(), Letters::default());
        let (held_up, gate) = letters.waiting_at(at);
        let mut first = tokio::spawn({
            let pipeline = pipeline(&source, memory.clone(), &held_up, MODE);
            async move { pipeline.run(&CancellationToken::new()).await.unwrap() }
        });
        tokio::select! {
            () = gate.reached.notified() => {}
            report = &mut first => { assert!(report.unwrap().succeeded()); break; }
        }
        let second = pipeline(&source, memory.clone(), &letters, MODE);
        assert!(second.run(&CancellationToken::new()).await.unwrap().succeeded(), "{at}");
        let halfway = at % 2 == 0;
        if halfway {
            assert!(second.replay(None).await.unwrap().succeeded());
        }
        gate.goes_on.notify_one();
        let report = first.await.unwrap();
        // In its last calls it has nothing left to commit.
        assert!(fenced(&report) || report.succeeded(), "{at}: {report:?}");
        fences += usize::from(fenced(&report));
        lists_what_is_counted(&second, &memory, &letters, at).await;
        let left = if halfway { vec![] } else { vec![11, 12, 13, 14] };
        assert_eq!(listed(&second, &letters).await, left, "{at}");
        assert!(second.replay(None).await.unwrap().succeeded());
        assert_eq!(times(&memory), once(&[1, 2, 3, 4, 5, 11, 12, 13, 14]), "{at}");
        assert_eq!(counted(&memory, MODE).await.as_deref(), Some("0"), "{at}");
    }
    assert!(fences >= 4, "only {fences} runners were fenced");
}

/// A crash, then a resync by hand or one that repairs a gap: the letters of each epoch count, and only those that were committed.
#[tokio::test(start_paused = true)]
async fn a_resync_after_a_crash_counts_what_it_sets_aside_itself() {
    let (mut crashes, mut asked, mut gaps) = (0, 0, 0);
    for at in 0.. {
        let steps = vec![mixed(&[1], &[11]), Step::SnapshotEnd, mixed(&[2], &[12]), Step::Gap, mixed(&[3], &[13])];
        let (source, memory, letters) = (Scripted::new([("t", steps)]), Memory::new(), Letters::default());
        let deadly = Faulty::deadly(&memory, at);
        assert_eq!(run(&source, deadly.clone(), &letters, MODE).await.succeeded(), !deadly.has_failed(), "{at}");
        let healthy = pipeline(&source, memory.clone(), &letters, MODE);
        asked += u32::from(healthy.resync(&description("t")).await.is_ok());
        lists_what_is_counted(&healthy, &memory, &letters, at).await;
        assert!(healthy.run(&CancellationToken::new()).await.unwrap().succeeded(), "{at}");
        lists_what_is_counted(&healthy, &memory, &letters, at).await;
        assert!(healthy.replay(None).await.unwrap().succeeded(), "{at}");
        // After a gap the script is read from its beginning.
        let repaired = checkpoint(&memory, MODE).await.gaps().count;
        let ids = [1, 2, 11, 12].map(|id| (id, 1 + usize::try_from(repaired).unwrap()));
        assert_eq!(times(&memory), ids.into_iter().chain([(3, 1), (13, 1)]).collect(), "{at}");
        assert!(letters.ids().is_empty());
        gaps += repaired;
        if !deadly.has_failed() {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 10 && asked > 5 && gaps > 5, "{crashes} {asked} {gaps}");
}

/// One runner is held up after its commit, another between its put and its commit: what the first one still does leaves that put alone.
#[tokio::test(start_paused = true)]
async fn a_runner_that_is_late_takes_no_letter_of_its_successor() {
    let (source, memory, letters) = (script(), Memory::new(), Letters::default());
    let start = |letters: &Letters| {
        let pipeline = pipeline(&source, memory.clone(), letters, MODE);
        tokio::spawn(async move { pipeline.run(&CancellationToken::new()).await.unwrap() })
    };
    // Two calls put, and the third is about to confirm.
    let (first, first_gate) = letters.waiting_at(2);
    let first = start(&first);
    first_gate.reached.notified().await;
    assert_eq!((letters.ids(), letters.pending().len()), (vec![], 1));
    // Four calls confirm what the first committed, when the table is opened and before the put, which ends with the sixth.
    let (second, second_gate) = letters.waiting_at(5);
    let second = start(&second);
    second_gate.reached.notified().await;
    let [put] = letters.pending()[..] else { panic!("{letters:?}") };
    first_gate.goes_on.notify_one();
    tokio::task::yield_now().await;
    assert!(fenced(&first.await.unwrap()));
    assert!(letters.pending().contains(&put), "the successor's put is gone");
    second_gate.goes_on.notify_one();
    assert!(second.await.unwrap().succeeded());
    let looks = pipeline(&source, memory.clone(), &letters, MODE);
    assert_eq!(listed(&looks, &letters).await, [11, 12, 13, 14]);
    lists_what_is_counted(&looks, &memory, &letters, 0).await;
}
