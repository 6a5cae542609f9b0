use commutator_core::{Epoch, RawForm, Rejected};

use super::*;

fn letter(table: &str, sequence: u64, id: &str) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        table: TableName::new(table),
        seen_at_ms: 5,
        rejected: Rejected {
            form: RawForm::Record,
            partition: None,
            position: format!("sequence number {sequence}"),
            order: OrderKey::new(Epoch::FIRST, sequence.into()),
            op: None,
            changed_at: None,
            key: None,
            error: "as the test says".to_owned(),
            raw: vec![0xff, b'\n'],
        },
    }
}

fn ids(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.id.as_str()).collect()
}

fn files(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[tokio::test]
async fn letters_wait_in_order_and_each_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = DeadLetterFiles::open(dir.path().to_str().unwrap()).unwrap();
    assert_eq!(store.list(None).await.unwrap(), []);
    store.put(&[]).await.unwrap();
    let (a, b, c) = (letter("t", 1, "a"), letter("t", 2, "b"), letter("u", 1, "c"));
    store.put(&[b.clone(), a.clone(), c.clone()]).await.unwrap();
    assert_eq!(store.list(None).await.unwrap(), [a.clone(), b.clone(), c.clone()]);
    assert_eq!(store.list(Some(&TableName::new("t"))).await.unwrap(), [a.clone(), b.clone()]);
    // The same commit again is the same file, another cut of it is another.
    store.put(&[a.clone(), b.clone()]).await.unwrap();
    assert_eq!(files(&dir.path().join("t")).len(), 1);
    store.put(std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(files(&dir.path().join("t")).len(), 2);
    assert_eq!(store.list(None).await.unwrap(), [a, b, c]);
}

#[tokio::test]
async fn replayed_letters_are_moved_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = DeadLetterFiles::open(dir.path().to_str().unwrap()).unwrap();
    let (a, b, c) = (letter("t", 1, "a"), letter("t", 2, "b"), letter("u", 1, "a"));
    store.put(&[a.clone(), b.clone(), c.clone()]).await.unwrap();
    store.put(std::slice::from_ref(&a)).await.unwrap();
    store.archive(std::slice::from_ref(&a)).await.unwrap();
    assert_eq!(ids(&store.list(Some(&TableName::new("t"))).await.unwrap()), ["b"]);
    assert_eq!(store.list(Some(&TableName::new("u"))).await.unwrap(), [c], "another table's letter of that id");
    let replayed = dir.path().join("t").join(REPLAYED);
    assert_eq!(files(&replayed).len(), 1);
    // Again, and the rest.
    store.archive(&[a.clone(), b.clone()]).await.unwrap();
    assert_eq!(store.list(Some(&TableName::new("t"))).await.unwrap(), []);
    assert_eq!(files(&dir.path().join("t")), [REPLAYED]);
    let kept: String =
        files(&replayed).iter().map(|name| std::fs::read_to_string(replayed.join(name)).unwrap()).collect();
    assert_eq!(kept.lines().count(), 2);
}

#[tokio::test]
async fn a_line_that_is_no_letter_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = DeadLetterFiles::open(dir.path().to_str().unwrap()).unwrap();
    store.put(&[letter("t", 1, "a")]).await.unwrap();
    let file = dir.path().join("t").join(&files(&dir.path().join("t"))[0]);
    let text = std::fs::read_to_string(&file).unwrap();
    for wrong in ["{", "{}", "7"] {
        std::fs::write(&file, format!("{text}\n{wrong}\n")).unwrap();
        let error = store.list(None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert!(error.to_string().contains("line: 3"), "{error}");
    }
    // What is no file of letters is nobody's business.
    std::fs::write(&file, text).unwrap();
    std::fs::write(dir.path().join("t/notes.txt"), "x").unwrap();
    std::fs::write(dir.path().join("notes.jsonl"), "x").unwrap();
    assert_eq!(store.list(None).await.unwrap().len(), 1);
}
