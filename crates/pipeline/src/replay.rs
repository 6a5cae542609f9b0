//! Dead letters that are tried again: read anew at the source, written under their own order keys, and then put away.

mod held;
mod report;
mod written;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use commutator_core::{
    ChangeBatch, Checkpoint, DEAD_LETTERS_FACT, DeadLetter, DeadLetters, Epoch, Error, ErrorKind, Extras, OnBadRecord,
    Op, OrderKey, Permit, Progress, RawForm, Reread, Result, Session, SourceBatch, SyncMode, TableDescription,
    TableName, Target,
};

use crate::Pipeline;
use crate::intake::Intake;
use crate::letters::{confirm, open_letters, set_fact};
use crate::shape::Shape;
use crate::{key_form, sift};
use held::Held;
pub use report::{ReplayReport, TableReplay};
use written::Written;

/// So many letters are written in one commit.
const GROUP: usize = 100;

impl Pipeline {
    /// Tries every dead letter of one table, or of all, again. No run of this pipeline may go on meanwhile: opening a table takes
    /// it over.
    ///
    /// In `mirror` the item is read as it is now and written under the letter's order key: whatever is newer in the destination
    /// stays, and an item that is gone is not brought back. In `append` the letter's own bytes are decoded again. The position of
    /// the checkpoint does not move. A letter is put away only after its row was committed, and never written twice in `append`.
    /// Files of letters are read one after the other.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if there is no place for dead letters.
    pub async fn replay(&self, table: Option<&TableName>) -> Result<ReplayReport> {
        let named: BTreeSet<TableName> = self.letter_files(table).await?.into_iter().map(|file| file.table).collect();
        let mut tables = Vec::with_capacity(named.len());
        let (Some(sink), false) = (self.dead_letters(), named.is_empty()) else {
            return Ok(ReplayReport { tables });
        };
        let descriptions = self.tables().await?;
        for table in named {
            let mut report = TableReplay::new(table.clone());
            let replayed = match descriptions.iter().find(|description| description.name == table) {
                Some(description) => Box::pin(self.replay_table(sink, description, &mut report)).await,
                None => {
                    Err(Error::new(ErrorKind::NotFound, "A table with dead letters is not among the source's tables"))
                }
            };
            report.error = replayed.err().map(|error| error.with("table", &table));
            tables.push(report);
        }
        Ok(ReplayReport { tables })
    }

    async fn replay_table(
        &self,
        sink: &Arc<dyn DeadLetters>,
        description: &TableDescription,
        report: &mut TableReplay,
    ) -> Result<()> {
        let target = self.target(description);
        if self.destination().peek(&target).await?.is_none() {
            return Err(Error::new(
                ErrorKind::NotFound,
                "The destination has nothing of a table that has dead letters",
            ));
        }
        let mut session = self.destination().open(&target).await?;
        let mut checkpoint = session.checkpoint().clone();
        confirm(Some(sink), &description.name, &checkpoint).await?;
        let mut files = sink.files(Some(&description.name)).await?;
        // By now these are of commits that never happened.
        files.retain(|file| file.pending.is_none());
        report.replayed += Written::of(&checkpoint).put_away(&**sink, &files).await?;
        let rules = self.destination().capabilities().identifiers;
        let actual = session.describe().await?;
        let intake = Intake {
            table: description.name.clone(),
            rules: self.rules(description)?,
            transform: self.transform().map(Arc::clone),
            on_bad_record: OnBadRecord::Fail,
            contract_holds: checkpoint.was_loaded(),
            seen: HashMap::new(),
            left: HashMap::new(),
        };
        key_form::check(&intake.rules, &checkpoint, &description.name)?;
        let hides_keys = intake.rules.hides_keys();
        let mut shape = Shape::new(intake, rules, checkpoint.names().clone(), actual, target.mode)?;
        let how = match target.mode {
            SyncMode::Mirror | SyncMode::SoftDelete => Reread::Item,
            SyncMode::History | SyncMode::Append => Reread::Raw,
        };
        let mut files = files.into_iter();
        while let Some(held) = Held::next(&**sink, &mut files, GROUP).await? {
            for group in held.letters().chunks(GROUP) {
                // Under a later epoch's order key a row could not be changed any more by this one's.
                let (foreign, group): (Vec<_>, Vec<_>) =
                    group.iter().cloned().partition(|letter| letter.rejected.order.epoch() > checkpoint.epoch());
                for letter in &foreign {
                    report.fail(letter, of_another_table());
                }
                let is_closed = |letter: &DeadLetter| is_closed(target.mode, checkpoint.epoch(), letter.rejected.order);
                let (closed, group): (Vec<_>, Vec<_>) = group.into_iter().partition(is_closed);
                let (open_ended, group): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(|letter| may_return(&target, letter));
                for letter in &open_ended {
                    report.fail(letter, maybe_removed_since());
                }
                for letter in &closed {
                    report.fail(letter, read_anew_since());
                }
                // Of a row that the destination refused, the letter has what rules made of it.
                let is_made = |letter: &DeadLetter| letter.rejected.form == RawForm::Row;
                let (hidden, group): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(|letter| hides_keys && is_made(letter));
                for letter in &hidden {
                    report.fail(letter, of_a_hashed_key());
                }
                let (made, items): (Vec<_>, Vec<_>) =
                    group.into_iter().partition(|letter| how == Reread::Raw && is_made(letter));
                let mut taken = Taken::default();
                // What rules made of a row has these already.
                let extras = self.options().table(&description.name).rules.extras();
                for (letters, how, is_made, extras) in
                    [(&made, Reread::Raw, true, Extras::default()), (&items, how, false, extras)]
                {
                    if letters.is_empty() {
                        continue;
                    }
                    // The session is open by now: nobody else applies changes between this reading and the commit.
                    let source = self.options().source_table(&description.name);
                    let read = self.source().reread(source, letters, how, extras).await?;
                    for (letter, read) in letters.iter().zip(read) {
                        let row = read.and_then(single);
                        let row = row.and_then(|row| {
                            if is_made { shape.name_made(&row).map(Some) } else { shape.take_in_row(row) }
                        });
                        match row {
                            Ok(row) => taken.add(letter, row),
                            Err(error) => report.fail(letter, error),
                        }
                    }
                }
                let of = taken.of.clone();
                let left_out: BTreeSet<_> = taken.left_out.iter().map(|letter| letter.id.as_str()).collect();
                let refused = write(&mut *session, &mut shape, &mut checkpoint, taken, &held).await?;
                report.replayed += held.put_away(&**sink, &(&good(&of, &refused) | &left_out)).await?;
                for refused in refused {
                    report.fail(of[refused.row], refused.error);
                }
            }
        }
        Ok(())
    }
}

/// What became of letters that were read again.
#[derive(Debug, Default)]
struct Taken<'a> {
    rows: Vec<ChangeBatch>,
    /// A letter per row.
    of: Vec<&'a DeadLetter>,
    /// Letters whose rows have no place in the destination any more.
    left_out: Vec<&'a DeadLetter>,
}

impl<'a> Taken<'a> {
    fn add(&mut self, letter: &'a DeadLetter, row: Option<ChangeBatch>) {
        match row {
            Some(row) => {
                self.rows.push(row);
                self.of.push(letter);
            }
            None => self.left_out.push(letter),
        }
    }
}

/// Returns the ids of those letters whose rows are not refused.
fn good<'a>(of: &[&'a DeadLetter], refused: &[sift::Refused]) -> BTreeSet<&'a str> {
    let is_good = |at: usize| refused.binary_search_by_key(&at, |refused| refused.row).is_err();
    of.iter().enumerate().filter(|(at, _)| is_good(*at)).map(|(_, letter)| letter.id.as_str()).collect()
}

/// Returns whether a resync has decided what a letter's row was for good: it closes what its snapshot does not have, under the order key that
/// the snapshot's own rows have, and before it nobody knows any more whether the item was removed.
fn is_closed(mode: SyncMode, epoch: Epoch, order: OrderKey) -> bool {
    let of_resync = order.is_snapshot() && order.epoch() > Epoch::FIRST;
    match mode {
        SyncMode::Mirror | SyncMode::Append => false,
        SyncMode::SoftDelete => of_resync,
        SyncMode::History => of_resync || order.epoch() < epoch,
    }
}

/// Returns whether a letter's row may be a version whose end the table does not have: what removed the item was idle while the row was set aside.
fn may_return(target: &Target, letter: &DeadLetter) -> bool {
    let is_removal = letter.rejected.op.is_some_and(Op::is_removal);
    target.filtered && target.mode == SyncMode::History && !is_removal
}

fn maybe_removed_since() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "In a history with a filter nobody knows any more whether the letter's item was removed since; `commutator resync` reads the item",
    )
}

fn read_anew_since() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "The table was read anew without the letter's row, which cannot take its place any more; `commutator resync` reads the item",
    )
}

fn of_another_table() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "The letter is of a later epoch than the table: it was set aside before the table was loaded from the beginning; remove it",
    )
}

fn of_a_hashed_key() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "The key of the letter's row is hashed, so that its item cannot be found; once the destination takes it, `commutator resync` reads the table anew",
    )
}

/// Commits one row per letter, all but those that the destination refuses again; returns these.
async fn write(
    session: &mut dyn Session,
    shape: &mut Shape,
    checkpoint: &mut Checkpoint,
    taken: Taken<'_>,
    held: &Held,
) -> Result<Vec<sift::Refused>> {
    let Taken { rows, of, left_out } = taken;
    let batches = rows.into_iter().map(|row| SourceBatch {
        changes: Some(row),
        rejected: Vec::new(),
        progress: Progress::default(),
        wire_bytes: 0,
        permit: Permit::default(),
    });
    let batches: Vec<_> = batches.collect();
    let (mut refused, mut rest) = (Vec::new(), Vec::new());
    if !batches.is_empty() {
        let plan = shape.plan(&batches)?;
        if !plan.is_empty() {
            session.evolve(&plan).await?;
        }
        shape.evolved(&plan);
        let parts = shape.conform_each(&batches)?;
        refused = sift::refused(session, &parts).await?;
        rest = sift::without(&parts, &refused)?;
    }
    if !rest.is_empty() || !left_out.is_empty() {
        let left_out: BTreeSet<_> = left_out.iter().map(|letter| letter.id.as_str()).collect();
        let ids = &good(&of, &refused) | &left_out;
        let left = open_letters(checkpoint).saturating_sub(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        let mut next = checkpoint.clone();
        next.set_names(shape.names().clone());
        held.written(&ids).set(&mut next)?;
        set_fact(&mut next, DEAD_LETTERS_FACT, left.to_string())?;
        let mut transaction = session.begin().await?;
        if !rest.is_empty() {
            transaction.write(&ChangeBatch::concat(&rest)?).await?;
        }
        transaction.commit(&next).await?;
        *checkpoint = next;
    }
    Ok(refused)
}

/// A letter is one row.
fn single(rows: ChangeBatch) -> Result<ChangeBatch> {
    if rows.len() == 1 {
        return Ok(rows);
    }
    Err(Error::new(ErrorKind::Unexpected, "A dead letter is not one row").with("rows", rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_resync_has_closed_stays_closed() {
        let (first, second) = (Epoch::FIRST, Epoch::FIRST.next());
        let (seen, made) = (OrderKey::snapshot, |epoch| OrderKey::new(epoch, 5.into()));
        for (mode, closed) in [
            (SyncMode::Mirror, [false, false, false, false]),
            (SyncMode::Append, [false, false, false, false]),
            (SyncMode::SoftDelete, [false, false, true, false]),
            (SyncMode::History, [true, true, true, false]),
        ] {
            let orders = [seen(first), made(first), seen(second), made(second)];
            assert_eq!(orders.map(|order| is_closed(mode, second, order)), closed, "{mode}");
            assert!(!is_closed(mode, first, seen(first)) && !is_closed(mode, first, made(first)));
        }
    }
}
