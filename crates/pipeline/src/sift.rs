//! Rows that the destination refuses: found by transactions that are never committed, and written down as dead letters.

mod bisection;
mod render;

use std::ops::Range;

use commutator_core::{ChangeBatch, Error, ErrorKind, OrderKey, RawForm, Rejected, Result, Session, Transaction};

use bisection::Bisection;
pub(crate) use render::Renderer;

/// So many refused rows of one chunk are set aside; with more, something else is wrong than single rows.
const MAX_REFUSED: usize = 1000;

/// A row that the destination refuses, by its place in the batches, and why.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) row: usize,
    pub(crate) error: Error,
}

/// Finds the rows that the destination refuses. Nothing is committed: the session stands where it stood.
///
/// Rows are counted through all batches. Only [`DataInvalid`](ErrorKind::DataInvalid) refuses a row; any other error is an error
/// here, too.
pub(crate) async fn refused(session: &mut dyn Session, batches: &[ChangeBatch]) -> Result<Vec<Refused>> {
    let rows = batches.iter().map(ChangeBatch::len).sum();
    let mut search = Bisection::new(rows, MAX_REFUSED);
    let mut errors = Vec::new();
    while let Some(range) = search.next() {
        // Only rows can be refused: what fails before there are any concerns all of them.
        let transaction = session.begin().await?;
        match try_out(transaction, batches, range).await {
            Ok(()) => _ = search.answer(true),
            Err(error) if error.kind() == ErrorKind::DataInvalid => {
                if search.answer(false) {
                    errors.push(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if search.is_over_limit() {
        let error = Error::new(
            ErrorKind::DataInvalid,
            "The destination refuses too many rows of one commit to set them aside one by one",
        );
        let error = error.with("limit", MAX_REFUSED);
        return Err(match errors.into_iter().next() {
            Some(first) => error.with_source(first),
            None => error,
        });
    }
    Ok(search.bad().iter().zip(errors).map(|(&row, error)| Refused { row, error }).collect())
}

/// Writes some of the rows and rehearses the commit.
async fn try_out(
    mut transaction: Box<dyn Transaction + '_>,
    batches: &[ChangeBatch],
    range: Range<usize>,
) -> Result<()> {
    for part in select(batches, |row| range.contains(&row))? {
        transaction.write(&part).await?;
    }
    transaction.rehearse().await
}

/// Returns the batches without the refused rows.
pub(crate) fn without(batches: &[ChangeBatch], refused: &[Refused]) -> Result<Vec<ChangeBatch>> {
    select(batches, |row| refused.binary_search_by_key(&row, |refused| refused.row).is_err())
}

/// Returns the rows that are wanted, by their place in all batches; batches of which nothing is left are left out.
fn select(batches: &[ChangeBatch], wanted: impl Fn(usize) -> bool) -> Result<Vec<ChangeBatch>> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(batches.len());
    for batch in batches {
        let keep: Vec<bool> = (start..start + batch.len()).map(&wanted).collect();
        start += batch.len();
        if keep.iter().all(|keep| *keep) {
            parts.push(batch.clone());
        } else if keep.contains(&true) {
            parts.push(batch.filter(&keep)?);
        }
    }
    Ok(parts)
}

/// Returns where a row stood, for people.
pub(crate) fn position(order: OrderKey) -> String {
    if order.is_snapshot() { "a row of the snapshot".to_owned() } else { format!("order key {order}") }
}

/// Writes refused rows as letters.
pub(crate) fn letters(batches: &[ChangeBatch], refused: Vec<Refused>, renderer: &Renderer) -> Result<Vec<Rejected>> {
    let mut letters = Vec::with_capacity(refused.len());
    for Refused { row, error } in refused {
        let mut place = row;
        let found = batches.iter().find(|batch| {
            let inside = place < batch.len();
            if !inside {
                place -= batch.len();
            }
            inside
        });
        let Some(batch) = found else {
            return Err(Error::new(ErrorKind::Unexpected, "A refused row is not among those that were written"));
        };
        let order = batch.orders()[place];
        letters.push(Rejected {
            form: RawForm::Row,
            partition: None,
            position: position(order),
            order,
            op: Some(batch.ops()[place]),
            changed_at: batch.changed_at()[place],
            key: Some(renderer.key(batch, place)?),
            error: error.report(),
            raw: renderer.item(batch, place)?.to_string().into_bytes(),
        });
    }
    Ok(letters)
}
