//! A destination whose calls fail, get lost or are given up half-way, as if the process or the wire broke there.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, CommitOutline, Destination, Epoch, Error, ErrorKind, Result,
    SchemaPlan, Session, TableSchema, Target, Transaction,
};

/// The message of the errors that broken calls give.
pub(crate) const MESSAGE: &str = "The suite broke this call";

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is never made.
    Before,
    /// It is made, and its answer is lost.
    After,
    /// It is dropped after so many polls, or its answer is lost if it was done by then.
    During(u8),
}

/// When the next fault comes: after so many calls that go well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) after: u8,
    pub(crate) fault: Fault,
}

/// The faults to come. After the last one everything goes well.
#[derive(Debug, Clone)]
pub(crate) struct Plan(Arc<Mutex<VecDeque<Crash>>>);

impl Plan {
    pub(crate) fn new(crashes: impl IntoIterator<Item = Crash>) -> Self {
        Self(Arc::new(Mutex::new(crashes.into_iter().collect())))
    }

    fn next(&self) -> Option<Fault> {
        let mut crashes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = crashes.front_mut()?;
        if first.after > 0 {
            first.after -= 1;
            return None;
        }
        crashes.pop_front().map(|crash| crash.fault)
    }

    async fn call<T>(&self, name: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(fault) = self.next() else { return call.await };
        let crash = || Error::new(ErrorKind::Unavailable, MESSAGE).with("call", name);
        match fault {
            Fault::Before => {}
            Fault::After => drop(call.await?),
            Fault::During(polls) => {
                if let Some(result) = give_up(call, polls).await {
                    result?;
                }
            }
        }
        Err(crash())
    }
}

/// Polls a future at most so many times and drops it.
async fn give_up<T>(future: impl Future<Output = T>, mut polls: u8) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A destination under a plan of faults.
#[derive(Debug)]
pub(crate) struct Chaos {
    inner: Arc<dyn Destination>,
    plan: Plan,
}

impl Chaos {
    pub(crate) fn new(inner: Arc<dyn Destination>, plan: Plan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl Destination for Chaos {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn drops_idle_removals(&self) -> bool {
        self.inner.drops_idle_removals()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.plan.call("check", self.inner.check()).await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.plan.call("peek", self.inner.peek(target)).await
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        self.inner.preview_mode(target).await
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        self.plan.call("peek_schema", self.inner.peek_schema(target)).await
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        self.inner.preview(target, plan)
    }

    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        self.inner.outline(target, plan)
    }

    fn explain(&self, target: &Target, columns: &TableSchema) -> Vec<String> {
        self.inner.explain(target, columns)
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let inner = self.plan.call("open", self.inner.open(target)).await?;
        Ok(Box::new(ChaosSession { inner, plan: self.plan.clone() }))
    }
}

#[derive(Debug)]
struct ChaosSession {
    inner: Box<dyn Session>,
    plan: Plan,
}

#[async_trait]
impl Session for ChaosSession {
    fn checkpoint(&self) -> &Checkpoint {
        self.inner.checkpoint()
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        self.plan.call("describe", self.inner.describe()).await
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        self.plan.call("evolve", self.inner.evolve(plan)).await
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        let plan = self.plan.clone();
        let inner = self.plan.call("begin", self.inner.begin()).await?;
        Ok(Box::new(ChaosTransaction { inner, plan }))
    }
}

#[derive(Debug)]
struct ChaosTransaction<'a> {
    inner: Box<dyn Transaction + 'a>,
    plan: Plan,
}

#[async_trait]
impl Transaction for ChaosTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.plan.call("write", self.inner.write(batch)).await
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.plan.call("end_snapshot", self.inner.end_snapshot(epoch)).await
    }

    async fn rehearse(self: Box<Self>) -> Result<()> {
        let Self { inner, plan } = *self;
        plan.call("rehearse", inner.rehearse()).await
    }

    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let Self { inner, plan } = *self;
        plan.call("commit", inner.commit(checkpoint)).await
    }
}
