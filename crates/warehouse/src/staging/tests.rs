use std::io::Read as _;

use arrow_array::cast::AsArray as _;
use commutator_conformance::{Change, Value, batch};
use commutator_core::{ChangeBatch, Column, Epoch, ErrorKind, LogicalType, Op, OrderKey};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::*;

fn local() -> (tempfile::TempDir, Staging) {
    let dir = tempfile::tempdir().unwrap();
    let config = StagingConfig::new(format!("file://{}", dir.path().display()));
    let staging = Staging::connect(&config, None).unwrap();
    (dir, staging)
}

fn rows() -> ChangeBatch {
    let keys = [Column::key("id", LogicalType::Int64)];
    let item = [
        ("price", Value::number("-0.05")),
        ("doc", Value::json(r#"{"a": [1.1, "x\n"]}"#)),
        ("raw", Value::binary([0, 255])),
        ("ok", Value::Bool(true)),
        ("text", Value::text("a\"b\nc")),
        ("big", Value::number("1e100")),
    ];
    let item = item.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let order = OrderKey::new(Epoch::FIRST, 7.into());
    batch(&keys, &[Change::new(vec![Value::int(1)], order, Op::Modify, item)]).unwrap()
}

/// Returns the bytes of a file that holds the batch so many times.
fn file(batch: &ChangeBatch, form: Form, times: u64) -> Vec<u8> {
    let mut file = encode::File::new(form);
    (0..times).for_each(|_| file.write(batch).unwrap());
    assert_eq!(file.rows(), times * batch.len() as u64);
    file.finish().unwrap()
}

#[test]
fn json_lines_hold_every_value() {
    let text = |form| {
        let mut text = String::new();
        let bytes = file(&rows(), form, 1);
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        text
    };
    let names: Vec<_> = rows().schema().columns().iter().map(|column| column.name.clone()).collect();
    assert_eq!(names, ["id", "big", "doc", "ok", "price", "raw", "text"]);
    let digits = format!("1{}", "0".repeat(100));
    let plain = format!(
        r#"{{"c0":1,"c1":"{digits}","c2":"{{\"a\":[1.1,\"x\\n\"]}}","c3":true,"c4":-0.05,"c5":"00ff","c6":"a\"b\nc","#
    );
    let system = r#""_ct_order":"000000010000000000000000000000000000000000000007","_ct_changed_at":"2023-11-14 22:13:20.000000+00:00","_ct_op":"modify"}"#;
    assert_eq!(text(Form::JSON_LINES), format!("{plain}{system}\n"));
    let other = text(Form { embedded: true, decimals_as_text: true, binary: Texts::Base64, ..Form::JSON_LINES });
    assert!(other.contains(r#""c2":{"a":[1.1,"x\n"]},"#) && other.contains(r#""c4":"-0.05","c5":"AP8=""#), "{other}");
    assert_eq!(other.lines().count(), 1);
}

#[test]
fn parquet_has_the_columns_of_the_staging_table() {
    for (form, decimal) in [(Form::PARQUET, false), (Form { decimals_as_text: true, ..Form::PARQUET }, true)] {
        let bytes = file(&rows(), form, 3);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        let read: Vec<_> = reader.map(|rows| rows.unwrap()).collect();
        let names: Vec<_> = read[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "_ct_order", "_ct_changed_at", "_ct_op"]);
        assert_eq!(read[0].column(4).as_string_opt::<i32>().is_some(), decimal);
        assert_eq!(read.iter().map(arrow_array::RecordBatch::num_rows).sum::<usize>(), 3);
    }
}

#[test]
fn lines_of_several_batches_are_one_file() {
    let bytes = file(&rows(), Form::JSON_LINES, 3);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() == 3 && lines[0] == lines[2], "{text}");
}

#[tokio::test]
async fn only_what_older_owners_left_is_swept() {
    let (_dir, staging) = local();
    let folder = folder_of("w", "p", "t");
    for name in ["9-x-1/0.parquet", "10-x-1/0.parquet", "10-x-1/manifest.json", "11-x-1/0.parquet", "odd/0.parquet"] {
        staging.put(&format!("{folder}/{name}"), vec![1]).await.unwrap();
    }
    let other = format!("{}/1-x-1/0.parquet", folder_of("w", "p", "u"));
    staging.put(&other, vec![1]).await.unwrap();
    assert_eq!(sweep(&staging, &folder, 11).await.unwrap(), 3);
    for left in [format!("{folder}/11-x-1/0.parquet"), format!("{folder}/odd/0.parquet"), other] {
        staging.get(&left).await.unwrap();
    }
    assert_eq!(sweep(&staging, &folder_of("w", "p", "nothing"), 5).await.unwrap(), 0);
}

#[tokio::test]
async fn small_batches_share_files_which_are_named_by_number_and_removed() {
    let (dir, staging) = local();
    let mut upload = Upload::new(&staging, "f".to_owned(), Form::PARQUET);
    for _ in 0..50 {
        upload.add(rows()).await.unwrap();
    }
    let staged = upload.finish().await.unwrap();
    assert!(staged.files.len() <= encode::cores(), "{staged:?}");
    assert_eq!(staged.files.iter().map(|file| file.rows).sum::<u64>(), 50);
    for (number, file) in staged.files.iter().enumerate() {
        assert_eq!(file.path, format!("f/{number}.parquet"));
        assert_eq!(staging.get(&file.path).await.unwrap().len() as u64, file.bytes);
    }
    assert_eq!((staging.waiting.used(), staging.encoded.used()), (0, 0));
    assert_eq!(staging.remove("f", |_| true).await.unwrap(), staged.files.len());
    assert!(!dir.path().join("f").exists());
}

#[tokio::test]
async fn a_shared_file_that_cannot_be_uploaded_is_an_error_at_the_end() {
    let (dir, staging) = local();
    // A file where a folder has to be.
    std::fs::write(dir.path().join("f"), b"").unwrap();
    let mut upload = Upload::new(&staging, "f".to_owned(), Form::PARQUET);
    for _ in 0..10 {
        upload.add(rows()).await.unwrap();
    }
    let error = upload.finish().await.unwrap_err();
    assert!(error.to_string().contains("write"), "{error}");
    // What is on its way is given up, and its memory with it.
    while (staging.waiting.used(), staging.encoded.used()) != (0, 0) {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn rows_of_other_columns_are_refused() {
    for form in [Form::PARQUET, Form::JSON_LINES] {
        let mut file = encode::File::new(form);
        file.write(&rows()).unwrap();
        let item = [("price".to_owned(), Value::number("1"))].into();
        let change = Change::new(vec![Value::int(1)], OrderKey::new(Epoch::FIRST, 8.into()), Op::Modify, item);
        let other = batch(&[Column::key("id", LogicalType::Int64)], &[change]).unwrap();
        assert_eq!(file.write(&other).unwrap_err().kind(), ErrorKind::Unexpected);
    }
}

#[tokio::test]
async fn without_memory_to_grow_in_every_batch_is_a_file() {
    let (_dir, staging) = local();
    let staging = Staging { encoded: Budget::new(1), ..staging };
    let mut upload = Upload::new(&staging, "f".to_owned(), Form::PARQUET);
    for _ in 0..20 {
        upload.add(rows()).await.unwrap();
    }
    let staged = upload.finish().await.unwrap();
    assert_eq!(staged.files.iter().map(|file| file.rows).collect::<Vec<_>>(), [1; 20]);
    assert_eq!((staging.waiting.used(), staging.encoded.used()), (0, 0));
}

#[tokio::test]
async fn a_file_that_is_large_enough_is_uploaded_at_once() {
    let (dir, staging) = local();
    let mut upload = Upload::new(&staging, "f".to_owned(), Form::PARQUET);
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()[0]
    };
    // More than there is memory for.
    for _ in 0..40 {
        let bytes: Vec<u8> = (0..1 << 20).map(|_| noise()).collect();
        let item = [("raw".to_owned(), Value::binary(bytes))].into();
        let change = Change::new(vec![Value::int(1)], OrderKey::new(Epoch::FIRST, 7.into()), Op::Modify, item);
        upload.add(batch(&[Column::key("id", LogicalType::Int64)], &[change]).unwrap()).await.unwrap();
    }
    let uploaded = || std::fs::read_dir(dir.path().join("f")).is_ok_and(|mut files| files.next().is_some());
    while !uploaded() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let staged = upload.finish().await.unwrap();
    assert!(staged.files.iter().all(|file| file.bytes <= (FILE_BYTES + (2 << 20)) as u64), "{staged:?}");
    assert!(staged.files.iter().any(|file| file.rows > 1), "{staged:?}");
    assert_eq!(staged.files.iter().map(|file| file.rows).sum::<u64>(), 40);
    assert_eq!((staging.waiting.used(), staging.encoded.used()), (0, 0));
}

#[test]
fn folders_of_targets_are_apart_and_safe() {
    let all = [("a", "p", "x y"), ("a", "p", "x_y"), ("b", "p", "x y"), ("a", "q", "x y")];
    let names: std::collections::HashSet<_> = all.iter().map(|(w, p, t)| folder_of(w, p, t)).collect();
    assert_eq!(names.len(), 4);
    assert!(folder_of("a", "p", "ä/../b").starts_with("_ct_staging/p/_____b-"), "{}", folder_of("a", "p", "ä/../b"));
}

#[test]
fn addresses_that_cannot_be_right_are_refused() {
    for url in ["lake", "ftp://x/y", "s3:///prefix", "s3://key:secret@bucket", "az://c?sig=x", "memory://"] {
        let error = Staging::connect(&StagingConfig::new(url), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{url}");
    }
    let plain = StagingConfig { endpoint_url: Some("http://x".to_owned()), ..StagingConfig::new("s3://b") };
    assert_eq!(Staging::connect(&plain, None).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(Staging::connect(&StagingConfig::new("s3://b/p/"), None).unwrap().url(), "s3://b/p");
}
