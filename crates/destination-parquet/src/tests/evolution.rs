//! What is kept of how a table's columns came about, also when the process dies between a commit and its file.

use std::sync::Arc;

use commutator_core::{Destination as _, Epoch, LogicalType, Op, OrderKey};
use object_store::memory::InMemory;

use super::rows::{batch, schema, snapshot_rows, target, transact};
use crate::chain;
use crate::client::Store;
use crate::config::Config;
use crate::destination::Parquet;
use crate::folder::{Folder, HIDDEN};
use crate::sizes::Sizes;

async fn kept(folder: &Folder) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for entry in folder.list(&format!("{HIDDEN}/evolution"), "").await.unwrap() {
        let text = folder.get(&entry.name).await.unwrap();
        kept.push((entry.name, String::from_utf8(text.to_vec()).unwrap()));
    }
    kept.sort();
    kept
}

#[tokio::test]
async fn each_change_of_columns_is_a_file_that_outlives_crashes_and_commits() {
    let store = Store {
        objects: Arc::new(InMemory::new()),
        root: object_store::path::Path::default(),
        label: "memory://".into(),
        local: None,
    };
    let parquet = Parquet::new(store.clone(), Config::new("memory://").settings(), Sizes::default());
    let folder = Folder::new(&store, &target().name);
    let mut session = parquet.open(&target()).await.unwrap();
    transact(&mut session, Some(&snapshot_rows(Epoch::FIRST, &[1])), Some(Epoch::FIRST)).await.unwrap();
    let created = kept(&folder).await;
    assert_eq!(created.len(), 1);
    assert!(created[0].0.ends_with("/00000000000000000002.jsonl"), "{created:?}");
    assert!(created[0].1.contains(r#""action":"create_table","column":"id","to":"int64"}"#), "{created:?}");

    // It died before the file was written: whoever opens the table next writes the same.
    folder.delete([created[0].0.clone()]).await.unwrap();
    let mut session = parquet.open(&target()).await.unwrap();
    assert_eq!(kept(&folder).await, created);

    let changes = [(Op::Modify, OrderKey::new(Epoch::FIRST, 5.into()), 1)];
    transact(&mut session, Some(&batch(&schema(LogicalType::Int64), &changes)), None).await.unwrap();
    assert_eq!(kept(&folder).await, created, "nothing changed");
    assert_eq!(
        chain::newest(&folder).await.unwrap().unwrap().evolution,
        None,
        "it is kept, so it need not be carried on"
    );

    let wider = schema(LogicalType::Decimal { precision: 21, scale: 2 });
    let changes = [(Op::Modify, OrderKey::new(Epoch::FIRST, 6.into()), 1)];
    transact(&mut session, Some(&batch(&wider, &changes)), None).await.unwrap();
    let widened = kept(&folder).await;
    assert_eq!((widened.len(), &widened[0]), (2, &created[0]));
    assert!(widened[1].1.contains(r#""column":"id","from":"int64","to":"decimal(21,2)"}"#), "{widened:?}");
}
