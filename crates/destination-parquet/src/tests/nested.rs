//! Native columns whose form grows half-way: within a transaction, between commits, beside a compaction, and by another session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use commutator_core::schema::{conform, plan};
use commutator_core::{
    ChangeBatch, Column, Destination as _, Epoch, LogicalType, Op, OrderKey, Progress, Session, SyncMode, TableSchema,
    Target,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::rows::target;
use super::small_sizes::SMALL;
use crate::chain;
use crate::client::Store;
use crate::compact::Compaction;
use crate::config::Config;
use crate::destination::Parquet;
use crate::folder::Folder;
use crate::manifest::Manifest;

const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

struct Place {
    parquet: Parquet,
    folder: Folder,
    target: Target,
    session: Box<dyn Session>,
    sequence: u64,
}

impl Place {
    async fn open(mode: SyncMode) -> Self {
        Self::open_as(mode, &Config::new("memory://")).await
    }

    async fn open_as(mode: SyncMode, config: &Config) -> Self {
        let store = Store::open(config, None).unwrap();
        let parquet = Parquet::new(store.clone(), config.settings(), SMALL);
        let target = Target { mode, ..target() };
        let session = parquet.open(&target).await.unwrap();
        Self { folder: Folder::new(&store, &target.name), parquet, target, session, sequence: 0 }
    }

    /// Commits batches of documents by their keys, each batch on its own, and the end of the snapshot.
    async fn commit(&mut self, native: bool, batches: &[&[(i64, &str)]], ended: bool) {
        let column = Column { native, ..Column::new("doc", LogicalType::Json) };
        let schema = Arc::new(TableSchema::new(vec![Column::key("id", LogicalType::Int64), column]).unwrap());
        let plan = plan(self.session.describe().await.unwrap().as_ref(), &schema).unwrap();
        if !plan.is_empty() {
            self.session.evolve(&plan).await.unwrap();
        }
        let table = Arc::new(plan.result);
        let mut checkpoint = self.session.checkpoint().clone();
        let snapshot = !checkpoint.snapshot_ended();
        checkpoint.advance(&Progress { snapshot_ended: ended, ..Progress::default() }).unwrap();
        let mut transaction = self.session.begin().await.unwrap();
        for rows in batches {
            self.sequence += 1;
            let (op, order) = if snapshot {
                (Op::Snapshot, OrderKey::snapshot(Epoch::FIRST))
            } else {
                (Op::Modify, OrderKey::new(Epoch::FIRST, self.sequence.into()))
            };
            let ids: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
            let docs: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>());
            let count = rows.len();
            let rows = RecordBatch::try_new(schema.to_arrow(), vec![ids, docs]).unwrap();
            let times = vec![None; count];
            let batch = ChangeBatch::new(Arc::clone(&schema), rows, vec![op; count], vec![order; count], times);
            transaction.write(&conform(&batch.unwrap(), &table).unwrap()).await.unwrap();
        }
        if ended {
            transaction.end_snapshot(Epoch::FIRST).await.unwrap();
        }
        transaction.commit(&checkpoint).await.unwrap();
    }

    async fn manifest(&self) -> Manifest {
        chain::newest(&self.folder).await.unwrap().unwrap()
    }

    /// The newest documents by their keys.
    async fn documents(&self) -> BTreeMap<i64, String> {
        let (_, rows) = self.parquet.table(&self.target).await.unwrap().unwrap();
        let ids = rows.column_by_name("id").unwrap().as_primitive::<arrow_array::types::Int64Type>().clone();
        let orders = rows.column_by_name("_ct_order").unwrap().as_string::<i32>().clone();
        let docs = rows.column_by_name("doc").unwrap().as_string::<i32>();
        let mut found: BTreeMap<i64, (String, String)> = BTreeMap::new();
        for row in 0..rows.num_rows() {
            let version = (orders.value(row).to_owned(), docs.value(row).to_owned());
            let newest = found.entry(ids.value(row)).or_default();
            *newest = std::mem::take(newest).max(version);
        }
        found.into_iter().map(|(id, (_, doc))| (id, doc)).collect()
    }

    /// The type that each visible file has for the documents.
    async fn types(&self) -> Vec<DataType> {
        let mut types = Vec::new();
        for file in self.manifest().await.files {
            let bytes = self.folder.get(&file.name).await.unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            types.push(reader.schema().field_with_name("doc").unwrap().data_type().clone());
        }
        types
    }

    /// Every file has the form that the manifest says, which is this one.
    async fn assert_form(&self, form: &str) {
        let manifest = self.manifest().await;
        let (number, _) = manifest.schema().unwrap();
        let has: Vec<_> = manifest.table_forms().values().map(ToString::to_string).collect();
        assert_eq!(has, [form], "{}", self.target.mode);
        assert!(manifest.files.iter().all(|file| file.schema == number), "{}", self.target.mode);
        let types = self.types().await;
        assert!(types.iter().all(|ty| *ty == types[0]), "{types:?}");
        assert_eq!(matches!(types[0], DataType::Utf8), form == "json");
    }

    /// What the changes of columns say became of the documents.
    async fn changes(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in self.folder.list("_commutator/evolution", "").await.unwrap() {
            let text = self.folder.get(&entry.name).await.unwrap();
            lines.extend(
                String::from_utf8(text.to_vec()).unwrap().lines().map(|line| (entry.name.clone(), line.to_owned())),
            );
        }
        lines.sort();
        let docs = lines.into_iter().filter(|(_, line)| line.contains(r#""column":"doc""#));
        docs.map(|(_, line)| line.split_once(r#""column":"doc","#).unwrap().1.to_owned()).collect()
    }
}

#[tokio::test]
async fn a_form_grows_within_a_transaction_and_between_them() {
    for mode in MODES {
        let mut place = Place::open(mode).await;
        let first: &[&[(i64, &str)]] =
            &[&[(1, r#"{"a":1}"#), (2, r#"{"a":2}"#)], &[(3, r#"{"a":1.5}"#)], &[(4, r#"{"a":4,"b":[true]}"#)]];
        place.commit(true, first, false).await;
        place.commit(true, &[&[(5, r#"{"a":5,"b":[]}"#)]], false).await;
        place.commit(true, &[&[(6, r#"{"a":6,"b":[null,false]}"#)]], true).await;
        place.assert_form("struct(a decimal(20,1), b list(bool))").await;
        // Another session knows it from the manifest.
        place.session = place.parquet.open(&place.target).await.unwrap();
        place.commit(true, &[&[(1, r#"{"a":7}"#)]], false).await;
        place.assert_form("struct(a decimal(20,1), b list(bool))").await;
        place.commit(true, &[&[(2, r#"{"a":"x"}"#)], &[(7, r#"{"a":{},"b":[true]}"#)]], false).await;
        place.assert_form("struct(a json, b list(bool))").await;
        let expected = BTreeMap::from(
            [
                (1, r#"{"a":7}"#),
                (2, r#"{"a":"x"}"#),
                (3, r#"{"a":1.5}"#),
                (4, r#"{"a":4,"b":[true]}"#),
                (5, r#"{"a":5,"b":[]}"#),
                (6, r#"{"a":6,"b":[null,false]}"#),
                (7, r#"{"a":{},"b":[true]}"#),
            ]
            .map(|(id, doc)| (id, doc.to_owned())),
        );
        assert_eq!(place.documents().await, expected, "{mode}");
        place.parquet.compact(&place.target, Compaction::default()).await.unwrap();
        place.assert_form("struct(a json, b list(bool))").await;
        place.commit(true, &[&[(8, r#"{"a":1,"c":""}"#)]], false).await;
        place.assert_form("struct(a json, b list(bool), c text)").await;
        place.commit(true, &[&[(9, "[]")]], false).await;
        place.assert_form("json").await;
        let documents = place.documents().await;
        assert_eq!(documents.len(), 9, "{mode}");
        assert!(expected.iter().all(|(id, doc)| documents[id] == *doc), "{mode} {documents:?}");
        assert_eq!(documents[&9], "[]");
        let changes = place.changes().await;
        assert!(changes[0].starts_with(r#""to":"struct(a decimal(20,1), b list(bool))""#), "{changes:?}");
        let last = changes.last().unwrap();
        assert_eq!(last, r#""from":"struct(a json, b list(bool), c text)","to":"json"}"#, "{changes:?}");
    }
}

#[tokio::test]
async fn a_table_in_its_first_load_becomes_one_dataset_by_a_compaction() {
    let mut place = Place::open(SyncMode::Append).await;
    place.commit(true, &[&[(1, r#"{"a":1}"#)]], false).await;
    place.commit(true, &[&[(2, r#"{"a":1.5}"#)]], false).await;
    let manifest = place.manifest().await;
    assert_eq!((manifest.files.len(), manifest.forms.len()), (2, 2));
    place.parquet.compact(&place.target, Compaction::default()).await.unwrap();
    place.assert_form("struct(a decimal(20,1))").await;
    place.commit(true, &[&[(3, r#"{"a":"x"}"#)]], true).await;
    place.assert_form("struct(a json)").await;
    assert_eq!(place.documents().await[&2], r#"{"a":1.5}"#);
}

#[tokio::test]
async fn a_form_that_was_not_committed_is_forgotten() {
    for mode in MODES {
        let mut place = Place::open(mode).await;
        place.commit(true, &[&[(1, r#"{"a":1}"#)]], true).await;
        let before = place.manifest().await;
        {
            let schema = Arc::new(place.session.describe().await.unwrap().unwrap());
            let docs: ArrayRef = Arc::new(StringArray::from(vec!["[1]"]));
            let rows = RecordBatch::try_new(schema.to_arrow(), vec![Arc::new(Int64Array::from(vec![2])), docs]);
            let order = OrderKey::new(Epoch::FIRST, 9.into());
            let batch = ChangeBatch::new(schema, rows.unwrap(), vec![Op::Insert], vec![order], vec![None]).unwrap();
            place.session.begin().await.unwrap().write(&batch).await.unwrap();
        }
        place.commit(true, &[&[(1, r#"{"a":2}"#)]], false).await;
        place.assert_form("struct(a int64)").await;
        assert_eq!(place.manifest().await.schemas, before.schemas, "{mode}");
    }
}

#[tokio::test]
async fn a_column_stays_what_it_was_born_as() {
    for (born, later, form) in [(true, false, Some("struct(a int64)")), (false, true, None)] {
        let mut place = Place::open(SyncMode::Mirror).await;
        place.commit(born, &[&[(1, r#"{"a":1}"#)]], true).await;
        place.commit(later, &[&[(2, r#"{"a":2}"#)]], false).await;
        let forms = place.manifest().await.table_forms();
        assert_eq!(forms.get("doc").map(ToString::to_string).as_deref(), form);
        assert_eq!(place.documents().await[&2], r#"{"a":2}"#);
    }
}

#[tokio::test]
async fn only_tables_with_native_columns_have_the_newer_format() {
    for (native, format) in [(true, r#""format":2,"#), (false, r#""format":1,"#)] {
        let mut place = Place::open(SyncMode::Mirror).await;
        place.commit(native, &[&[(1, r#"{"a":1}"#)]], true).await;
        let text = String::from_utf8(place.manifest().await.to_bytes().unwrap().to_vec()).unwrap();
        assert!(text.contains(format), "{text}");
    }
}

#[tokio::test]
async fn small_files_of_one_transaction_have_one_form() {
    let config = Config { file_bytes: 1, ..Config::new("memory://") };
    for ends in [true, false] {
        let mut place = Place::open_as(SyncMode::Append, &config).await;
        if !ends {
            place.commit(true, &[&[(1, r#"{"a":1}"#)]], true).await;
        }
        place.commit(true, &[&[(2, r#"{"a":1}"#)], &[(3, r#"{"a":1.5,"b":"x"}"#)]], ends).await;
        let files = place.manifest().await.files;
        let schemas: BTreeSet<_> = files.iter().map(|file| file.schema).collect();
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        assert_eq!((schemas.len(), rows), (1, if ends { 2 } else { 3 }), "{files:?}");
        assert!(files.len() > 1, "the rows went into one file, so nothing is shown");
    }
}
