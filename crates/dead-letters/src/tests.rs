use std::path::Path;
use std::sync::atomic::Ordering;

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

fn id(serial: u64, token: u64) -> PutId {
    PutId { serial, token }
}

fn on_disk(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// A store, and what it holds.
struct Shelf {
    dir: tempfile::TempDir,
    store: DeadLetterFiles,
    t: TableName,
}

impl Shelf {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = DeadLetterFiles::open(dir.path().to_str().unwrap()).unwrap();
        Self { dir, store, t: TableName::new("t") }
    }

    /// Puts letters of table `t`, and confirms it.
    async fn set_aside(&self, id: PutId, letters: &[DeadLetter]) {
        self.store.put(&self.t, id, letters).await.unwrap();
        self.store.confirm(&self.t, id).await.unwrap();
    }

    async fn files(&self, table: Option<&str>) -> Vec<LetterFile> {
        self.store.files(table.map(TableName::new).as_ref()).await.unwrap()
    }

    /// The letters that wait in each file, and the puts that are pending.
    async fn letters(&self, table: Option<&str>) -> (Vec<DeadLetter>, Vec<PutId>) {
        let (mut letters, mut pending) = (Vec::new(), Vec::new());
        for file in self.files(table).await {
            match file.pending {
                None => letters.extend(self.store.read(&file).await.unwrap()),
                Some(id) => pending.push(id),
            }
        }
        (letters, pending)
    }

    async fn ids(&self) -> Vec<String> {
        self.letters(None).await.0.into_iter().map(|letter| letter.id).collect()
    }

    fn reads(&self) -> usize {
        self.store.reads.load(Ordering::SeqCst)
    }

    fn at(&self, part: &str) -> std::path::PathBuf {
        self.dir.path().join(part)
    }
}

#[tokio::test]
async fn a_put_is_pending_until_it_is_confirmed() {
    let shelf = Shelf::new();
    assert_eq!(shelf.files(None).await, []);
    shelf.store.confirm(&shelf.t, id(1, 1)).await.unwrap();
    let (a, b, c) = (letter("t", 1, "a"), letter("t", 2, "b"), letter("u", 1, "c"));
    shelf.store.put(&shelf.t, id(1, 7), &[b.clone(), a.clone(), a.clone()]).await.unwrap();
    shelf.store.put(&TableName::new("u"), id(1, 7), std::slice::from_ref(&c)).await.unwrap();
    assert_eq!(shelf.letters(None).await, (vec![], vec![id(1, 7), id(1, 7)]));
    let [file] = &shelf.files(Some("t")).await[..] else { panic!("one file") };
    assert_eq!(shelf.store.read(file).await.unwrap(), [a.clone(), b.clone()]);
    for _ in 0..2 {
        shelf.store.confirm(&shelf.t, id(1, 7)).await.unwrap();
        assert_eq!(shelf.letters(None).await, (vec![a.clone(), b.clone()], vec![id(1, 7)]));
        assert_eq!(shelf.letters(Some("t")).await, (vec![a.clone(), b.clone()], vec![]));
        // Whoever saw the file before it was confirmed still reads it.
        assert_eq!(shelf.store.read(file).await.unwrap(), [a.clone(), b.clone()]);
    }
}

#[tokio::test]
async fn puts_that_were_never_committed_go_once_a_later_one_is_confirmed() {
    let shelf = Shelf::new();
    shelf.set_aside(id(1, 1), &[letter("t", 1, "a")]).await;
    // Of two writers that both failed, of one that has taken over since, and of one whose serial was overtaken.
    for put in [id(2, 1), id(2, 2), id(3, 4), id(1, 9)] {
        shelf.store.put(&shelf.t, put, &[letter("t", 2, "b")]).await.unwrap();
    }
    shelf.store.put(&shelf.t, id(2, 3), &[letter("t", 2, "c")]).await.unwrap();
    shelf.store.confirm(&shelf.t, id(1, 1)).await.unwrap();
    assert_eq!(shelf.letters(None).await.1, [id(2, 1), id(2, 2), id(2, 3), id(3, 4)], "they may yet be committed");
    shelf.store.confirm(&shelf.t, id(2, 3)).await.unwrap();
    assert_eq!(
        (shelf.ids().await, shelf.letters(None).await.1),
        (vec!["a".to_owned(), "c".to_owned()], vec![id(3, 4)])
    );
    // A writer that was paused confirms what is confirmed and replayed since.
    let [_, second, _] = &shelf.files(None).await[..] else { panic!("three files") };
    shelf.store.archive(second, &BTreeSet::from(["c"])).await.unwrap();
    shelf.store.confirm(&shelf.t, id(2, 3)).await.unwrap();
    assert_eq!((shelf.ids().await, shelf.letters(None).await.1), (vec!["a".to_owned()], vec![id(3, 4)]));
}

#[tokio::test]
async fn a_file_with_both_names_counts_once() {
    let shelf = Shelf::new();
    shelf.store.put(&shelf.t, id(1, 1), &[letter("t", 1, "a")]).await.unwrap();
    let name = on_disk(&shelf.at("t/pending")).remove(0);
    std::fs::copy(shelf.at("t/pending").join(&name), shelf.at("t").join(&name)).unwrap();
    for _ in 0..2 {
        assert_eq!((shelf.ids().await, shelf.letters(None).await.1), (vec!["a".to_owned()], vec![]));
        shelf.store.confirm(&shelf.t, id(1, 1)).await.unwrap();
    }
    assert!(on_disk(&shelf.at("t/pending")).is_empty());
}

#[tokio::test]
async fn replayed_letters_are_moved_and_others_stay() {
    let shelf = Shelf::new();
    let (a, b, c) = (letter("t", 1, "a"), letter("t", 2, "b"), letter("t", 3, "c"));
    shelf.set_aside(id(1, 1), &[a, b, c]).await;
    let file = shelf.files(None).await.remove(0);
    shelf.store.archive(&file, &BTreeSet::from(["x"])).await.unwrap();
    assert!(!shelf.at("t/replayed").exists());
    shelf.store.archive(&file, &BTreeSet::from(["a", "c"])).await.unwrap();
    assert_eq!(shelf.ids().await, ["b"]);
    // Again, and the rest, and what is gone.
    for _ in 0..2 {
        shelf.store.archive(&file, &BTreeSet::from(["a", "b"])).await.unwrap();
        assert_eq!(shelf.files(None).await, []);
        assert!(shelf.store.read(&file).await.unwrap().is_empty());
    }
    let replayed = shelf.at("t/replayed");
    let kept: Vec<String> =
        on_disk(&replayed).iter().map(|name| std::fs::read_to_string(replayed.join(name)).unwrap()).collect();
    assert_eq!((kept.len(), kept.concat().lines().count()), (2, 3));
}

#[tokio::test]
async fn each_file_is_read_once_to_be_read_and_once_to_be_moved() {
    const FILES: u64 = 100;
    let shelf = Shelf::new();
    for n in 1..=FILES {
        shelf.set_aside(id(n, n * 31), &[letter("t", n, &format!("{n}"))]).await;
    }
    let files = shelf.files(None).await;
    assert_eq!((files.len() as u64, shelf.reads()), (FILES, 0), "names are enough to put, to confirm and to list");
    for (n, file) in (1..).zip(&files) {
        let letters = shelf.store.read(file).await.unwrap();
        assert_eq!((letters[0].rejected.order, letters.len()), (OrderKey::new(Epoch::FIRST, u64::into(n)), 1));
        shelf.store.archive(file, &BTreeSet::from([&*letters[0].id])).await.unwrap();
    }
    assert_eq!(shelf.reads() as u64, 2 * FILES);
    assert_eq!(shelf.files(None).await, []);
}

#[tokio::test]
async fn a_line_that_is_no_letter_is_named() {
    let shelf = Shelf::new();
    shelf.set_aside(id(1, 1), &[letter("t", 1, "a")]).await;
    let entry = shelf.files(None).await.remove(0);
    let file = shelf.at(&entry.name);
    let text = std::fs::read_to_string(&file).unwrap();
    let others = letter("u", 1, "b").to_json().to_string();
    for wrong in ["{", "{}", "7", &others] {
        std::fs::write(&file, format!("{text}\n{wrong}\n")).unwrap();
        let error = shelf.store.read(&entry).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataInvalid);
        assert!(error.to_string().contains("line: 3"), "{error}");
    }
    // What is no file of letters is nobody's business; one under another name is.
    std::fs::write(shelf.at("t/notes.txt"), "x").unwrap();
    std::fs::write(shelf.at("notes.jsonl"), "x").unwrap();
    std::fs::rename(&file, shelf.at("t/00000001-mine.jsonl")).unwrap();
    std::fs::write(shelf.at("t/00000001-mine.jsonl"), text).unwrap();
    assert_eq!(shelf.ids().await, ["a"]);
}
