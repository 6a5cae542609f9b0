//! What `plan --sql` shows is what is sent: the statements that the warehouse got are compared with it.

use std::collections::BTreeSet;

use commutator_conformance::sql::{Table, item, put, remove, seen, target};
use commutator_conformance::{Change, Value};
use commutator_core::schema::plan;
use commutator_core::{
    CommitOutline, Destination as _, Epoch, Op, OrderKey, SchemaPlan, SyncMode, TableSchema, Target,
};
use commutator_warehouse::{Loader, Randomness};

use crate::place::Place;

const TOKEN: u128 = 0x1234_5678;

fn shown(outline: &CommitOutline) -> BTreeSet<String> {
    let statements = outline.statements.iter().filter(|statement| !statement.is_comment());
    statements.map(|statement| plain(&statement.text)).collect()
}

/// Takes out of a statement what is shown for one run and is another's own: owner, token, checkpoint, and where files are.
fn plain(statement: &str) -> String {
    let tokens = [TOKEN, TOKEN + 1].map(|token| format!("{token:032x}"));
    let statement = tokens.iter().fold(statement.to_owned(), |it, token| it.replace(token, "…"));
    if let Some((before, _)) = statement.split_once(" FROM read_") {
        return before.to_owned();
    }
    let statement = ["owner = 2", "owner = 3"].iter().fold(statement, |it, owner| it.replace(owner, "owner = 1"));
    let Some((before, rest)) = statement.split_once("content = '") else { return statement };
    let (_, after) = rest.rsplit_once("' WHERE").unwrap_or(("", ""));
    format!("{before}content = '…' WHERE{after}")
}

fn schema(price: &str, more: bool) -> TableSchema {
    let mut attributes = vec![("price", Value::number(price)), ("name", Value::text("x"))];
    attributes.extend(more.then_some(("more", Value::Bool(true))));
    let item = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let change = Change::new(vec![Value::int(1)], OrderKey::snapshot(Epoch(1)), Op::Snapshot, item);
    commutator_conformance::batch(&target("t").keys, &[change]).unwrap().schema().as_ref().clone()
}

#[tokio::test]
async fn what_is_shown_is_what_is_sent() {
    for (place, apart) in [(Place::plain as fn() -> Place, false), (Place::apart, true)] {
        for mode in [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append] {
            for filtered in [false, true] {
                let place = place();
                let target = Target { mode, filtered, ..target("t") };
                live(&place, &target).await;
                let sent: BTreeSet<String> = place.duck.sent().iter().map(|sent| plain(sent)).collect();

                let loader = place.loader();
                let (first, second) = (schema("1", false), schema("1.5", true));
                let plans: [SchemaPlan; 2] = [plan(None, &first).unwrap(), plan(Some(&first), &second).unwrap()];
                let shown: BTreeSet<String> =
                    plans.iter().flat_map(|plan| shown(&loader.outline(&target, plan))).collect();

                let what = format!("apart: {apart}, {mode}, filtered: {filtered}");
                let unseen: Vec<_> = sent.difference(&shown).collect();
                assert!(unseen.is_empty(), "{what}: sent and not shown: {unseen:#?}");
                // A checkpoint is never that long here, and the key keeps its type.
                let rare = ["part = 'checkpoint' AND piece >= 1", "'checkpoint', 1, '…'"];
                let unsent: Vec<_> = shown
                    .difference(&sent)
                    .filter(|statement| !rare.iter().any(|rare| statement.contains(rare)))
                    .collect();
                assert!(unsent.is_empty(), "{what}: shown and not sent: {unsent:#?}");
            }
        }
    }
}

#[tokio::test]
async fn a_change_of_the_mode_is_shown_as_it_is_sent() {
    for place in [Place::plain(), Place::apart()] {
        let mut table = Table::try_open(&first(&place), target("t")).await.unwrap();
        let of = |price: &str| [("price", Value::number(price)), ("name", Value::text("x"))];
        table.commit(&[seen(1, of("1")), seen(2, of("2"))]).await;
        table.commit(&[remove(2, 3)]).await;
        drop(table);
        let (target, columns) = (Target { mode: SyncMode::SoftDelete, ..target("t") }, schema("1", false));
        let change = place.loader().preview_mode(&target).await.unwrap();
        let change: BTreeSet<String> = change.iter().map(|statement| plain(statement)).collect();
        let before = place.duck.sent().len();
        let loader = place.loader().with_randomness(Randomness::from_fn(|| TOKEN + 1));
        Table::try_open(&loader, target.clone()).await.unwrap();
        let sent: BTreeSet<String> = place.duck.sent()[before..].iter().map(|sent| plain(sent)).collect();
        let unsent: Vec<_> = change.difference(&sent).collect();
        assert!(unsent.is_empty(), "shown and not sent: {unsent:#?}");
        let opening = shown(&loader.outline(&target, &plan(Some(&columns), &columns).unwrap()));
        let unseen: Vec<_> = sent.iter().filter(|sent| !change.contains(*sent) && !opening.contains(*sent)).collect();
        assert!(unseen.is_empty(), "sent and not shown: {unseen:#?}");
        assert!(change.iter().any(|it| it.contains("mode = 'soft_delete'")), "{change:#?}");
    }
}

/// Connects as whoever opens a table first: the number of its owner comes of the clock.
fn first(place: &Place) -> Loader {
    let early = place.loader().with_clock(|| std::time::UNIX_EPOCH + std::time::Duration::from_micros(1));
    early.with_randomness(Randomness::from_fn(|| TOKEN))
}

/// A table's life in which everything happens that depends on something.
async fn live(place: &Place, target: &Target) {
    let of = |price: &str| [("price", Value::number(price)), ("name", Value::text("x"))];
    let mut table = Table::try_open(&first(place), target.clone()).await.unwrap();
    table.commit(&[seen(1, of("1")), seen(2, of("2"))]).await;
    table.commit(&[remove(2, 3)]).await;
    table.commit(&[remove(1, 4), put(3, 5, of("1"))]).await;
    table.commit(&[put(3, 6, of("2"))]).await;
    let more = [("price", Value::number("1.5")), ("name", Value::text("x")), ("more", Value::Bool(true))];
    table.commit(&[put(3, 7, more)]).await;
    table.commit(&[remove(3, 8), put(4, 9, of("1.5"))]).await;
    table.end_snapshot().await;
    table.commit(&[remove(4, 10), put(5, 11, of("1.5"))]).await;
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = Change::new(vec![Value::int(5)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item(of("2.5")));
    table.try_commit_all(&[&[again]], true).await.unwrap();
    drop(table);
    // Another owner, who made up another token.
    let other = place.loader().with_randomness(Randomness::from_fn(|| TOKEN + 1));
    Table::try_open(&other, target.clone()).await.unwrap();
}
