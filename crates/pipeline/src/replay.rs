//! Dead letters that are tried again: read anew at the source, written under their own order keys, and then put away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use commutator_core::{
    ChangeBatch, Checkpoint, DEAD_LETTERS_FACT, DeadLetter, DeadLetters, Error, ErrorKind, Permit, Progress, Reread,
    Result, Session, SourceBatch, SyncMode, TableDescription, TableName,
};

use crate::Pipeline;
use crate::feed::{Chunk, Stop};
use crate::letters::{open_letters, set_fact};
use crate::shape::Shape;
use crate::sift;

/// The fact that names the letters of the last replay's commit, so that one which was killed then does not write them twice.
const REPLAYED_FACT: &str = "dead_letters_replayed";

/// So many letters are written in one commit.
const GROUP: usize = 100;

/// What a replay did, per table that has letters.
#[derive(Debug)]
pub struct ReplayReport {
    /// A report per table, by name.
    pub tables: Vec<TableReplay>,
}

/// What a replay did for one table.
#[derive(Debug)]
pub struct TableReplay {
    /// The table.
    pub table: TableName,
    /// How many letters were written, or were found written, and put away.
    pub replayed: u64,
    /// Letters that failed again, and why; they stay where they are.
    pub failed: Vec<(DeadLetter, Error)>,
    /// What ended the replay of this table before its end; letters that are not named then stay, too.
    pub error: Option<Error>,
}

impl ReplayReport {
    /// Returns whether no letter is left.
    pub fn succeeded(&self) -> bool {
        self.tables.iter().all(|table| table.failed.is_empty() && table.error.is_none())
    }
}

impl Pipeline {
    /// Tries every dead letter of one table, or of all, again. No run of this pipeline may go on meanwhile: opening a table takes
    /// it over.
    ///
    /// In `mirror` the item is read as it is now and written under the letter's order key: whatever is newer in the destination
    /// stays, and an item that is gone is not brought back. In `append` the letter's own bytes are decoded again. The position of
    /// the checkpoint does not move. A letter is put away only after its row was committed, and never written twice in `append`.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if there is no place for dead letters.
    pub async fn replay(&self, table: Option<&TableName>) -> Result<ReplayReport> {
        let Some(sink) = self.dead_letters() else {
            return Err(Error::new(ErrorKind::ConfigInvalid, "There is no place for dead letters"));
        };
        let mut letters: BTreeMap<TableName, Vec<DeadLetter>> = BTreeMap::new();
        for letter in sink.list(table).await? {
            letters.entry(letter.table.clone()).or_default().push(letter);
        }
        let mut tables = Vec::with_capacity(letters.len());
        if letters.is_empty() {
            return Ok(ReplayReport { tables });
        }
        let descriptions = self.source().discover().await?;
        for (table, letters) in letters {
            let mut report = TableReplay { table: table.clone(), replayed: 0, failed: Vec::new(), error: None };
            let replayed = match descriptions.iter().find(|description| description.name == table) {
                Some(description) => Box::pin(self.replay_table(sink, description, letters, &mut report)).await,
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
        letters: Vec<DeadLetter>,
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
        let before: BTreeSet<String> =
            checkpoint.fact(REPLAYED_FACT).into_iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
        let (done, letters): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| before.contains(&letter.id));
        sink.archive(&done).await?;
        report.replayed += count(&done);
        // Under a later epoch's order key a row could not be changed any more by this one's.
        let (letters, foreign): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| letter.rejected.order.epoch() <= checkpoint.epoch());
        report.failed.extend(foreign.into_iter().map(|letter| (letter, of_another_table())));
        let rules = self.destination().capabilities().identifiers;
        let actual = session.describe().await?;
        let mut shape = Shape::new(description, rules, checkpoint.names().clone(), actual, target.mode)?;
        let how = match target.mode {
            SyncMode::Mirror | SyncMode::SoftDelete => Reread::Item,
            SyncMode::History | SyncMode::Append => Reread::Raw,
        };
        for group in letters.chunks(GROUP) {
            // The session is open by now: nobody else applies changes between this reading and the commit.
            let read = self.source().reread(&description.name, group, how).await?;
            let (mut rows, mut of) = (Vec::new(), Vec::new());
            for (letter, read) in group.iter().zip(read) {
                match read.and_then(single) {
                    Ok(row) => {
                        rows.push(row);
                        of.push(letter);
                    }
                    Err(error) => report.failed.push((letter.clone(), error)),
                }
            }
            let failed = write(&mut *session, &mut shape, &mut checkpoint, rows, &of).await?;
            let is_good = |at: usize| failed.binary_search_by_key(&at, |refused| refused.row).is_err();
            let written: Vec<_> =
                of.iter().enumerate().filter(|(at, _)| is_good(*at)).map(|(_, letter)| (*letter).clone()).collect();
            sink.archive(&written).await?;
            report.replayed += count(&written);
            report.failed.extend(failed.into_iter().map(|refused| (of[refused.row].clone(), refused.error)));
        }
        Ok(())
    }
}

fn of_another_table() -> Error {
    Error::new(
        ErrorKind::DataInvalid,
        "The letter is of a later epoch than the table: it was set aside before the table was loaded from the beginning; remove it",
    )
}

/// Commits one row per letter, all but those that the destination refuses again; returns these.
async fn write(
    session: &mut dyn Session,
    shape: &mut Shape,
    checkpoint: &mut Checkpoint,
    rows: Vec<ChangeBatch>,
    of: &[&DeadLetter],
) -> Result<Vec<sift::Refused>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let batches = rows.into_iter().map(|row| SourceBatch {
        changes: Some(row),
        rejected: Vec::new(),
        progress: Progress::default(),
        wire_bytes: 0,
        permit: Permit::default(),
    });
    let chunk = shape.name(Chunk { batches: batches.collect(), stop: Stop::Full })?;
    let plan = shape.plan(&chunk.batches)?;
    if !plan.is_empty() {
        session.evolve(&plan).await?;
    }
    shape.evolved(&plan);
    let parts = shape.conform_each(&chunk.batches)?;
    let refused = sift::refused(session, &parts).await?;
    let rest = sift::without(&parts, &refused)?;
    if !rest.is_empty() {
        let is_good = |at: &usize| refused.binary_search_by_key(at, |refused| refused.row).is_err();
        let ids: Vec<&str> = (0..of.len()).filter(is_good).map(|at| of[at].id.as_str()).collect();
        let left = open_letters(checkpoint).saturating_sub(u64::try_from(ids.len()).unwrap_or(u64::MAX));
        let mut next = checkpoint.clone();
        next.set_names(shape.names().clone());
        set_fact(&mut next, REPLAYED_FACT, ids.join(","))?;
        set_fact(&mut next, DEAD_LETTERS_FACT, left.to_string())?;
        let mut transaction = session.begin().await?;
        transaction.write(&ChangeBatch::concat(&rest)?).await?;
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

fn count(letters: &[DeadLetter]) -> u64 {
    u64::try_from(letters.len()).unwrap_or(u64::MAX)
}
