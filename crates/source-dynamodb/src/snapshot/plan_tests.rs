use super::*;

use commutator_core::Offset;

const GB: u64 = 1 << 30;

#[test]
fn the_number_of_segments_follows_the_size() {
    assert_eq!(segments_for(0, 8, None), 8, "a size of 0 may be old");
    assert_eq!(segments_for(1, 8, None), 1);
    assert_eq!(segments_for(2 << 20, 8, None), 8);
    assert_eq!(segments_for(10 * GB, 8, None), 80);
    assert_eq!(segments_for(u64::MAX, 8, None), 10_000);
    assert_eq!(segments_for(10 * GB, 8, Some(3)), 3);
}

/// The checkpoint of a snapshot that has begun.
fn begun(segments: u32) -> Checkpoint {
    let mut checkpoint = Checkpoint::default();
    let facts = [(facts::SNAPSHOT_EPOCH, 1), (facts::SEGMENTS, segments), (facts::SEGMENTS_DONE, 0)];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_string())).into();
    checkpoint.advance(&Progress { facts, ..Progress::default() }).unwrap();
    checkpoint
}

fn read(checkpoint: &mut Checkpoint, segment: u32, segments: u32, to: Position) {
    let id = partition(segment, segments);
    let from = checkpoint.position(&id).cloned();
    checkpoint.advance(&Progress { spans: [(id, Span { from, to })].into(), ..Progress::default() }).unwrap();
}

fn at(page: &str) -> Position {
    Position::At(Offset { order: page.to_owned(), resume: None })
}

#[test]
fn a_snapshot_begins_anew_if_nothing_was_committed_and_goes_on_if_a_change_was() {
    assert_eq!(Plan::resume(&Checkpoint::default()).unwrap(), None);
    let shard = |to: Position| Progress::of(PartitionId::new("shard/a"), None, to);
    let with = |progress: Progress| {
        let mut checkpoint = begun(4);
        checkpoint.advance(&progress).unwrap();
        Plan::resume(&checkpoint).unwrap()
    };
    let caught_up = [(facts::CAUGHT_UP_AT.to_owned(), "5".to_owned())].into();
    assert_eq!(with(Progress::default()), None);
    assert_eq!(with(shard(Position::Start)), None);
    for read in [shard(at("1")), shard(Position::End), Progress { facts: caught_up, ..Progress::default() }] {
        assert_eq!(with(read), Some(Plan::new(4)));
    }
}

#[test]
fn a_snapshot_goes_on_with_the_segments_that_are_left() {
    let mut checkpoint = begun(3);
    read(&mut checkpoint, 0, 3, Position::End);
    read(&mut checkpoint, 2, 3, at("1"));
    let mut plan = Plan::resume(&checkpoint).unwrap().unwrap();
    assert_eq!(plan.segments(), 3);
    assert_eq!(plan.next(), Some((1, None)));
    assert_eq!(plan.next(), Some((2, Some(at("1")))));
    assert_eq!(plan.next(), None);
    assert_eq!(plan.remembered(), [partition(0, 3)].into());
}

#[test]
fn the_next_epoch_takes_its_own_snapshot() {
    let mut checkpoint = begun(3);
    read(&mut checkpoint, 0, 3, Position::End);
    read(&mut checkpoint, 1, 3, at("1"));
    let mut next = checkpoint.next_epoch(|_| true);
    assert_eq!(Plan::resume(&next).unwrap(), None);
    next.advance(&Plan::clear(&next)).unwrap();
    assert!(next.partitions().is_empty());
}

#[test]
fn segments_of_another_number_are_an_error() {
    let mut checkpoint = begun(3);
    read(&mut checkpoint, 0, 4, at("1"));
    assert_eq!(Plan::resume(&checkpoint).unwrap_err().kind(), ErrorKind::Unexpected);
}

/// However segments end and wherever a run is cut, each is scanned to its end once, and the checkpoint keeps only a window of them.
#[test]
fn big_snapshots_keep_small_checkpoints() {
    let mut checkpoint = begun(300);
    let (mut scanned, mut largest) = (Vec::new(), 0);
    for run in 0.. {
        let mut plan = if run == 0 { Plan::new(300) } else { Plan::resume(&checkpoint).unwrap().unwrap() };
        let mut running = VecDeque::new();
        let mut ended = 0;
        loop {
            while running.len() < 8
                && let Some((segment, _)) = plan.next()
            {
                running.push_back(segment);
            }
            // The youngest and the oldest take turns.
            let next = if ended % 2 == 0 { running.pop_back() } else { running.pop_front() };
            let Some(segment) = next else { break };
            read(&mut checkpoint, segment, 300, Position::End);
            scanned.push(segment);
            if let Some(progress) = plan.ended(segment) {
                checkpoint.advance(&progress).unwrap();
            }
            largest = largest.max(checkpoint.partitions().len());
            ended += 1;
            if ended == 97 {
                break;
            }
        }
        if ended < 97 {
            let progress = Progress { forget: plan.remembered(), ..Progress::default() };
            checkpoint.advance(&progress).unwrap();
            break;
        }
    }
    scanned.sort_unstable();
    assert_eq!(scanned, (0..300).collect::<Vec<_>>());
    assert!(checkpoint.partitions().is_empty());
    assert!(largest < 200, "{largest}");
}
