//! The envelope of a `GetRecords` page of a stream, and what its records say happened.

use std::borrow::Cow;

use commutator_core::schema::canonical_number;
use commutator_core::{Error, Op, Result, Sequence};

use super::columns::Columns;
use super::cursor::{Cursor, invalid};
use super::documents::Documents;
use super::item;

/// The principal that removes items whose time to live has passed (developer guide, "`DynamoDB` Streams and TTL").
const EXPIRY_PRINCIPAL: &[u8] = b"dynamodb.amazonaws.com";

/// Which records of a page are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RecordFilter {
    /// Drop the records up to this one, and it too.
    pub(crate) after: Option<Sequence>,
    /// Drop the records that are older than this time in milliseconds since 1970.
    pub(crate) created_before: Option<i64>,
}

impl RecordFilter {
    fn keeps(&self, record: &Record<'_>, sequence: Sequence) -> bool {
        let read = self.after.is_some_and(|after| sequence <= after);
        let old = matches!((self.created_before, record.created_us), (Some(limit), Some(us)) if us < limit.saturating_mul(1_000));
        !read && !old
    }
}

/// When the image of a record is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Images {
    /// Where it stands, before it is known whether the record is wanted. One that is not fails the page: it must be read once more.
    Ahead,
    /// Once the rest of the record is known; until then it is skipped.
    Afterwards,
}

/// What the rows are written into.
pub(super) struct Rows<'r> {
    pub(super) columns: &'r mut Columns,
    pub(super) documents: &'r mut Documents,
    pub(super) images: Images,
}

/// A change that became a row.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) op: Op,
    pub(super) sequence: Sequence,
    pub(super) created_us: Option<i64>,
}

/// What a page says besides its rows.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    pub(super) next_iterator: Option<String>,
    pub(super) last_sequence: Option<Sequence>,
    pub(super) newest_us: Option<i64>,
    pub(super) records: u64,
    pub(super) dropped: u64,
    /// Whether the columns were full before the last record; nothing here speaks of those that are left.
    pub(super) cut: bool,
}

/// One record; its images stand before what says whether they are wanted.
#[derive(Debug, Default)]
struct Record<'a> {
    event_name: Option<Cow<'a, [u8]>>,
    sequence: Option<Sequence>,
    created_us: Option<i64>,
    view_type: Option<Cow<'a, [u8]>>,
    keys: Option<usize>,
    new_image: Option<usize>,
    /// Whether the image is the last row already.
    is_row: bool,
    principal: Option<Cow<'a, [u8]>>,
    principal_type: Option<Cow<'a, [u8]>>,
}

/// Reads a page's records into the columns, and pushes what happened to each row.
pub(super) fn read(
    body: &[u8],
    filter: &RecordFilter,
    mut rows: Rows<'_>,
    changes: &mut Vec<Change>,
) -> Result<Envelope> {
    let mut cursor = Cursor::new(body);
    let mut envelope = Envelope::default();
    let mut has_records = false;
    cursor.members(|cursor, name| match name {
        b"Records" => {
            if std::mem::replace(&mut has_records, true) {
                return Err(invalid("A page has its records twice", cursor.at()));
            }
            cursor.elements(|cursor| {
                if envelope.cut {
                    return cursor.skip();
                }
                let at = cursor.at();
                let record = Record::read(cursor, &mut rows)?;
                let Some(sequence) = record.sequence else {
                    return Err(invalid("A record has no sequence number", at));
                };
                let keeps = filter.keeps(&record, sequence);
                if record.is_row && !keeps {
                    return Err(invalid("A record's image was decoded although it is not wanted", at));
                }
                envelope.cut = keeps && !record.is_row && rows.columns.is_full();
                if envelope.cut {
                    return Ok(());
                }
                envelope.records += 1;
                envelope.last_sequence = Some(sequence);
                envelope.newest_us = envelope.newest_us.max(record.created_us);
                if !keeps {
                    envelope.dropped += 1;
                    return Ok(());
                }
                let op = record
                    .decode(cursor, at, &mut rows)
                    .map_err(|e| e.with("sequence", sequence.padded().trim_start_matches('0')))?;
                changes.push(Change { op, sequence, created_us: record.created_us });
                Ok(())
            })
        }
        b"NextShardIterator" => {
            envelope.next_iterator = string(cursor)?.map(text).transpose()?;
            Ok(())
        }
        _ => cursor.skip(),
    })?;
    cursor.end()?;
    if !has_records {
        return Err(invalid("A page has no records member", cursor.at()));
    }
    Ok(envelope)
}

impl<'a> Record<'a> {
    fn read(cursor: &mut Cursor<'a>, rows: &mut Rows<'_>) -> Result<Self> {
        let mut record = Self::default();
        cursor.members(|cursor, name| {
            match name {
                b"eventName" => record.event_name = string(cursor)?,
                b"dynamodb" => record.read_change(cursor, rows)?,
                b"userIdentity" if !cursor.literal(b"null") => record.read_identity(cursor)?,
                b"userIdentity" => {}
                _ => cursor.skip()?,
            }
            Ok(())
        })?;
        Ok(record)
    }

    fn read_change(&mut self, cursor: &mut Cursor<'a>, rows: &mut Rows<'_>) -> Result<()> {
        cursor.members(|cursor, name| {
            match name {
                b"Keys" => self.keys = image(cursor)?,
                b"NewImage" => self.read_new_image(cursor, rows)?,
                b"SequenceNumber" => {
                    let at = cursor.at();
                    let digits = string(cursor)?.unwrap_or_default();
                    self.sequence = Some(Sequence::parse(&digits).map_err(|e| e.with("offset", at))?);
                }
                b"ApproximateCreationDateTime" if !cursor.literal(b"null") => self.created_us = Some(time(cursor)?),
                b"ApproximateCreationDateTime" => {}
                b"StreamViewType" => self.view_type = string(cursor)?,
                _ => cursor.skip()?,
            }
            Ok(())
        })
    }

    fn read_new_image(&mut self, cursor: &mut Cursor<'a>, rows: &mut Rows<'_>) -> Result<()> {
        if self.is_row {
            return Err(invalid("A record has its image twice", cursor.at()));
        }
        let mut inside = cursor.clone();
        let ahead = rows.images == Images::Ahead && !rows.columns.is_full();
        if ahead && inside.eat(b'{') && !inside.eat(b'}') {
            (self.new_image, self.is_row) = (Some(cursor.at()), true);
            item::read(cursor, rows.columns, rows.documents)?;
            return Ok(());
        }
        self.new_image = image(cursor)?;
        Ok(())
    }

    fn read_identity(&mut self, cursor: &mut Cursor<'a>) -> Result<()> {
        cursor.members(|cursor, name| {
            match name {
                b"PrincipalId" | b"principalId" => self.principal = string(cursor)?,
                b"Type" | b"type" => self.principal_type = string(cursor)?,
                _ => cursor.skip()?,
            }
            Ok(())
        })
    }

    /// Decides what happened from the images, and decodes the one that becomes the row.
    ///
    /// The event's name alone decides nothing that the images contradict: a row that is wrong is worse than a stop.
    fn decode(&self, cursor: &Cursor<'_>, at: usize, rows: &mut Rows<'_>) -> Result<Op> {
        let event = self.event_name.as_deref();
        if let Some(image) = self.new_image {
            let op = match event {
                Some(b"INSERT") => Op::Insert,
                Some(b"REMOVE") => return Err(invalid("A removal has an image of the item after it", at)),
                _ => Op::Modify,
            };
            if !self.is_row {
                item::read(&mut cursor.moved_to(image), rows.columns, rows.documents)?;
            }
            return Ok(op);
        }
        let without_images = matches!(self.view_type.as_deref(), Some(b"KEYS_ONLY" | b"OLD_IMAGE"));
        if matches!(event, Some(b"INSERT" | b"MODIFY")) || (without_images && event != Some(b"REMOVE")) {
            return Err(self.lacks_image(at));
        }
        let keys = self.keys.ok_or_else(|| invalid("A removal does not name the key", at))?;
        let attributes = item::read(&mut cursor.moved_to(keys), rows.columns, rows.documents)?;
        if attributes != rows.columns.key_count() {
            return Err(invalid("A removal's key has other attributes than the table's key", keys));
        }
        let expired =
            self.principal.as_deref() == Some(EXPIRY_PRINCIPAL) && self.principal_type.as_deref() == Some(b"Service");
        Ok(if expired { Op::Expire } else { Op::Remove })
    }

    #[cold]
    fn lacks_image(&self, at: usize) -> Error {
        let view_type = String::from_utf8_lossy(self.view_type.as_deref().unwrap_or(b"unknown")).into_owned();
        invalid(
            "A stream record has no image of the item: set the stream's view type to NEW_IMAGE or NEW_AND_OLD_IMAGES",
            at,
        )
        .with("view_type", view_type)
    }
}

/// Skips an image and returns where it stands; an empty one is none.
fn image(cursor: &mut Cursor<'_>) -> Result<Option<usize>> {
    if cursor.literal(b"null") {
        return Ok(None);
    }
    let start = cursor.at();
    let mut inside = cursor.clone();
    if inside.eat(b'{') && inside.eat(b'}') {
        *cursor = inside;
        return Ok(None);
    }
    cursor.skip()?;
    Ok(Some(start))
}

fn string<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Cow<'a, [u8]>>> {
    if cursor.literal(b"null") { Ok(None) } else { cursor.string().map(Some) }
}

fn text(bytes: Cow<'_, [u8]>) -> Result<String> {
    String::from_utf8(bytes.into_owned()).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        invalid("A shard iterator is not UTF-8", at)
    })
}

/// Reads a time in seconds since 1970, which may have a fraction or an exponent, as microseconds.
fn time(cursor: &mut Cursor<'_>) -> Result<i64> {
    let at = cursor.at();
    let number = cursor.number()?;
    microseconds(number).ok_or_else(|| invalid("A record's time is not a time", at))
}

fn microseconds(seconds: &str) -> Option<i64> {
    if let Some(whole) = whole_microseconds(seconds) {
        return Some(whole);
    }
    let canonical = canonical_number(seconds)?;
    let (whole, fraction) = canonical.split_once('.').unwrap_or((&canonical, ""));
    // The grain is a second, at most a millisecond: what lies below a microsecond is noise of a float's text.
    let six: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
    format!("{whole}{six}").parse().ok()
}

/// Returns the microseconds if none is cut, as of all times that `DynamoDB` sends.
fn whole_microseconds(seconds: &str) -> Option<i64> {
    let (digits, exponent) = match seconds.split_once(['E', 'e']) {
        Some((digits, exponent)) => (digits, exponent.parse().ok()?),
        None => (seconds, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = whole.bytes().chain(fraction.bytes()).try_fold(0_i64, |mantissa, digit| {
        let digit = char::from(digit).to_digit(10)?;
        mantissa.checked_mul(10)?.checked_add(digit.into())
    })?;
    let power = 6_i32.checked_add(exponent)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    mantissa.checked_mul(10_i64.checked_pow(u32::try_from(power).ok()?)?)
}
