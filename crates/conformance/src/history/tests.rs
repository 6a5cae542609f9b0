use commutator_core::SyncMode;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::*;
use crate::Model;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The source's own end state and the order rule agree, however snapshot and stream are mixed.
    #[test]
    fn the_model_gives_what_the_source_holds(script in script(true, false)) {
        let history = History::of(&script);
        let mut model = Model::new(SyncMode::Mirror);
        let last = history.epochs.len() - 1;
        for (n, feeds) in history.epochs.iter().enumerate() {
            let mut feeds: Vec<_> = feeds.values().map(|feed| feed.changes.iter()).collect();
            let mut picks = script.picks.iter().cycle();
            while !feeds.is_empty() {
                let pick = picks.next().unwrap();
                let chosen = usize::from(pick.partition) % feeds.len();
                match feeds[chosen].next() {
                    Some(change) => model.apply(change),
                    None => drop(feeds.remove(chosen)),
                }
            }
            if n == last {
                model.end_snapshot(Epoch(u32::try_from(n).unwrap() + 1));
            }
        }
        let held: BTreeMap<_, _> = model.rows().into_iter().map(|row| (row.key, row.item)).collect();
        prop_assert_eq!(held, history.truth);
    }
}

#[test]
fn scripts_reach_what_they_are_for() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut resyncs, mut removals, mut returns) = (0, 0, 0);
    for _ in 0..300 {
        let history = History::of(&script(true, true).new_tree(&mut runner).unwrap().current());
        let changes: Vec<_> = history.epochs.iter().flat_map(BTreeMap::values).flat_map(|feed| &feed.changes).collect();
        resyncs += history.epochs.len() - 1;
        removals += changes.iter().filter(|change| change.op.0.is_removal()).count();
        let seen = |change: &&&Change| {
            changes.iter().any(|other| other.op.0.is_removal() && other.key == change.key && other.order < change.order)
        };
        returns += changes.iter().filter(seen).count();
    }
    assert!(resyncs > 100 && removals > 500 && returns > 500, "{resyncs} {removals} {returns}");
}
