use proptest::prelude::*;

use super::*;

fn at(n: u32) -> Position {
    Position::At(Offset { order: format!("{n:04}"), resume: None })
}

fn part(name: &str) -> PartitionId {
    PartitionId::new(name)
}

#[test]
fn a_span_moves_a_partition_only_from_where_it_stands() {
    let positions = [None, Some(Position::Start), Some(at(1)), Some(at(2)), Some(Position::End)];
    for stands in &positions {
        for from in &positions {
            for to in positions.iter().flatten() {
                let mut checkpoint = Checkpoint::default();
                if let Some(position) = stands {
                    checkpoint.advance(&Progress::of(part("a"), None, position.clone())).unwrap();
                }
                let before = checkpoint.clone();
                let result = checkpoint.advance(&Progress::of(part("a"), from.clone(), to.clone()));
                let follows = stands == from && from.as_ref().is_none_or(|f| f <= to);
                assert_eq!(result.is_ok(), follows, "{stands:?} {from:?} {to:?}");
                if follows {
                    assert_eq!(checkpoint.position(&part("a")), Some(to));
                } else {
                    assert_eq!(checkpoint, before);
                }
            }
        }
    }
}

#[test]
fn advance_is_all_or_nothing() {
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&Progress::of(part("b"), None, at(5))).unwrap();
    let before = checkpoint.clone();
    let mut progress = Progress::of(part("a"), None, at(1));
    progress.spans.insert(part("b"), Span { from: Some(at(4)), to: at(6) });
    progress.facts.insert("arn".into(), "x".into());
    let error = checkpoint.advance(&progress).unwrap_err();
    assert_eq!(error.context()[0], ("partition", "b".to_owned()));
    assert_eq!(checkpoint, before);
}

#[test]
fn only_ended_partitions_are_forgotten() {
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&Progress::of(part("a"), None, at(1))).unwrap();
    let forget = Progress { forget: BTreeSet::from([part("a")]), ..Progress::default() };
    assert!(checkpoint.advance(&forget).is_err());
    checkpoint.advance(&Progress::of(part("a"), Some(at(1)), Position::End)).unwrap();
    checkpoint.advance(&forget).unwrap();
    assert_eq!(checkpoint.position(&part("a")), None);
}

#[test]
fn the_next_epoch_reads_anew_and_keeps_what_it_is_told() {
    let mut checkpoint = Checkpoint::default();
    let mut progress = Progress::of(part("shard"), None, at(7));
    progress.spans.insert(part("segment"), Span { from: None, to: Position::End });
    progress.snapshot_ended = true;
    checkpoint.advance(&progress).unwrap();
    let next = checkpoint.next_epoch(|p| p.as_str() == "shard");
    assert_eq!((next.epoch(), next.snapshot_ended()), (Epoch(2), false));
    assert_eq!(next.position(&part("shard")), Some(&at(7)));
    assert_eq!(next.position(&part("segment")), None);
}

#[test]
fn a_table_is_loaded_once_any_snapshot_was_complete() {
    let mut checkpoint = Checkpoint::default();
    let gap = Gap { reason: "trimmed".to_owned(), partitions: Vec::new(), facts: Vec::new(), noticed_at: 1 };
    assert!(!checkpoint.was_loaded() && !checkpoint.after_gap(&gap).was_loaded());
    checkpoint.advance(&Progress { snapshot_ended: true, ..Progress::default() }).unwrap();
    assert!(checkpoint.was_loaded());
    let again = checkpoint.next_epoch(|_| true).after_gap(&gap);
    assert!(again.was_loaded() && !again.snapshot_ended());
    let read: Checkpoint = serde_json::from_str(&serde_json::to_string(&again).unwrap()).unwrap();
    assert_eq!(read, again);
}

#[test]
fn json_round_trips_and_is_stable() {
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&Progress::of(part("a"), None, at(1))).unwrap();
    let text = serde_json::to_string(&checkpoint).unwrap();
    assert_eq!(
        text,
        r#"{"epoch":1,"snapshot_ended":false,"facts":{},"names":{},"partitions":{"a":{"at":{"order":"0001"}}}}"#
    );
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), checkpoint);
}

fn any_position() -> impl Strategy<Value = Position> {
    prop_oneof![1 => Just(Position::Start), 6 => (0..20_u32).prop_map(at), 1 => Just(Position::End)]
}

/// Batches that follow each other: for each, the partitions it reads and how far.
fn any_reading() -> impl Strategy<Value = Vec<Progress>> {
    let spans = prop::collection::btree_map("[a-c]", any_position(), 0..3);
    prop::collection::vec((spans, any::<bool>()), 0..12).prop_map(|drawn| {
        let mut stands: BTreeMap<PartitionId, Position> = BTreeMap::new();
        let mut reading = Vec::new();
        for (spans, snapshot_ended) in drawn {
            let mut progress = Progress { snapshot_ended, ..Progress::default() };
            for (name, to) in spans {
                let from = stands.get(&part(&name)).cloned();
                if from.as_ref().is_none_or(|from| *from <= to) {
                    stands.insert(part(&name), to.clone());
                    progress.spans.insert(part(&name), Span { from, to });
                }
            }
            reading.push(progress);
        }
        reading
    })
}

proptest! {
    #[test]
    fn a_checkpoint_follows_a_reading_and_takes_nothing_twice(reading in any_reading()) {
        let mut checkpoint = Checkpoint::default();
        for progress in &reading {
            let before = checkpoint.clone();
            checkpoint.advance(progress).unwrap();
            for (partition, position) in before.partitions() {
                prop_assert!(checkpoint.position(partition) >= Some(position));
            }
            prop_assert!(checkpoint.snapshot_ended() >= before.snapshot_ended());
            // The same batch again does not follow, unless it read nothing.
            let moved = progress.spans.values().any(|span| span.from.as_ref() != Some(&span.to));
            let after = checkpoint.clone();
            prop_assert_eq!(checkpoint.advance(progress).is_err(), moved);
            prop_assert_eq!(&checkpoint, &after);
        }
        let ends: BTreeMap<_, _> = reading.iter().flat_map(|progress| &progress.spans).map(|(p, span)| (p.clone(), span.to.clone())).collect();
        prop_assert_eq!(checkpoint.partitions(), &ends);
        let text = serde_json::to_string(&checkpoint).unwrap();
        prop_assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), checkpoint);
    }

    #[test]
    fn batches_of_different_partitions_may_come_in_any_order(a in any_position(), b in any_position()) {
        let (a, b) = (Progress::of(part("a"), None, a), Progress::of(part("b"), None, b));
        let advanced = |order: [&Progress; 2]| {
            let mut checkpoint = Checkpoint::default();
            for progress in order {
                checkpoint.advance(progress).unwrap();
            }
            checkpoint
        };
        prop_assert_eq!(advanced([&a, &b]), advanced([&b, &a]));
    }
}

#[test]
fn an_epoch_that_no_table_reaches_is_refused() {
    for epoch in ["0", "4294967295", "4294967296", "-1"] {
        let error = serde_json::from_str::<Checkpoint>(&format!(r#"{{"epoch":{epoch}}}"#)).unwrap_err();
        assert!(!error.to_string().is_empty(), "{epoch}");
    }
    let last: Checkpoint = serde_json::from_str(r#"{"epoch":4294967294}"#).unwrap();
    assert_eq!(last.next_epoch(|_| true).epoch(), Epoch(u32::MAX));
}

#[test]
fn a_gap_is_remembered_across_epochs_and_in_the_stored_form() {
    let mut read = Checkpoint::default();
    read.advance(&Progress {
        facts: BTreeMap::from([("lost".to_owned(), "1".to_owned()), ("kept".to_owned(), "2".to_owned())]),
        snapshot_ended: true,
        ..Progress::of(PartitionId::new("a"), None, Position::Start)
    })
    .unwrap();
    read.advance(&Progress::of(PartitionId::new("b"), None, Position::Start)).unwrap();
    let gap = |reason: &str, noticed_at| Gap {
        reason: reason.to_owned(),
        partitions: vec![PartitionId::new("a")],
        facts: vec!["lost".to_owned()],
        noticed_at,
    };
    let once = read.after_gap(&gap("first", 7));
    assert_eq!((once.epoch(), once.snapshot_ended()), (Epoch(2), false));
    assert_eq!((once.fact("lost"), once.fact("kept")), (None, Some("2")));
    assert_eq!(once.partitions().keys().map(PartitionId::as_str).collect::<Vec<_>>(), ["b"]);
    let twice = once.after_gap(&gap("second", 9));
    let last = twice.gaps().last.as_ref().unwrap();
    assert_eq!((twice.gaps().count, last.reason.as_str(), last.noticed_at, last.epoch), (2, "second", 9, Epoch(3)));
    let later = twice.next_epoch(|_| true);
    assert_eq!(later.gaps(), twice.gaps());
    let text = serde_json::to_string(&later).unwrap();
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), later);
}

#[test]
fn a_table_is_handed_over_whole_until_it_is_taken_up() {
    let mut read = Checkpoint::default();
    read.advance(&Progress { snapshot_ended: true, ..Progress::of(PartitionId::new("a"), None, Position::End) })
        .unwrap();
    let text = serde_json::to_string(&read).unwrap();
    assert!(!text.contains("handed_over") && !text.contains("gaps"), "{text}");
    let asked = read.hand_over();
    assert_eq!((asked.epoch(), asked.snapshot_ended(), asked.is_handed_over()), (Epoch(2), false, true));
    assert_eq!(asked.partitions(), read.partitions());
    let text = serde_json::to_string(&asked).unwrap();
    assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), asked);
    assert_eq!(asked.hand_over().epoch(), Epoch(3), "asking again asks for a further epoch");
    assert!(!asked.next_epoch(|_| true).is_handed_over(), "who repairs a gap goes on himself");
    let mut taken = asked.clone();
    taken.take_up();
    assert!(!taken.is_handed_over());
    assert_eq!(taken.hand_over(), asked.hand_over());
}
