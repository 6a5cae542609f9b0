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
