use super::*;

use commutator_core::Offset;

fn shard(id: &str, parent: Option<&str>) -> Shard {
    Shard { id: id.to_owned(), parent: parent.map(str::to_owned) }
}

fn at(order: &str) -> Position {
    Position::At(Offset { order: order.to_owned(), resume: None })
}

fn started(shards: &mut Shards) -> Vec<String> {
    shards.start().into_iter().map(|shard| shard.id).collect()
}

fn at_tip(since: Instant, ms: i64) -> Tip {
    let mut tip = Tip::new(None);
    for _ in 0..super::super::tip::EMPTY_PAGES {
        tip.empty_page(since, ms);
    }
    tip
}

#[test]
fn a_child_starts_when_its_parents_end_was_sent_and_takes_over_its_watermark() {
    let mut shards = Shards::new(BTreeMap::new(), Some(100));
    let listed = vec![shard("a", None), shard("b", Some("a"))];
    assert_eq!(shards.list(listed, false).new, ["a", "b"]);
    assert_eq!(started(&mut shards), ["a"]);
    assert_eq!(started(&mut shards), Vec::<String>::new(), "it is being read already");
    let mut tip = Tip::new(Some(100));
    tip.records(Some(5_000_000));
    shards.read("a", &at("1"), &tip);
    assert_eq!(started(&mut shards), Vec::<String>::new());
    shards.read("a", &Position::End, &tip);
    let child = shards.start().pop().unwrap();
    assert_eq!((child.id.as_str(), child.position, child.watermark_ms), ("b", Position::Start, Some(4_400_000)));
    assert_eq!(shards.covered_until(), Some(4_400_000));
}

#[test]
fn while_no_child_of_an_ended_shard_is_listed_what_is_covered_does_not_move_on() {
    let now = Instant::now();
    let mut shards = Shards::new(BTreeMap::new(), Some(100));
    shards.list(vec![shard("a", None), shard("q", None)], false);
    started(&mut shards);
    shards.read("a", &Position::End, &Tip::new(Some(200)));
    shards.read("q", &Position::Start, &at_tip(now, 900));
    assert!(shards.any_childless_end());
    assert_eq!(shards.covered_until(), Some(200), "a child of a may have changes from 200 on");
    shards.list(vec![shard("a", None), shard("q", None), shard("b", Some("a"))], false);
    started(&mut shards);
    shards.read("b", &Position::Start, &at_tip(now, 800));
    assert_eq!(shards.covered_until(), Some(800));
    assert!(shards.all_read(Some(now)));
}

#[test]
fn an_unread_shard_keeps_the_stream_from_being_read() {
    let mut shards = Shards::new(BTreeMap::new(), None);
    assert!(shards.all_read(None), "there is nothing to read");
    shards.list(vec![shard("a", None), shard("b", Some("a"))], false);
    started(&mut shards);
    shards.read("a", &Position::Start, &at_tip(Instant::now(), 0));
    assert!(!shards.all_read(None), "b waits");
    assert_eq!(shards.lag(0).partitions, 1);
}

#[test]
fn orphans_are_registered_only_when_accepted() {
    let mut shards = Shards::new(BTreeMap::from([("x".to_owned(), at("1"))]), Some(0));
    let listed = vec![shard("x", None), shard("b", Some("a"))];
    let seen = shards.list(listed.clone(), false);
    assert_eq!((seen.new, seen.orphans.len()), (vec![], 1));
    assert_eq!(started(&mut shards), ["x"]);
    let seen = shards.list(listed, true);
    assert_eq!((seen.new, seen.orphans.len()), (vec!["b".to_owned()], 0));
    assert_eq!(started(&mut shards), ["b"]);
}

#[test]
fn an_end_is_forgotten_after_several_listings_without_it() {
    let ended = BTreeMap::from([("a".to_owned(), Position::End), ("b".to_owned(), at("1"))]);
    let mut shards = Shards::new(ended, Some(0));
    let (with, without) = (vec![shard("a", None), shard("b", Some("a"))], vec![shard("b", Some("a"))]);
    let few = [&without; ABSENCES as usize - 1];
    for listing in few.iter().chain(&[&with]).chain(&few) {
        assert_eq!(shards.list((*listing).clone(), false).forget, Vec::<String>::new());
    }
    assert_eq!(shards.list(without.clone(), false).forget, ["a"]);
    assert_eq!(shards.list(without, false), Listed::default(), "b stays readable without a");
    assert_eq!(started(&mut shards), ["b"]);
}

#[test]
fn a_listing_that_lacks_an_ended_shard_says_nothing_of_its_children() {
    let mut shards = Shards::new(BTreeMap::from([("a".to_owned(), Position::End)]), Some(0));
    for listing in 1..EXPECTED {
        shards.list(vec![shard("a", None)], false);
        assert!(shards.any_childless_end(), "after listing {listing}");
        shards.list(vec![], false);
        assert!(shards.any_childless_end(), "without it, after listing {listing}");
    }
    shards.list(vec![shard("a", None)], false);
    assert!(!shards.any_childless_end(), "it came and went");
}

#[test]
fn a_shard_that_is_gone_unread_is_reported() {
    let mut shards = Shards::new(BTreeMap::from([("a".to_owned(), at("1"))]), Some(0));
    assert!(shards.list(vec![], true).vanished.contains("a"));
    assert_eq!(shards.unfinished().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn lag_is_the_age_of_the_newest_change_of_the_slowest_shard() {
    let mut shards = Shards::new(BTreeMap::new(), Some(0));
    shards.list(vec![shard("a", None), shard("b", None)], false);
    started(&mut shards);
    let mut tip = Tip::new(Some(0));
    tip.records(Some(700));
    shards.read("a", &at("1"), &tip);
    assert_eq!(shards.lag(1_000).milliseconds, 1_000, "b was not read at all");
    shards.read("b", &Position::Start, &at_tip(Instant::now(), 900));
    assert_eq!(shards.lag(1_000).milliseconds, 300);
    tip.empty_page(Instant::now(), 950);
    shards.read("a", &at("1"), &tip);
    assert_eq!(shards.lag(1_000).milliseconds, 0);
}
