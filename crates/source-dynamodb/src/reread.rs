//! Dead letters, read again: the item as it is now, or the letter's own bytes.

use commutator_core::{
    ChangeBatch, DeadLetter, Error, ErrorKind, Extras, Op, RawForm, Rejected, Reread, Result, TableName,
};

use crate::client::Client;
use crate::decode::{Decoder, RecordFilter, item_of};
use crate::discover;
use crate::snapshot::start_key;

/// Reads the letters of a table again; see [`Source::reread`](commutator_core::Source::reread).
pub(crate) async fn reread(
    client: &Client,
    table: &TableName,
    letters: &[DeadLetter],
    (how, extras): (Reread, Extras),
) -> Result<Vec<Result<ChangeBatch>>> {
    let description = discover::describe_from(table, &client.describe_table(table).await?)?;
    let mut decoder = Decoder::with_extras(description.keys, extras);
    let mut read = Vec::with_capacity(letters.len());
    for letter in letters {
        let rejected = &letter.rejected;
        read.push(match (how, &rejected.key) {
            (Reread::Raw, _) => again(&mut decoder, rejected),
            (Reread::Item, None) => Err(Error::new(
                ErrorKind::DataInvalid,
                "The key of a dead letter cannot be read; correct the item at the source, and its stream brings it",
            )),
            (Reread::Item, Some(key)) => {
                let text = key.to_string();
                let body = client.item(table, start_key::parse(&text)?).await?;
                now(&mut decoder, rejected, &text, &body)
            }
        });
    }
    Ok(read)
}

/// Decodes a letter's bytes.
fn again(decoder: &mut Decoder, rejected: &Rejected) -> Result<ChangeBatch> {
    let lacks = || Error::new(ErrorKind::DataInvalid, "A dead letter does not say what happened to its row");
    let changes = match rejected.form {
        RawForm::Record => {
            let body = [b"{\"Records\":[", &*rejected.raw, b"]}"].concat();
            decoder.records_page(&body, rejected.order.epoch(), RecordFilter::default())?.changes
        }
        RawForm::Item | RawForm::Row => {
            let op = rejected.op.ok_or_else(lacks)?;
            decoder.item(&rejected.raw, (op, rejected.order, rejected.changed_at))?
        }
    };
    changes.ok_or_else(lacks)
}

/// Decodes the item as it is now. If there is none, its row goes, unless the destination has something newer.
fn now(decoder: &mut Decoder, rejected: &Rejected, key: &str, body: &[u8]) -> Result<ChangeBatch> {
    let (op, item) = match item_of(body)? {
        Some(item) => (Op::Modify, item),
        None => (Op::Remove, key.as_bytes()),
    };
    let row = decoder.item(item, (op, rejected.order, None))?;
    row.ok_or_else(|| Error::new(ErrorKind::Unexpected, "An item that was read again is no row"))
}
