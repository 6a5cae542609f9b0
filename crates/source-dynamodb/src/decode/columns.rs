//! The columns of a table, and what the decoder remembers of them from item to item and page to page.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use commutator_core::{Column, Error, ErrorKind, Extras, LogicalType, Result, TableSchema};
use hashbrown::HashMap;

use super::builder::Builder;
use super::cursor::{Cursor, invalid};
use super::hints::{Hint, Hints, Place};
use super::tag::Tag;

/// From so many cells on, empty ones included, a batch is full and the page's other items go to the next one: a page is about 1 MB, and
/// what it becomes must stay in proportion. Only pages of sparse items come so far.
const FULL_CELLS: usize = 1 << 20;

/// The most cells a batch may have; an item that leads beyond begins the next one.
const MAX_CELLS: usize = 4 * FULL_CELLS;

/// The most attributes a batch may have: an item has up to 400 KB, so about 100,000 of them at most.
const MAX_ATTRIBUTES: usize = 1 << 18;

/// Beyond so many remembered attributes the decoder starts over with the next page.
const MAX_REMEMBERED: usize = 8_192;

/// Attributes that the older version of global tables added to every item start like this.
const GLOBAL_TABLE_PREFIX: &[u8] = b"aws:rep:";

/// What an attribute is to the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Part of the key, with the type that all its values have.
    Key(Tag),
    Plain,
    /// Left out.
    Dropped,
}

#[derive(Debug)]
pub(super) struct Attribute {
    name: String,
    role: Role,
    /// The last row that had the attribute, plus one, `NULL` included.
    seen: usize,
    pub(super) builder: Builder,
}

/// The columns of a table under construction; the key columns are the first ones.
#[derive(Debug)]
pub(super) struct Columns {
    keys: Vec<Column>,
    extras: Extras,
    /// Where each finished row's item stands in the body, if that is wanted.
    spans: Vec<Range<usize>>,
    attributes: Vec<Attribute>,
    index: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    /// Attributes that the page has so far, and items.
    present: usize,
    rows: usize,
    /// The most rows that the batch may get.
    most_rows: usize,
    /// Whether an item had more attributes than the batch has cells for.
    overflowed: bool,
    full_cells: usize,
    /// The schema of the last page: most pages have the same.
    schema: Option<(Arc<TableSchema>, SchemaRef)>,
}

impl Columns {
    pub(super) fn new(keys: Vec<Column>, extras: Extras) -> Self {
        let mut columns = Self {
            keys,
            extras,
            spans: Vec::new(),
            attributes: Vec::new(),
            index: HashMap::default(),
            present: 0,
            rows: 0,
            most_rows: usize::MAX,
            overflowed: false,
            full_cells: FULL_CELLS,
            schema: None,
        };
        columns.forget();
        columns
    }

    fn forget(&mut self) {
        self.attributes.clear();
        self.index.clear();
        for key in self.keys.clone() {
            let tag = match key.ty {
                LogicalType::Text => Tag::S,
                LogicalType::Binary => Tag::B,
                _ => Tag::N,
            };
            self.add(key.name, Role::Key(tag));
        }
    }

    /// Begins a batch of at most so many rows.
    pub(super) fn begin(&mut self, hints: &mut Hints, most_rows: usize) {
        let forget = self.attributes.len() > MAX_REMEMBERED;
        if hints.is_stale() || forget {
            *hints = Hints::new();
        }
        if forget {
            self.forget();
        }
        for attribute in &mut self.attributes {
            attribute.seen = 0;
            attribute.builder.clear();
        }
        self.spans.clear();
        (self.present, self.rows, self.most_rows, self.overflowed) = (0, 0, most_rows, false);
    }

    /// Makes batches full from so many cells on.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn set_full_cells(&mut self, cells: usize) {
        self.full_cells = cells;
    }

    /// Returns whether the next item belongs to the next batch.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.rows > 0 && (self.rows >= self.most_rows || self.present.saturating_mul(self.rows + 1) > self.full_cells)
    }

    /// Returns whether the row that is being read is too much for this batch, though not for one of its own.
    pub(super) fn overflowed(&self) -> bool {
        self.overflowed && self.rows > 0
    }

    /// Returns the number of finished rows, which is the index of the one that is being read.
    #[inline]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Reads the name of the next attribute and its type, up to its value, and remembers them for this place.
    #[inline(never)]
    pub(super) fn named(
        &mut self,
        place: Place,
        cursor: &mut Cursor<'_>,
        hints: &mut Hints,
    ) -> Result<(usize, Tag, Hint)> {
        let start = cursor.at();
        let name = cursor.string()?;
        let i = match self.index.get(name.as_ref()) {
            Some(&i) => i,
            None => self.discover(&name, start)?,
        };
        let attribute = &self.attributes[i];
        cursor.expect(b':')?;
        let tag = attribute.read_tag(cursor)?;
        Ok((i, tag, hints.learn_attribute(place, i, cursor.since(start), tag)))
    }

    fn discover(&mut self, name: &[u8], at: usize) -> Result<usize> {
        let text = str::from_utf8(name).map_err(|e| invalid("An attribute name is not UTF-8", at).with_source(e))?;
        let dropped = !self.extras.replication_attributes && name.starts_with(GLOBAL_TABLE_PREFIX);
        Ok(self.add(text.to_owned(), if dropped { Role::Dropped } else { Role::Plain }))
    }

    fn add(&mut self, name: String, role: Role) -> usize {
        let i = self.attributes.len();
        self.index.insert(name.as_bytes().into(), i);
        self.attributes.push(Attribute { name, role, seen: 0, builder: Builder::new() });
        i
    }

    /// Returns an attribute for the value it has in the current row.
    #[inline]
    pub(super) fn enter(&mut self, i: usize, cursor: &Cursor<'_>) -> Result<&mut Attribute> {
        let attribute = &mut self.attributes[i];
        if attribute.seen > self.rows {
            return Err(invalid("An item has an attribute twice", cursor.at()).with("attribute", &attribute.name));
        }
        if attribute.seen == 0 {
            self.present += 1;
            if self.present > MAX_ATTRIBUTES || self.present.saturating_mul(self.rows + 1) > MAX_CELLS {
                self.overflowed = true;
                return Err(too_many(self.present));
            }
        }
        attribute.seen = self.rows + 1;
        Ok(attribute)
    }

    /// Returns the attribute's name.
    pub(super) fn name(&self, i: usize) -> &str {
        &self.attributes[i].name
    }

    /// Ends the row, whose item stands here in the body.
    #[inline]
    pub(super) fn end_row(&mut self, item: Range<usize>) -> Result<()> {
        for attribute in &self.attributes[..self.keys.len()] {
            if attribute.builder.len() <= self.rows {
                return Err(invalid("An item lacks a key attribute", item.start).with("attribute", &attribute.name));
            }
        }
        self.rows += 1;
        if self.extras.item {
            self.spans.push(item);
        }
        Ok(())
    }

    /// Returns where each row's item stands in the body, if items are kept.
    pub(super) fn spans(&self) -> Option<&[Range<usize>]> {
        self.extras.item.then_some(&self.spans)
    }

    /// Returns how many attributes are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.attributes.len()
    }

    /// Returns whether an attribute is part of the key.
    pub(super) fn is_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// Returns the key columns as the table's description has them.
    pub(super) fn keys(&self) -> &[Column] {
        &self.keys
    }

    /// Returns the number of key columns.
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// Takes the rows out: the columns that have a value, the key columns first.
    pub(super) fn take(&mut self, body: &[u8]) -> Result<(Arc<TableSchema>, RecordBatch)> {
        let mut arrays = Vec::with_capacity(self.attributes.len());
        let mut types = Vec::with_capacity(self.attributes.len());
        for (i, attribute) in self.attributes.iter_mut().enumerate() {
            let column = attribute.builder.take(self.rows);
            if let Some((ty, array)) = column.map_err(|e| unreadable(body, e).with("attribute", &attribute.name))? {
                types.push((i, ty));
                arrays.push(array);
            }
        }
        let (schema, arrow) = self.schema(&types)?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let rows = RecordBatch::try_new_with_options(arrow, arrays, &options).map_err(|e| {
            Error::new(ErrorKind::Unexpected, "The columns of a page do not fit together").with_source(e)
        })?;
        Ok((schema, rows))
    }

    fn schema(&mut self, types: &[(usize, LogicalType)]) -> Result<(Arc<TableSchema>, SchemaRef)> {
        if let Some((schema, arrow)) = &self.schema {
            let same = |(column, &(i, ty)): (&Column, &(usize, LogicalType))| {
                column.ty == ty && column.name == self.attributes[i].name
            };
            if schema.columns().len() == types.len() && schema.columns().iter().zip(types).all(same) {
                return Ok((Arc::clone(schema), Arc::clone(arrow)));
            }
        }
        let columns = types.iter().map(|&(i, ty)| {
            let Attribute { name, role, .. } = &self.attributes[i];
            Column { key: matches!(role, Role::Key(_)), ..Column::new(name.clone(), ty) }
        });
        let schema = Arc::new(TableSchema::new(columns.collect())?);
        let arrow = schema.to_arrow();
        self.schema = Some((Arc::clone(&schema), Arc::clone(&arrow)));
        Ok((schema, arrow))
    }
}

impl Attribute {
    fn read_tag(&self, cursor: &mut Cursor<'_>) -> Result<Tag> {
        if self.role == Role::Dropped {
            return Ok(Tag::Skipped);
        }
        cursor.space();
        let at = cursor.at();
        let tag = Tag::read(cursor).map_err(|e| e.with("attribute", &self.name))?;
        match self.role {
            Role::Key(key) if key != tag => Err(invalid("A key attribute has another type than the table's key", at)
                .with("attribute", &self.name)
                .with("type", tag)
                .with("expected", key)),
            _ => Ok(tag),
        }
    }
}

#[cold]
fn too_many(attributes: usize) -> Error {
    Error::new(ErrorKind::DataInvalid, "An item has too many attributes to become columns")
        .with("attributes", attributes)
}

/// Texts are not looked at until their column is complete; only then is it known that one is not UTF-8.
#[cold]
fn unreadable(body: &[u8], source: arrow_schema::ArrowError) -> Error {
    match simdutf8::compat::from_utf8(body) {
        Err(e) => invalid("The body is not UTF-8", e.valid_up_to()).with_source(e),
        Ok(_) => Error::new(ErrorKind::Unexpected, "A column cannot be built").with_source(source),
    }
}
