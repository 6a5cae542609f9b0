//! An item with what is needed of it again and again, made once when it is written.

use crate::item::Item;

/// An item, its JSON and its size.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) item: Item,
    pub(crate) json: String,
    pub(crate) size: usize,
}

impl Stored {
    pub(crate) fn new(item: Item) -> Self {
        let (json, size) = (item.to_json(), item.size());
        Self { item, json, size }
    }
}
