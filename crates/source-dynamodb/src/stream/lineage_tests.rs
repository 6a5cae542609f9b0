use super::*;

use proptest::prelude::*;

fn shard(id: &str, parent: Option<&str>) -> Shard {
    Shard { id: id.to_owned(), parent: parent.map(str::to_owned) }
}

fn known(states: &[(&str, Known)]) -> BTreeMap<String, Known> {
    states.iter().map(|&(id, state)| (id.to_owned(), state)).collect()
}

fn ids(set: &BTreeSet<String>) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}

#[test]
fn a_child_waits_for_its_parent() {
    let listed = [shard("a", None), shard("b", Some("a")), shard("c", Some("b"))];
    let fresh = lineage(&listed, &known(&[]));
    assert_eq!((ids(&fresh.ready), ids(&fresh.waiting)), (vec!["a"], vec!["b", "c"]));
    let later = lineage(&listed, &known(&[("a", Known::Ended), ("b", Known::Unfinished)]));
    assert_eq!((ids(&later.ready), ids(&later.waiting)), (vec!["b"], vec!["c"]));
}

#[test]
fn a_parent_that_nobody_knows_makes_an_orphan_unless_something_explains_it() {
    let listed = [shard("b", Some("a"))];
    assert_eq!(ids(&lineage(&listed, &known(&[])).orphans), ["b"]);
    assert_eq!(ids(&lineage(&listed, &known(&[("b", Known::Unfinished)])).ready), ["b"], "it was accepted before");
    let listed = [shard("b", Some("a")), shard("c", Some("b"))];
    assert_eq!(ids(&lineage(&listed, &known(&[("c", Known::Unfinished)])).ready), ["b"], "its child was read before");
}

#[test]
fn what_is_not_listed_any_more_is_forgotten_only_when_nothing_needs_it() {
    let ended = known(&[("a", Known::Ended)]);
    assert_eq!(ids(&lineage(&[shard("a", None)], &ended).forgettable), Vec::<&str>::new());
    assert_eq!(ids(&lineage(&[shard("b", Some("a"))], &ended).forgettable), Vec::<&str>::new(), "b is not known yet");
    let both = known(&[("a", Known::Ended), ("b", Known::Unfinished)]);
    assert_eq!(ids(&lineage(&[shard("b", Some("a"))], &both).forgettable), ["a"]);
    assert_eq!(ids(&lineage(&[], &both).vanished), ["b"]);
}

/// Every universe of four shards: each has no parent, or one of the earlier ones; each is listed or not, and known in one of three ways.
#[test]
fn the_rules_hold_in_every_small_universe() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let mut universes = 0_u32;
    for code in 0..(2 * 3 * 4 * 6_u32.pow(4)) {
        let (mut rest, mut listed, mut states) = (code, Vec::new(), BTreeMap::new());
        for (i, name) in NAMES.iter().enumerate() {
            let choices = u32::try_from(i).unwrap() + 1;
            let parent = (rest % choices).checked_sub(1).map(|p| NAMES[p as usize]);
            rest /= choices;
            if rest % 2 == 1 {
                listed.push(shard(name, parent));
            }
            rest /= 2;
            match rest % 3 {
                1 => drop(states.insert((*name).to_owned(), Known::Unfinished)),
                2 => drop(states.insert((*name).to_owned(), Known::Ended)),
                _ => {}
            }
            rest /= 3;
        }
        check(&listed, &states);
        universes += 1;
    }
    assert_eq!(universes, 31_104);
}

fn check(listed: &[Shard], known: &BTreeMap<String, Known>) {
    let found = lineage(listed, known);
    let is_listed = |id: &str| listed.iter().any(|s| s.id == id);
    let unfinished = |id: &str| known.get(id) != Some(&Known::Ended);
    for s in listed {
        let sets = [&found.ready, &found.waiting, &found.orphans];
        let count = sets.iter().filter(|set| set.contains(&s.id)).count();
        assert_eq!(count, usize::from(unfinished(&s.id)), "{listed:?} {known:?}: each unfinished shard is in one set");
        if found.ready.contains(&s.id)
            && let Some(parent) = &s.parent
        {
            assert!(
                !(is_listed(parent) && unfinished(parent)) && known.get(parent) != Some(&Known::Unfinished),
                "{listed:?} {known:?}: a parent comes before its child"
            );
        }
    }
    let left = listed.iter().any(|s| unfinished(&s.id));
    let stuck = found.ready.is_empty() && found.orphans.is_empty() && found.vanished.is_empty();
    assert!(!(left && stuck), "{listed:?} {known:?}: nobody waits for ever");
    for id in &found.forgettable {
        assert!(!is_listed(id) && known[id] == Known::Ended);
        assert!(listed.iter().all(|s| s.parent.as_ref() != Some(id) || known.contains_key(&s.id)));
    }
    for (id, state) in known {
        assert_eq!(found.vanished.contains(id), *state == Known::Unfinished && !is_listed(id), "{listed:?} {known:?}");
    }
    // Forgetting makes no shard an orphan, a waiting one or a new one.
    let mut after = known.clone();
    after.retain(|id, _| !found.forgettable.contains(id));
    let again = lineage(listed, &after);
    assert_eq!(
        (again.ready, again.waiting, again.orphans),
        (found.ready, found.waiting, found.orphans),
        "{listed:?} {known:?}"
    );
}

proptest! {
    /// Whatever order ready shards are finished in, every shard is read, and each after its parent.
    #[test]
    fn every_forest_is_read_in_an_order_that_its_lineage_allows(
        parents in proptest::collection::vec(any::<prop::sample::Index>(), 1..30),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 30),
    ) {
        let listed: Vec<Shard> = parents
            .iter()
            .enumerate()
            .map(|(i, parent)| {
                let parent = parent.index(i + 1);
                Shard { id: format!("{i:02}"), parent: (parent < i).then(|| format!("{parent:02}")) }
            })
            .collect();
        let mut known = BTreeMap::new();
        for pick in picks.iter().take(listed.len()) {
            let ready: Vec<String> = lineage(&listed, &known).ready.into_iter().collect();
            prop_assert!(!ready.is_empty());
            let id = &ready[pick.index(ready.len())];
            let parent = listed.iter().find(|s| s.id == *id).unwrap().parent.as_ref();
            prop_assert!(parent.is_none_or(|parent| known.get(parent) == Some(&Known::Ended)));
            known.insert(id.clone(), Known::Ended);
        }
        prop_assert_eq!(known.len(), listed.len());
    }
}

#[test]
fn a_parent_made_lately_may_only_be_listed_late() {
    const HOUR: i64 = 3_600_000;
    let made_at = |hour: i64| format!("shardId-{:020}-1f2e3d4c", hour * HOUR);
    let listed = |parent: &str| [shard("b", Some(parent)), shard("c", Some("b"))];
    assert!(parents_are_old(&listed(&made_at(10)), 37 * HOUR));
    assert!(!parents_are_old(&listed(&made_at(10)), 35 * HOUR));
    assert!(parents_are_old(&listed("of another form"), 0));
    assert!(parents_are_old(&[shard("b", None)], 0));
}
