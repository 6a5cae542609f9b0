use super::*;

const ARN: &str = "arn:now";
const HOUR: i64 = 3_600_000;

fn shards(ids: &[&str]) -> Vec<Shard> {
    ids.iter().map(|&id| Shard { id: id.to_owned(), parent: None }).collect()
}

fn at(order: &str) -> Position {
    Position::At(commutator_core::Offset { order: order.to_owned(), resume: None })
}

/// A checkpoint of the first epoch, whose snapshot began at 0.
fn checkpoint(facts: &[(&str, &str)], positions: &[(&str, Position)]) -> Checkpoint {
    let mut progress = Progress::default();
    for (name, value) in [(facts::SNAPSHOT_EPOCH, "1"), (facts::SNAPSHOT_STARTED_AT, "0"), (facts::CHANGES_SINCE, "0")]
        .iter()
        .chain(facts)
    {
        progress.facts.insert((*name).to_owned(), (*value).to_owned());
    }
    for (id, position) in positions {
        progress.spans.insert(shard_partition(id), Span { from: None, to: position.clone() });
    }
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&progress).unwrap();
    checkpoint
}

/// Applies what is sent first, and fails if the positions that are returned differ from the checkpoint's.
fn applied(mut checkpoint: Checkpoint, beginning: Beginning) -> Checkpoint {
    let Beginning::Go { first, positions } = beginning else { panic!("{beginning:?}") };
    for progress in &first {
        checkpoint.advance(progress).unwrap();
    }
    assert_eq!(positions_in(&checkpoint), positions);
    checkpoint
}

fn gap(beginning: Beginning) -> Gap {
    match beginning {
        Beginning::Lost(gap) => gap,
        Beginning::Go { .. } => panic!("{beginning:?}"),
    }
}

#[test]
fn a_new_table_puts_every_listed_shard_at_its_start() {
    let empty = Checkpoint::default();
    let after = applied(empty.clone(), begin(&empty, true, ARN, &shards(&["a", "b"]), 99 * HOUR).unwrap());
    assert_eq!(after.fact(facts::STREAM_ARN), Some(ARN));
    assert_eq!(
        positions_in(&after),
        BTreeMap::from([("a".to_owned(), Position::Start), ("b".to_owned(), Position::Start)])
    );
}

#[test]
fn a_shard_whose_parent_is_not_listed_waits_for_later_listings() {
    let empty = Checkpoint::default();
    let child = |id: &str, parent: &str| Shard { id: id.to_owned(), parent: Some(parent.to_owned()) };
    let listed = [child("b", "late"), child("c", "b")];
    let after = applied(empty.clone(), begin(&empty, true, ARN, &listed, 99 * HOUR).unwrap());
    assert_eq!(positions_in(&after), BTreeMap::new(), "its children wait, too");
}

#[test]
fn a_table_that_goes_on_stands_where_it_stood() {
    let before = checkpoint(&[(facts::STREAM_ARN, ARN)], &[("a", at("1")), ("b", Position::End)]);
    let after = applied(before.clone(), begin(&before, false, ARN, &shards(&["a", "b", "c"]), HOUR).unwrap());
    assert_eq!(after, before, "shards that are new are left to the first listing of the run");
}

#[test]
fn a_replaced_stream_is_a_gap_that_names_both() {
    let before = checkpoint(&[(facts::STREAM_ARN, "arn:before")], &[("a", at("1")), ("b", Position::End)]);
    let gap = gap(begin(&before, false, ARN, &shards(&["a"]), HOUR).unwrap());
    assert!(gap.reason.contains("arn:before") && gap.reason.contains(ARN), "{}", gap.reason);
    assert_eq!(gap.partitions, [shard_partition("a")]);
    assert_eq!(gap.facts, [facts::STREAM_ARN, facts::CAUGHT_UP_AT, facts::CHANGES_SINCE]);
    assert_eq!(gap.noticed_at, HOUR);
}

#[test]
fn a_stream_that_was_not_read_for_a_day_is_a_gap() {
    let positions = [("a", at("1"))];
    let before = checkpoint(&[(facts::STREAM_ARN, ARN)], &positions);
    assert!(gap(begin(&before, false, ARN, &shards(&["a"]), 30 * HOUR).unwrap()).reason.contains("30 hours ago"));
    let caught_up = (8 * HOUR).to_string();
    let recent = checkpoint(&[(facts::STREAM_ARN, ARN), (facts::CAUGHT_UP_AT, &caught_up)], &positions);
    applied(recent.clone(), begin(&recent, false, ARN, &shards(&["a"]), 30 * HOUR).unwrap());
}

#[test]
fn after_a_snapshot_alone_the_stream_is_taken_up_if_it_was_on_and_is_young_enough() {
    let with = checkpoint(&[(facts::STREAM_ARN, ARN)], &[]);
    let after = applied(with.clone(), begin(&with, false, ARN, &shards(&["a"]), HOUR).unwrap());
    assert_eq!(after.position(&shard_partition("a")), Some(&Position::Start));
    gap(begin(&with, false, ARN, &shards(&["a"]), 24 * HOUR).unwrap());
    let without = checkpoint(&[], &[]);
    assert!(gap(begin(&without, false, ARN, &shards(&["a"]), HOUR).unwrap()).reason.contains("was off"));
}

#[test]
fn an_epoch_that_begins_keeps_what_is_listed_or_ended_and_closes_the_rest() {
    let before = checkpoint(
        &[(facts::STREAM_ARN, ARN)],
        &[("a", at("1")), ("b", Position::End), ("gone", at("5")), ("past", Position::End)],
    )
    .next_epoch(|_| true);
    let after = applied(before.clone(), begin(&before, true, ARN, &shards(&["a", "b", "c"]), 99 * HOUR).unwrap());
    // "past" can be listed late: forgotten, it would be read again, and bring old rows back.
    let expected = [("a", at("1")), ("b", Position::End), ("c", Position::Start), ("past", Position::End)];
    assert_eq!(positions_in(&after), expected.map(|(id, p)| (id.to_owned(), p)).into());
}

#[test]
fn an_epoch_that_begins_on_another_stream_starts_even_shards_of_the_same_name_anew() {
    let before = checkpoint(&[(facts::STREAM_ARN, "arn:before")], &[("a", at("1"))]).next_epoch(|_| true);
    let after = applied(before.clone(), begin(&before, true, ARN, &shards(&["a"]), 99 * HOUR).unwrap());
    assert_eq!(after.position(&shard_partition("a")), Some(&Position::Start));
    assert_eq!(after.fact(facts::STREAM_ARN), Some(ARN));
}

#[test]
fn changes_are_wanted_since_the_first_snapshot_for_as_long_as_all_of_the_stream_goes_on() {
    let caught_up = (9 * HOUR).to_string();
    let facts = [(facts::STREAM_ARN, ARN), (facts::CHANGES_SINCE, "5"), (facts::CAUGHT_UP_AT, &caught_up)];
    let read = checkpoint(&facts, &[("a", at("1"))]);
    let since = |checkpoint: &Checkpoint, arn: &str, listed: &[Shard], now_ms: i64| {
        changes_since(checkpoint, arn, listed, now_ms).unwrap()
    };
    let (asked, now, listed) = (read.hand_over(), 10 * HOUR, shards(&["a", "b"]));
    assert_eq!(since(&asked, ARN, &listed, now), 5);
    assert_eq!(since(&asked, "arn:another", &listed, now), now, "another stream");
    assert_eq!(since(&asked, ARN, &shards(&["b"]), now), now, "a shard vanished");
    let orphan = Shard { id: "c".to_owned(), parent: Some("b".to_owned()) };
    assert_eq!(since(&asked, ARN, &[shards(&["a"]), vec![orphan]].concat(), now), now, "a parent was never seen");
    assert_eq!(since(&asked, ARN, &listed, 33 * HOUR), 33 * HOUR, "some of it can have been trimmed");
    assert_eq!(since(&Checkpoint::default(), ARN, &listed, now), now);
    let lost = gap(begin(&read, false, ARN, &listed, 40 * HOUR).unwrap());
    assert_eq!(since(&read.after_gap(&lost), ARN, &listed, 40 * HOUR), 40 * HOUR);
}
