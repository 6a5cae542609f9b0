//! The careful way with a library: `serde_json` reads the body once, and visitors append each value to its column. There is no tree of
//! values, no map, and no string in between where the body has the text as it is.

use std::fmt::{self, Write as _};

use anyhow::Result;
use arrow_array::RecordBatch;
use arrow_array::builder::StringBuilder;
use commutator_core::{Op, Sequence};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::columns::{Column, Columns};
use crate::document::{Text, number_set, quote, text_set};

/// Decodes pages with visitors.
#[derive(Debug, Default)]
pub(crate) struct SerdeJson {
    columns: Columns,
}

impl SerdeJson {
    /// Creates the decoder.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Decodes the body of a `Scan` response.
    pub(crate) fn scan_page(&mut self, body: &[u8]) -> Result<RecordBatch> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        ScanPage(&mut self.columns).deserialize(&mut deserializer)?;
        deserializer.end()?;
        self.columns.take()
    }

    /// Decodes the body of a `GetRecords` response.
    pub(crate) fn records_page(&mut self, body: &[u8]) -> Result<(RecordBatch, Vec<(Op, Sequence)>)> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let mut changes = Vec::new();
        RecordsPage(&mut self.columns, &mut changes).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok((self.columns.take()?, changes))
    }
}

/// A seed that reads a map and does `$each` with every name.
macro_rules! map_seed {
    ($seed:ident $(<$($l:lifetime),*>)?, $value:ty, $self:ident, $map:ident, $body:block) => {
        impl<'de> DeserializeSeed<'de> for $seed $(<$($l),*>)? {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $seed $(<$($l),*>)? {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>($self, mut $map: A) -> Result<Self::Value, A::Error> $body
        }
    };
}

/// A seed that reads a list and does `$each` with the access to it.
macro_rules! list_seed {
    ($seed:ident $(<$($l:lifetime),*>)?, $self:ident, $list:ident, $body:block) => {
        impl<'de> DeserializeSeed<'de> for $seed $(<$($l),*>)? {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_seq(self)
            }
        }

        impl<'de> Visitor<'de> for $seed $(<$($l),*>)? {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>($self, mut $list: A) -> Result<(), A::Error> $body
        }
    };
}

/// A seed that reads a string and does `$each` with it.
macro_rules! text_seed {
    ($seed:ident $(<$($l:lifetime),*>)?, $value:ty, $self:ident, $text:ident, $body:block) => {
        impl<'de> DeserializeSeed<'de> for $seed $(<$($l),*>)? {
            type Value = $value;

            #[inline]
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_str(self)
            }
        }

        impl<'de> Visitor<'de> for $seed $(<$($l),*>)? {
            type Value = $value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            #[inline]
            fn visit_str<E: Error>($self, $text: &str) -> Result<Self::Value, E> $body
        }
    };
}

struct ScanPage<'c>(&'c mut Columns);

map_seed!(ScanPage<'_>, (), self, map, {
    while let Some(name) = map.next_key::<Text<'de>>()? {
        if name.0 == "Items" {
            map.next_value_seed(Items(&mut *self.0))?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(())
});

struct RecordsPage<'c, 'o>(&'c mut Columns, &'o mut Vec<(Op, Sequence)>);

map_seed!(RecordsPage<'_, '_>, (), self, map, {
    while let Some(name) = map.next_key::<Text<'de>>()? {
        if name.0 == "Records" {
            map.next_value_seed(Records(&mut *self.0, &mut *self.1))?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(())
});

struct Items<'c>(&'c mut Columns);

list_seed!(Items<'_>, self, list, {
    while list.next_element_seed(Item(&mut *self.0))?.is_some() {}
    Ok(())
});

struct Records<'c, 'o>(&'c mut Columns, &'o mut Vec<(Op, Sequence)>);

list_seed!(Records<'_, '_>, self, list, {
    while let Some(change) = list.next_element_seed(Record(&mut *self.0))? {
        self.1.push(change);
    }
    Ok(())
});

struct Record<'c>(&'c mut Columns);

map_seed!(Record<'_>, (Op, Sequence), self, map, {
    let (mut op, mut sequence) = (None, None);
    while let Some(name) = map.next_key::<Text<'de>>()? {
        match &*name.0 {
            "eventName" => {
                op = Some(if map.next_value::<Text<'de>>()?.0 == "INSERT" { Op::Insert } else { Op::Modify });
            }
            "dynamodb" => sequence = map.next_value_seed(Change(&mut *self.0))?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    op.zip(sequence).ok_or_else(|| A::Error::custom("a record without an event or a sequence number"))
});

struct Change<'c>(&'c mut Columns);

map_seed!(Change<'_>, Option<Sequence>, self, map, {
    let mut sequence = None;
    while let Some(name) = map.next_key::<Text<'de>>()? {
        match &*name.0 {
            "NewImage" => map.next_value_seed(Item(&mut *self.0))?,
            "SequenceNumber" => sequence = Sequence::parse(map.next_value::<Text<'de>>()?.0.as_bytes()).ok(),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(sequence)
});

struct Item<'c>(&'c mut Columns);

map_seed!(Item<'_>, (), self, map, {
    while let Some(i) = map.next_key_seed(Name(&mut *self.0))? {
        let row = self.0.row();
        map.next_value_seed(Cell(self.0.column(i), row))?;
    }
    self.0.end_row();
    Ok(())
});

struct Name<'c>(&'c mut Columns);

text_seed!(Name<'_>, usize, self, name, { Ok(self.0.find(name)) });

/// The member of a type object.
#[derive(Clone, Copy)]
enum Tag {
    S,
    N,
    B,
    Bool,
    Null,
    M,
    L,
    Ss,
    Ns,
}

struct TagName;

text_seed!(TagName, Tag, self, name, {
    Ok(match name {
        "S" => Tag::S,
        "N" => Tag::N,
        "B" => Tag::B,
        "BOOL" => Tag::Bool,
        "NULL" => Tag::Null,
        "M" => Tag::M,
        "L" => Tag::L,
        "SS" => Tag::Ss,
        "NS" => Tag::Ns,
        _ => return Err(E::custom("no data set has this type")),
    })
});

/// A value of an item, which goes into the column.
struct Cell<'c>(&'c mut Column, usize);

map_seed!(Cell<'_>, (), self, map, {
    let Self(column, row) = self;
    match map.next_key_seed(TagName)?.ok_or_else(|| A::Error::custom("a value without a type"))? {
        Tag::S => map.next_value_seed(TextCell(column, row))?,
        Tag::N => map.next_value_seed(NumberCell(column, row))?,
        Tag::B => map.next_value_seed(BinaryCell(column, row))?,
        Tag::Bool => {
            let value = map.next_value()?;
            column.push_bool(row, value).map_err(A::Error::custom)?;
        }
        Tag::Null => {
            map.next_value::<bool>()?;
        }
        nested => {
            let texts = column.texts(row).map_err(A::Error::custom)?;
            map.next_value_seed(Content(texts, nested))?;
            texts.append_value("");
        }
    }
    end(map)
});

struct TextCell<'c>(&'c mut Column, usize);

text_seed!(TextCell<'_>, (), self, text, { self.0.push_text(self.1, text).map_err(E::custom) });

struct NumberCell<'c>(&'c mut Column, usize);

text_seed!(NumberCell<'_>, (), self, text, { self.0.push_number(self.1, text).map_err(E::custom) });

struct BinaryCell<'c>(&'c mut Column, usize);

text_seed!(BinaryCell<'_>, (), self, text, {
    let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(E::custom)?;
    self.0.push_binary(self.1, &bytes).map_err(E::custom)
});

/// A value of a document, which is written as JSON.
struct Document<'o>(&'o mut StringBuilder);

map_seed!(Document<'_>, (), self, map, {
    let tag = map.next_key_seed(TagName)?.ok_or_else(|| A::Error::custom("a value without a type"))?;
    map.next_value_seed(Content(self.0, tag))?;
    end(map)
});

/// What a type object has under its type.
struct Content<'o>(&'o mut StringBuilder, Tag);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Self(out, tag) = self;
        match tag {
            Tag::S => Quoted(out).deserialize(deserializer),
            Tag::N => Plain(out).deserialize(deserializer),
            Tag::Bool => {
                let value = bool::deserialize(deserializer)?;
                out.write_str(if value { "true" } else { "false" }).map_err(D::Error::custom)
            }
            Tag::Null => {
                bool::deserialize(deserializer)?;
                out.write_str("null").map_err(D::Error::custom)
            }
            Tag::M => Members(out).deserialize(deserializer),
            Tag::L => Elements(out).deserialize(deserializer),
            Tag::Ss => text_set(&mut Vec::<Text<'de>>::deserialize(deserializer)?, out).map_err(D::Error::custom),
            Tag::Ns => number_set(&mut Vec::<Text<'de>>::deserialize(deserializer)?, out).map_err(D::Error::custom),
            Tag::B => Err(D::Error::custom("no data set has bytes in a document")),
        }
    }
}

struct Members<'o>(&'o mut StringBuilder);

map_seed!(Members<'_>, (), self, map, {
    self.0.write_char('{').map_err(A::Error::custom)?;
    let mut first = true;
    while map.next_key_seed(MemberName(&mut *self.0, std::mem::take(&mut first)))?.is_some() {
        map.next_value_seed(Document(&mut *self.0))?;
    }
    self.0.write_char('}').map_err(A::Error::custom)
});

/// A name in a map, with the comma before it unless it is the first one, and the colon.
struct MemberName<'o>(&'o mut StringBuilder, bool);

text_seed!(MemberName<'_>, (), self, name, {
    let comma = if self.1 { "" } else { "," };
    self.0.write_str(comma).and_then(|()| quote(name, self.0)).and_then(|()| self.0.write_char(':')).map_err(E::custom)
});

struct Elements<'o>(&'o mut StringBuilder);

list_seed!(Elements<'_>, self, list, {
    self.0.write_char('[').map_err(A::Error::custom)?;
    let mut first = true;
    while list.next_element_seed(Element(&mut *self.0, std::mem::take(&mut first)))?.is_some() {}
    self.0.write_char(']').map_err(A::Error::custom)
});

/// An element of a list, with the comma before it unless it is the first one.
struct Element<'o>(&'o mut StringBuilder, bool);

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.1 {
            self.0.write_char(',').map_err(D::Error::custom)?;
        }
        Document(self.0).deserialize(deserializer)
    }
}

struct Quoted<'o>(&'o mut StringBuilder);

text_seed!(Quoted<'_>, (), self, text, { quote(text, self.0).map_err(E::custom) });

struct Plain<'o>(&'o mut StringBuilder);

text_seed!(Plain<'_>, (), self, text, { self.0.write_str(text).map_err(E::custom) });

/// Reads the end of a type object.
#[inline]
fn end<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    match map.next_key::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a value with several types")),
    }
}
