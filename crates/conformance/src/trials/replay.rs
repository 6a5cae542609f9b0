//! Reading again what was committed before is harmless.

use commutator_core::{Epoch, OrderKey, SyncMode};

use crate::change::{at, put, remove};
use crate::delivery::deliver;
use crate::forall::forall;
use crate::history::{Script, script};
use crate::{Bench, Value, Verdict};

pub(crate) async fn a_replay_changes_nothing(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    let snapshot = |id: i64| put(id, OrderKey::snapshot(Epoch(1)), [("a", Value::int(id))]);
    let first = [snapshot(1), snapshot(2), snapshot(3)];
    let second = [put(1, at(5), [("a", Value::int(10))]), remove(2, at(6)), put(4, at(7), [])];
    let third = [remove(1, at(8)), put(2, at(9), [("a", Value::int(20))]), remove(4, at(10)), put(5, at(11), [])];
    for changes in [&first[..], &second, &third] {
        table.commit(changes).await?;
    }
    table.agrees_with(3).await?;
    let before = table.model.rows();
    table.reopen().await?;
    for changes in [&first[..], &second, &first, &third, &second] {
        table.commit(changes).await?;
        table.agrees_with(3).await?;
    }
    crate::verdict::ensure!(table.model.rows() == before, "the model itself lets a replay change something");
    Ok(())
}

pub(crate) async fn random_histories_arrive(bench: &Bench) -> Verdict {
    histories(bench, false).await
}

pub(crate) async fn random_histories_arrive_whatever_breaks(bench: &Bench) -> Verdict {
    histories(bench, true).await
}

async fn histories(bench: &Bench, crashing: bool) -> Verdict {
    let scripts = script(bench.capabilities().widens, crashing);
    for mode in bench.modes() {
        let property = async |script: &Script| Box::pin(deliver(bench, mode, script)).await;
        forall(bench.sampling, &scripts, property).await.map_err(|stop| stop.within(mode))?;
    }
    Ok(())
}
