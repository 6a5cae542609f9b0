//! Changes that were lost before they could be read, and the memory of it.

use serde::{Deserialize, Serialize};

use crate::{Epoch, PartitionId};

/// Changes that were lost before they could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// What happened, as a sentence.
    pub reason: String,
    /// The partitions that cannot go on.
    pub partitions: Vec<PartitionId>,
    /// Names of facts that no longer hold.
    pub facts: Vec<String>,
    /// When it was noticed, in milliseconds since 1970.
    pub noticed_at: i64,
}

/// The gaps of a table that were repaired, as its checkpoint remembers them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// How many there were.
    pub count: u64,
    /// The latest one.
    pub last: Option<RepairedGap>,
}

/// A gap for which a table was read anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairedGap {
    /// What happened, as a sentence.
    pub reason: String,
    /// When it was noticed, in milliseconds since 1970.
    pub noticed_at: i64,
    /// The epoch as which the table was read anew.
    pub epoch: Epoch,
}

impl Gaps {
    /// Returns whether there was none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a gap that `epoch` repairs.
    pub(crate) fn add(&mut self, gap: &Gap, epoch: Epoch) {
        self.count = self.count.saturating_add(1);
        self.last = Some(RepairedGap { reason: gap.reason.clone(), noticed_at: gap.noticed_at, epoch });
    }
}
