//! What becomes of what Postgres cannot hold.

use commutator_conformance::sql::{Table, at, item, put, seen, target};
use commutator_conformance::{Change, Item, Value};
use commutator_core::{Column, Epoch, ErrorKind, LogicalType, Op, OrderKey, Target};
use commutator_destination_postgres::{Config, NulPolicy};

use crate::server::{Server, fresh};

#[tokio::test]
async fn nul_becomes_a_replacement_character_on_either_way() {
    let Some(server) = fresh("nul_becomes_a_replacement_character_on_either_way") else { return };
    let attributes = [("t", Value::text("a\0b")), ("j", Value::json(r#"{"k\u0000":["\u0000","\\u0000"]}"#))];
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[seen(1, attributes.clone())]).await;
    table.commit(&[put(2, 5, attributes)]).await;
    let rows = server.query("SELECT t, j FROM t").await;
    let expected = [Some("a\u{fffd}b".to_owned()), Some("{\"k\u{fffd}\": [\"\u{fffd}\", \"\\\\u0000\"]}".to_owned())];
    assert_eq!(rows, [expected.clone(), expected]);
}

#[tokio::test]
async fn nul_is_refused_in_keys_and_where_the_user_says_so() {
    let Some(server) = fresh("nul_is_refused_in_keys_and_where_the_user_says_so") else { return };
    let keys = vec![Column::key("id", LogicalType::Text)];
    let mut table = Table::open(&server.postgres().await, Target { keys, ..target("keys") }).await;
    let change = |key: &str| Change::new(vec![Value::text(key)], at(1), Op::Insert, Item::new());
    let error = table.try_commit(&[change("a\0")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert!(error.to_string().contains("column: id") && error.to_string().contains("table: keys"), "{error}");
    table.commit(&[change("a")]).await;

    let strict = Config { nul: NulPolicy::Fail, ..server.config() }.connect().await.unwrap();
    let mut table = Table::try_open(&strict, target("strict")).await.unwrap();
    for value in [Value::text("\0"), Value::json(r#"["\u0000"]"#)] {
        let error = table.try_commit(&[seen(1, [("v", value)])]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
    }
    table.commit(&[seen(1, [("v", Value::json(r#"["\\u0000"]"#))])]).await;
}

/// Characters that do not compress, so that the server cannot make a long key short.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + u8::try_from(state % 90).unwrap())
    };
    (0..length).map(|_| next()).collect()
}

fn two_keys() -> Vec<Column> {
    vec![Column::key("pk", LogicalType::Text), Column::key("sk", LogicalType::Binary)]
}

fn version(pk: &str, sk: &str, order: OrderKey, op: Op, value: Option<i64>) -> Change {
    let item = value.map_or_else(Item::new, |value| item([("v", Value::int(value))]));
    Change::new(vec![Value::text(pk), Value::binary(sk.as_bytes())], order, op, item)
}

async fn contents(server: &Server) -> Vec<(usize, usize, i64)> {
    let rows = server.query("SELECT octet_length(pk), octet_length(sk), v FROM t ORDER BY v").await;
    let number = |cell: &Option<String>| cell.as_ref().unwrap().parse::<i64>().unwrap();
    let size = |cell| usize::try_from(number(cell)).unwrap();
    rows.iter().map(|row| (size(&row[0]), size(&row[1]), number(&row[2]))).collect()
}

#[tokio::test]
async fn the_longest_keys_of_dynamodb_fit() {
    let Some(server) = fresh("the_longest_keys_of_dynamodb_fit") else { return };
    let snapshot = OrderKey::snapshot(Epoch::FIRST);
    let (pk, sk, other) = (noise(1, 2048), noise(2, 1024), noise(3, 1024));
    let mut table = Table::open(&server.postgres().await, Target { keys: two_keys(), ..target("t") }).await;
    let short = |n: i64, order, op, v| version("p", &format!("s{n}"), order, op, v);
    table.commit(&[short(1, snapshot, Op::Snapshot, Some(1)), short(2, snapshot, Op::Snapshot, Some(2))]).await;
    table.commit(&[short(3, at(3), Op::Remove, None)]).await;
    // The first long keys, in one transaction with short ones.
    table
        .commit(&[
            version(&pk, &sk, snapshot, Op::Snapshot, Some(10)),
            version(&pk, &other, at(4), Op::Insert, Some(11)),
            short(1, at(5), Op::Modify, Some(3)),
            short(3, snapshot, Op::Snapshot, Some(99)),
        ])
        .await;
    assert_eq!(contents(&server).await, [(1, 2, 2), (1, 2, 3), (2048, 1024, 10), (2048, 1024, 11)]);
    let mut table = Table::open(&server.postgres().await, Target { keys: two_keys(), ..target("t") }).await;
    table
        .commit(&[
            version(&pk, &sk, at(6), Op::Modify, Some(12)),
            version(&pk, &other, at(7), Op::Remove, None),
            version(&pk, &other, at(2), Op::Modify, Some(99)),
        ])
        .await;
    table
        .commit(&[
            version(&pk, &other, snapshot, Op::Snapshot, Some(99)),
            version(&pk, &sk, at(5), Op::Modify, Some(99)),
        ])
        .await;
    assert_eq!(contents(&server).await, [(1, 2, 2), (1, 2, 3), (2048, 1024, 12)]);
    table.end_snapshot().await;
    table.commit(&[version(&pk, &other, at(9), Op::Insert, Some(13))]).await;
    assert_eq!(contents(&server).await, [(1, 2, 2), (1, 2, 3), (2048, 1024, 12), (2048, 1024, 13)]);
    let key = server
        .query("SELECT count(*) FROM t WHERE _ct_key = sha256(int4send(octet_length(convert_to(pk, 'UTF8'))) || convert_to(pk, 'UTF8') || sk)")
        .await;
    assert_eq!(key[0][0].as_deref(), Some("4"));
}

#[tokio::test]
async fn a_first_load_may_begin_with_long_keys() {
    let Some(server) = fresh("a_first_load_may_begin_with_long_keys") else { return };
    let snapshot = OrderKey::snapshot(Epoch::FIRST);
    let row = |n: u64| {
        let v = i64::try_from(n).unwrap();
        version(&noise(n, 2048), &noise(n + 1, 1024), snapshot, Op::Snapshot, Some(v))
    };
    let mut table = Table::open(&server.postgres().await, Target { keys: two_keys(), ..target("t") }).await;
    table.commit(&[version("a", "b", snapshot, Op::Snapshot, Some(0)), row(1)]).await;
    table.commit(&[row(2), row(1)]).await;
    let sizes: Vec<_> = contents(&server).await.into_iter().map(|(_, _, v)| v).collect();
    assert_eq!(sizes, [0, 1, 2]);
}

#[tokio::test]
async fn more_columns_than_postgres_can_hold_are_a_conflict_that_names_the_way_out() {
    let Some(server) = fresh("more_columns_than_postgres_can_hold_are_a_conflict") else { return };
    let wide = |columns: usize, value: &str| {
        let item = (0..columns).map(|n| (format!("c{n}"), Value::text(value))).collect();
        Change::new(vec![Value::int(1)], at(1), Op::Insert, item)
    };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    let too_many = table.try_commit(&[wide(1_596, "")]).await.unwrap_err();
    // Each value is too short to be stored elsewhere, and together they are more than a page.
    let too_large = table.try_commit(&[wide(1_500, "0123456789")]).await.unwrap_err();
    for error in [too_many, too_large] {
        assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
        assert!(error.to_string().contains("Parquet"), "{error}");
    }
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[wide(1_595, "")]).await;
}

#[tokio::test]
async fn errors_do_not_repeat_values() {
    let Some(server) = fresh("errors_do_not_repeat_values") else { return };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[put(1, 1, [("v", Value::text("fine"))])]).await;
    server
        .execute(
            "ALTER TABLE t ADD CONSTRAINT short CHECK (length(v) < 10);
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN IF NEW.v LIKE '%!' THEN RAISE EXCEPTION 'refused %', NEW.v; END IF; RETURN NEW; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await;
    for value in ["hunter2 is a secret", "hunter2!"] {
        let error = table.try_commit(&[put(2, 2, [("v", Value::text(value))])]).await.unwrap_err();
        let shown = format!("{error:?} {error} {}", error.report());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("sqlstate"), "{shown}");
    }
    table.commit(&[put(2, 2, [("v", Value::text("fine"))])]).await;
}
