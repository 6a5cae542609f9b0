//! Native columns as `DuckDB` and pyarrow see them through a plain glob: structs and lists, also after their form grew.

use std::sync::Arc;

use commutator_core::{ChangeBatch, Column, LogicalType, Op, OrderKey, SyncMode, TableSchema};
use serde_json::{Value as Json, json};

use crate::readers::{ENGINES, Seen, python, read};
use crate::table::{SNAPSHOT, Writer, at, batch, connect, snapshot, target};

const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

pub(crate) fn documents(rows: &[(Op, OrderKey, i64, &str)]) -> ChangeBatch {
    let column = Column { native: true, ..Column::new("doc", LogicalType::Json) };
    let schema = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64), column]).unwrap());
    let rows: Vec<_> =
        rows.iter().map(|(op, order, id, doc)| (*op, *order, vec![(*id).into(), (*doc).into()])).collect();
    batch(&schema, &rows)
}

/// The documents in the order of their keys.
fn docs(seen: &Seen) -> Vec<Json> {
    seen.pick(["id", "doc"]).into_iter().map(|[_, doc]| doc).collect()
}

#[tokio::test]
async fn maps_and_lists_are_structs_and_lists_also_after_they_grew() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let parquet = connect(folder.path()).await;
    for mode in MODES {
        let target = target(mode.as_str(), mode);
        let place = folder.path().join(&target.name);
        let mut writer = Writer::open(&parquet, &target).await;
        let rows = [
            (SNAPSHOT, snapshot(), 1, r#"{"name":"a","geo":{"lat":51.5},"tags":["x",null],"open":true}"#),
            (SNAPSHOT, snapshot(), 2, r#"{"name":"b","tags":[],"open":false}"#),
        ];
        writer.commit_last(Some(&documents(&rows))).await.unwrap();
        let types = [
            ("duckdb", "STRUCT(geo STRUCT(lat DECIMAL(3,1)), \"name\" VARCHAR, open BOOLEAN, tags VARCHAR[])"),
            (
                "pyarrow",
                "struct<geo: struct<lat: decimal128(3, 1)>, name: string, open: bool, tags: list<element: string>>",
            ),
        ];
        for engine in ENGINES {
            let seen = read(&python, engine, &place);
            let expected = [
                json!({"name": "a", "geo": {"lat": "51.5"}, "tags": ["x", null], "open": true}),
                json!({"name": "b", "geo": null, "tags": [], "open": false}),
            ];
            assert_eq!(docs(&seen), expected, "{mode} {engine}");
            let ty = types.iter().find(|(name, _)| *name == engine).map_or(types[0].1, |(_, ty)| ty);
            assert_eq!(seen.ty("doc"), ty, "{mode} {engine}");
        }

        // A number with more digits, a member that is new, and one that is of another kind.
        let grown = r#"{"name":7,"geo":{"lat":1.25,"lon":-9007199254740993},"tags":["y"],"open":true}"#;
        writer.commit(&documents(&[(Op::Insert, at(5), 3, grown)])).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &place);
            let expected = [
                json!({"name": "\"a\"", "geo": {"lat": "51.50", "lon": null}, "tags": ["x", null], "open": true}),
                json!({"name": "\"b\"", "geo": null, "tags": [], "open": false}),
                json!({"name": "7", "geo": {"lat": "1.25", "lon": "-9007199254740993"}, "tags": ["y"], "open": true}),
            ];
            assert_eq!(docs(&seen), expected, "{mode} {engine}");
        }

        // What agrees with nothing before is JSON as a whole.
        writer.commit(&documents(&[(Op::Insert, at(6), 4, "[1.0]")])).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &place);
            let docs = docs(&seen);
            assert_eq!(docs[3], json!("[1.0]"), "{mode} {engine}");
            let geo = r#"{"geo":{"lat":1.25,"lon":-9007199254740993},"name":7,"open":true,"tags":["y"]}"#;
            assert_eq!(docs[2], json!(geo), "{mode} {engine}");
            assert!(matches!(seen.ty("doc"), "JSON" | "string"), "{mode} {engine}");
        }
    }
}

#[tokio::test]
async fn every_leaf_arrives_exactly() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let doc = r#"{"":0}"#;
    let rows = [(
        SNAPSHOT,
        snapshot(),
        1,
        r#"{"int":-9223372036854775808,"long":99999999999999999999999999999999999999,"small":0.00000000000000000000000000000000000001,"text":"ä\u0000\"z","Straße \"x\".a=b":[[1],[]],"items":[{"sku":"a","n":1},{"sku":"b"}],"empty":{},"none":null,"huge":1e99,"list":[1,"x"],"upper":{"A":1,"a":2}}"#,
    )];
    let parquet = connect(folder.path()).await;
    for mode in MODES {
        let target = target(mode.as_str(), mode);
        let mut writer = Writer::open(&parquet, &target).await;
        writer.commit_last(Some(&documents(&rows))).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &folder.path().join(&target.name));
            let expected = json!({
                "int": "-9223372036854775808",
                "long": "99999999999999999999999999999999999999",
                "small": "0.00000000000000000000000000000000000001",
                "text": "ä\0\"z",
                "Straße \"x\".a=b": [["1"], []],
                "items": [{"sku": "a", "n": "1"}, {"sku": "b", "n": null}],
                // These stay JSON text.
                "empty": "{}",
                "none": "null",
                "huge": "1e99",
                "list": ["1", "\"x\""],
                "upper": r#"{"A":1,"a":2}"#,
            });
            assert_eq!(seen.pick(["doc"]), [[expected]], "{mode} {engine}");
        }
    }
    // A name that no member may have makes the whole map JSON.
    let target = target("names", SyncMode::Mirror);
    let mut writer = Writer::open(&parquet, &target).await;
    writer.commit_last(Some(&documents(&[(SNAPSHOT, snapshot(), 1, doc)]))).await.unwrap();
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("names"));
        assert_eq!(seen.pick(["doc"]), [[json!(doc)]], "{engine}");
    }
}

#[tokio::test]
async fn the_view_of_current_rows_has_structs_and_lists() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let parquet = connect(folder.path()).await;
    let target = target("orders", SyncMode::Append);
    let mut writer = Writer::open(&parquet, &target).await;
    writer.commit_last(Some(&documents(&[(SNAPSHOT, snapshot(), 1, r#"{"a":1}"#)]))).await.unwrap();
    writer.commit(&documents(&[(Op::Modify, at(5), 1, r#"{"a":1.5,"b":[2]}"#)])).await.unwrap();
    let seen = read(&python, "view", &folder.path().join("orders"));
    assert_eq!(seen.pick(["doc"]), [[json!({"a": "1.5", "b": ["2"]})]]);
    assert_eq!(seen.ty("doc"), "STRUCT(a DECIMAL(20,1), b BIGINT[])");
}
