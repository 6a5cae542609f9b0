//! The decoder against the reference.

use std::collections::HashMap;

use proptest::prelude::*;

use super::generate::{Attr, Item, Style, items, page};
use super::*;
use crate::decode::number::{self, General, Numeral};

/// Asserts that both decoders see the same page.
fn compare(decoder: &mut Decoder, body: &str) {
    let page = decoder.scan_page(body.as_bytes(), EPOCH).unwrap_or_else(|e| panic!("{e:?}\n{body}"));
    let shown = page.changes.iter().flat_map(render).map(|(c, cells)| (c.name, (c.ty, cells)));
    let (found, (expected, _)): (HashMap<_, _>, _) = (shown.collect(), reference::decode(body).unwrap());
    assert_eq!(found, expected, "{body}");
}

proptest! {
    #[test]
    fn pages_are_what_the_reference_reads(
        pages in prop::collection::vec((items(), Style::any()), 1..4),
    ) {
        let mut decoder = Decoder::new(keys());
        for (items, style) in pages {
            compare(&mut decoder, &page(&items, &mut Style::compact()));
            compare(&mut decoder, &page(&items, &mut style.clone()));
        }
    }

    #[test]
    fn items_with_shuffled_attributes_are_what_the_reference_reads(
        items in items(), order in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let mut order = order.into_iter();
        let shuffle = |mut item: Item| {
            for i in (1..item.len()).rev() {
                item.swap(i, order.next().map_or(0, |index| index.index(i + 1)));
            }
            item
        };
        let items: Vec<_> = items.into_iter().map(shuffle).collect();
        compare(&mut Decoder::new(keys()), &page(&items, &mut Style::compact()));
    }

    #[test]
    fn numbers_are_what_core_says(text in generate::number(), behind in "[\"0-9.]{0,12}") {
        let general = number::general(&text).unwrap();
        if let Some((short, length)) = number::short(format!("{text}\"{behind}").as_bytes()) {
            prop_assert_eq!(length, text.len() + 1);
            prop_assert_eq!(General::Numeral(short), general);
        } else if let General::Numeral(Numeral::Int(n)) = general {
            // Only numbers that are long, close to the end or not plain take the long way.
            let plain = text.len() <= 19 && n.to_string() == text;
            prop_assert!(!plain || behind.len() < 8, "{}", text);
        }
    }

    #[test]
    fn whole_numbers_are_written_like_any_other(value in any::<i64>(), shift in 0u32..64) {
        for value in [value >> shift, i64::MIN, i64::MAX, 0, -1, 10] {
            let mut out = Vec::new();
            number::write_int(value, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn whatever_is_short_is_a_number(text in "[-+.eE0-9\"]{1,24}") {
        if let Some((short, length)) = number::short(text.as_bytes()) {
            prop_assert_eq!(Some(General::Numeral(short)), number::general(&text[..length - 1]));
        }
    }
}

#[test]
fn two_thousand_attributes_are_what_the_reference_reads() {
    let item = |row: usize| -> Item {
        let attribute = |i: usize| {
            let value = match (i + row / 20) % 7 {
                0 => Attr::Null,
                1 | 2 => Attr::S(format!("text {i}")),
                3 => Attr::Bool(i.is_multiple_of(2)),
                4 => Attr::N(format!("{i}.{row}")),
                _ => Attr::N(i.to_string()),
            };
            (format!("attribute_{i}"), value)
        };
        let id = ("id".to_owned(), Attr::S(row.to_string()));
        std::iter::once(id).chain((0..2_000).filter(|i| (i * 31 + row * 17) % 5 < 3).map(attribute)).collect()
    };
    let items: Vec<_> = (0..40).map(item).collect();
    let mut decoder = Decoder::new(keys());
    compare(&mut decoder, &page(&items, &mut Style::compact()));
    compare(&mut decoder, &page(&items[20..], &mut Style::compact()));
}
