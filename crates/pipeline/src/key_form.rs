//! How the keys of a table's rows are hashed, remembered with the rows: under two hashes an item would have two rows.

use commutator_core::rules::Rules;
use commutator_core::{Checkpoint, Error, ErrorKind, Result, TableName};

use crate::letters::set_fact;

const FACT: &str = "key_form";
/// The table is about to be read anew, upon which rows under other hashes are gone.
const ANY: &str = "any";

/// Checks that rows are told apart as those that the table has.
pub(crate) fn check(rules: &Rules, checkpoint: &Checkpoint, table: &TableName) -> Result<()> {
    let has = checkpoint.fact(FACT).unwrap_or_default();
    if *checkpoint == Checkpoint::default() || has == ANY || has == rules.key_form() {
        return Ok(());
    }
    let message = "The keys of the table's rows were hashed in another way, with another salt or not at all, so that items would \
                   have two rows; restore the rule and the salt, or let `commutator resync` read the table anew";
    Err(Error::new(ErrorKind::ConfigInvalid, message).with("table", table))
}

/// Notes in the checkpoint of a commit how its rows are told apart.
pub(crate) fn note(rules: &Rules, checkpoint: &mut Checkpoint) -> Result<()> {
    let form = rules.key_form();
    if form.is_empty() {
        checkpoint.forget_fact(FACT);
        return Ok(());
    }
    if checkpoint.fact(FACT) == Some(form.as_str()) { Ok(()) } else { set_fact(checkpoint, FACT, form) }
}

/// Lets the next run choose, as the table is read anew.
pub(crate) fn leave_open(checkpoint: &mut Checkpoint) -> Result<()> {
    set_fact(checkpoint, FACT, ANY.to_owned())
}
