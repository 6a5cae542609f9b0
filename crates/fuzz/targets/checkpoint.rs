//! A checkpoint, as destinations store it.
#![no_main]

use commutator_core::{Checkpoint, Progress};
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, checkpoint));

fn checkpoint(text: &[u8]) {
    let Ok(checkpoint) = serde_json::from_slice::<Checkpoint>(text) else { return };
    let printed = serde_json::to_string(&checkpoint).unwrap();
    assert_eq!(serde_json::from_str::<Checkpoint>(&printed).unwrap(), checkpoint, "{printed}");
    // Whatever a destination gives back can be gone on from.
    let mut same = checkpoint.clone();
    same.advance(&Progress::default()).unwrap();
    assert_eq!(same, checkpoint);
    let next = checkpoint.next_epoch(|_| false);
    assert!(next.partitions().is_empty() && !next.snapshot_ended());
    assert!(next.epoch() > checkpoint.epoch());
}
