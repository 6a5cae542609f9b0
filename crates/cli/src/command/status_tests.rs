use super::*;
use commutator::{Backlog, Checkpoint, Error, ErrorKind, Gap, PartitionId, Progress, TableDescription};

const HOUR: u64 = 3_600_000;

fn status(checkpoint: Option<Checkpoint>, backlog: Result<Option<Backlog>>) -> Status {
    let table = TableDescription {
        name: TableName::new("orders"),
        keys: Vec::new(),
        items: 1234,
        bytes: 0,
        billing: String::new(),
        stream: None,
    };
    Status::new(TableStatus { table, phase: Phase::of(checkpoint.as_ref()), checkpoint, backlog })
}

fn read() -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&Progress::of(PartitionId::new("a"), None, Position::End)).unwrap();
    let ended = Progress { snapshot_ended: true, ..Progress::of(PartitionId::new("b"), None, Position::Start) };
    checkpoint.advance(&ended).unwrap();
    checkpoint
}

fn row(status: Status) -> String {
    let text = grid(&[status]).to_string();
    text.lines()
        .nth(1)
        .unwrap()
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect::<Vec<_>>()
        .join("|")
}

#[test]
fn a_row_has_what_checkpoint_and_source_say() {
    assert_eq!(row(status(None, Ok(None))), "orders|not started|-|about 1,234|0 of 0 ended|-|-|-|0|0");
    let told = Backlog {
        asked_at: 10_000,
        covered_until: Some(4_000),
        oldest_unread: Some(7_000),
        unread_partitions: 1,
        complete: true,
        time_left: Some(5 * HOUR),
        gap: None,
    };
    let told_row = |change: &dyn Fn(&mut Backlog)| {
        let mut told = told.clone();
        change(&mut told);
        row(status(Some(read()), Ok(Some(told))))
    };
    let start = "orders|streaming|1|about 1,234|1 of 2 ended|6 s|";
    assert_eq!(told_row(&|_| {}), format!("{start}3 s|5 h 0 min|0|0"));
    assert_eq!(told_row(&|told| told.complete = false), format!("{start}3 s or more|5 h 0 min|0|0"));
    assert_eq!(told_row(&|told| told.oldest_unread = None), format!("{start}none|5 h 0 min|0|0"));
    assert_eq!(told_row(&|told| told.time_left = Some(0)), format!("{start}3 s|none|0|0"));
}

#[test]
fn gaps_resyncs_and_refusals_have_a_line_of_their_own() {
    assert_eq!(status(Some(read()), Ok(None)).notes(0), Vec::<String>::new());
    let due = Backlog { gap: Some("it was replaced".to_owned()), ..Backlog::default() };
    let notes = status(Some(read()), Ok(Some(due))).notes(0).join("\n");
    assert!(notes.contains("changes are lost") && notes.contains("it was replaced"), "{notes}");
    let gap = Gap { reason: "it was off".to_owned(), partitions: Vec::new(), facts: Vec::new(), noticed_at: 1_000 };
    let repaired = status(Some(read().after_gap(&gap)), Ok(None));
    assert_eq!((repaired.phase, repaired.gaps.count), ("snapshot", 1));
    let notes = repaired.notes(61_000).join("\n");
    assert!(notes.contains("1 min 0 s ago") && notes.contains("epoch 2: it was off"), "{notes}");
    let asked = status(Some(read().hand_over()), Ok(None));
    assert_eq!(asked.phase, "resync asked for");
    assert!(asked.notes(0)[0].contains("a run takes it up"));
    let refused = status(Some(read()), Err(Error::new(ErrorKind::PermissionDenied, "no right")));
    assert!(refused.notes(0)[0].contains("no right"));
    assert_eq!(json!(refused)["error"]["kind"], "permission_denied");
}
