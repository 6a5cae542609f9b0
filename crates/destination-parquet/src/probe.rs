//! The checks that a run's rights and the store's abilities suffice, tried on an object of their own.

use bytes::Bytes;
use commutator_core::{CheckReport, Error, ErrorKind, Result};
use uuid::Uuid;

use crate::client::Store;
use crate::folder::Folder;

/// Runs every check; one that failed lets those that need it be skipped.
pub(crate) async fn run(store: &Store) -> CheckReport {
    let mut report = CheckReport::default();
    let folder = Folder::new(store, "_commutator-check");
    let unique = Uuid::new_v4().simple().to_string();
    let name = format!("{unique}.probe");

    let listed = folder.list("", "").await.map(|_| folder.address());
    note(
        &mut report,
        "list",
        listed,
        "Grant s3:ListBucket (or the store's equivalent) on the bucket, and check that it exists",
    );

    let created = folder.create(&name, Bytes::from_static(b"probe"), &format!("{unique}.scratch")).await;
    let created = created.map(|_| String::new());
    let remedy =
        "Grant s3:PutObject (or the store's equivalent) below the prefix; check `region`, `endpoint_url` and the keys";
    if !note(&mut report, "write", created, remedy) {
        for skipped in ["conditional write", "read", "rename", "delete"] {
            report.skip(skipped, "nothing could be written");
        }
        return report;
    }
    let remedy = "Use a store that honours If-None-Match (S3, GCS, Azure, MinIO, SeaweedFS): without it two writers could \
                  overwrite each other's commits";
    note(&mut report, "conditional write", conditional(&folder, &name, &unique).await, remedy);
    let read = folder.get(&name).await.and_then(|bytes| {
        if bytes == b"probe"[..] {
            return Ok(String::new());
        }
        Err(Error::new(ErrorKind::DataInvalid, "What was read is not what was written"))
    });
    note(&mut report, "read", read, "Grant s3:GetObject (or the store's equivalent) below the prefix");
    // As a compaction does: the object is copied under another name, and deleted under its own.
    let other = format!("{unique}.renamed");
    let renamed = folder.rename(&name, &other).await.map(|_| String::new());
    note(
        &mut report,
        "rename",
        renamed,
        "Grant what read, write and delete take: objects are copied within the bucket",
    );
    let deleted = folder.delete([name, other]).await.map(|()| String::new());
    folder.remove_if_empty().await;
    note(&mut report, "delete", deleted, "Grant s3:DeleteObject (or the store's equivalent) below the prefix");
    report
}

async fn conditional(folder: &Folder, name: &str, unique: &str) -> Result<String> {
    if folder.create(name, Bytes::from_static(b"other"), &format!("{unique}.scratch")).await? {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "The store overwrote an object that it was asked not to overwrite",
        ));
    }
    Ok(String::new())
}

/// Returns whether the check passed.
fn note(report: &mut CheckReport, name: &str, outcome: Result<String>, remedy: &str) -> bool {
    match outcome {
        Ok(detail) => {
            report.pass(name, detail);
            true
        }
        Err(error) => {
            report.fail_with(name, &error, remedy);
            false
        }
    }
}
