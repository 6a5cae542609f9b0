//! Sequence numbers as a stream sends them, and order keys as destinations store them.
#![no_main]

use commutator_core::{Epoch, OrderKey, Sequence};
use commutator_fuzz::within_memory;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| within_memory(text, order_key));

fn order_key(text: &[u8]) {
    if let Ok(sequence) = Sequence::parse(text) {
        let digits = str::from_utf8(text).unwrap().trim_start_matches('0');
        assert_eq!(sequence.padded(), format!("{digits:0>40}"));
        assert_eq!(sequence.padded().parse::<Sequence>().unwrap(), sequence);
        assert_eq!(sequence == Sequence::SNAPSHOT, digits.is_empty());
        let key = OrderKey::new(Epoch(7), sequence);
        assert_eq!(key.to_string().parse::<OrderKey>().unwrap(), key);
        assert_eq!(key.epoch(), Epoch(7));
        assert!(key >= OrderKey::snapshot(Epoch(7)) && key < OrderKey::snapshot(Epoch(8)));
    }
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(key) = text.parse::<OrderKey>() {
        assert_eq!(key.to_string(), text, "one key has one text");
        assert_eq!(key.text(), text.as_bytes());
    }
    // Order as text is order as value, for any two keys.
    if let Some((a, b)) = text.split_once(',')
        && let (Ok(x), Ok(y)) = (a.parse::<OrderKey>(), b.parse::<OrderKey>())
    {
        assert_eq!(x.cmp(&y), a.cmp(b));
        assert_eq!(x.as_bytes().cmp(y.as_bytes()), a.cmp(b));
    }
}
