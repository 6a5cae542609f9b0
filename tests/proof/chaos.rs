//! A destination whose calls fail, and whose process dies, where the seed says so.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, ChangeBatch, CheckReport, Checkpoint, Destination, Epoch, Error, ErrorKind, Result, SchemaPlan,
    Session, TableSchema, Target, Transaction,
};
use commutator_pipeline::CancellationToken;

/// What happens to one call of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    /// It fails before anything is done.
    Before,
    /// It is done, and fails: the answer is lost.
    After,
    /// The process dies so many steps into the call; a call that takes fewer is done by then.
    Death(u32),
}

#[derive(Debug)]
struct Plan {
    dice: fastrand::Rng,
    probability: f64,
    /// How many more mishaps there may be.
    left: u32,
}

/// What goes wrong with a destination; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Mishaps {
    plan: Arc<Mutex<Plan>>,
    /// Cancelled when the process has died; a new one comes with a new process.
    death: Arc<Mutex<CancellationToken>>,
    place: Place,
}

/// Where a destination's calls are carried out.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Here: it does not wait for anything real.
    Here,
    /// On a runtime of its own, for which this one stands still: while a server works no time passes, so a seed replays.
    Elsewhere(Arc<tokio::runtime::Runtime>),
}

impl Mishaps {
    pub(crate) fn new(seed: u64, probability: f64, place: Place) -> Self {
        let plan = Plan { dice: fastrand::Rng::with_seed(seed ^ 0xDEAD), probability, left: 40 };
        Self { plan: Arc::new(Mutex::new(plan)), death: Arc::default(), place }
    }

    /// Ends all mishaps.
    pub(crate) fn end(&self) {
        self.plan.lock().unwrap().probability = 0.0;
    }

    /// Returns what is cancelled when the process that begins now dies.
    pub(crate) fn process(&self) -> CancellationToken {
        let death = CancellationToken::new();
        *self.death.lock().unwrap() = death.clone();
        death
    }

    fn next(&self) -> Option<Mishap> {
        let mut plan = self.plan.lock().unwrap();
        if plan.left == 0 || plan.dice.f64() >= plan.probability {
            return None;
        }
        plan.left -= 1;
        Some(match plan.dice.u8(..4) {
            0 => Mishap::Before,
            1 => Mishap::After,
            _ => Mishap::Death(plan.dice.u32(..6)),
        })
    }

    /// Carries a call out, or what becomes of it.
    async fn call<T: Send>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let lost = || Error::new(ErrorKind::Unavailable, "The connection was lost by plan");
        match self.next() {
            None => self.elsewhere(call).await,
            Some(Mishap::Before) => Err(lost()),
            Some(Mishap::After) => {
                self.elsewhere(call).await?;
                Err(lost())
            }
            Some(Mishap::Death(steps)) => {
                self.elsewhere(some_steps(call, steps)).await;
                self.death.lock().unwrap().cancel();
                std::future::pending().await
            }
        }
    }

    /// Carries a call out where the destination is.
    pub(crate) async fn elsewhere<T: Send>(&self, call: impl Future<Output = T> + Send) -> T {
        match &self.place {
            Place::Here => call.await,
            Place::Elsewhere(runtime) => {
                std::thread::scope(|scope| scope.spawn(|| runtime.block_on(call)).join()).unwrap()
            }
        }
    }
}

/// Takes so many steps of a call and drops it.
async fn some_steps<T>(call: impl Future<Output = T>, steps: u32) {
    let mut call = pin!(call);
    let mut taken = 0;
    std::future::poll_fn(|context| {
        taken += 1;
        if taken > steps || call.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// A destination with mishaps.
#[derive(Debug)]
pub(crate) struct Chaos {
    pub(crate) inner: Arc<dyn Destination>,
    pub(crate) mishaps: Mishaps,
}

#[derive(Debug)]
struct Wrapped<T>(Mishaps, T);

#[async_trait]
impl Destination for Chaos {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.mishaps.call(self.inner.check()).await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.mishaps.call(self.inner.peek(target)).await
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let session = self.mishaps.call(self.inner.open(target)).await?;
        Ok(Box::new(Wrapped(self.mishaps.clone(), session)))
    }
}

#[async_trait]
impl Session for Wrapped<Box<dyn Session>> {
    fn checkpoint(&self) -> &Checkpoint {
        self.1.checkpoint()
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        self.0.call(self.1.describe()).await
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        self.0.call(self.1.evolve(plan)).await
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        let transaction = self.0.call(self.1.begin()).await?;
        Ok(Box::new(Wrapped(self.0.clone(), transaction)))
    }
}

#[async_trait]
impl Transaction for Wrapped<Box<dyn Transaction + '_>> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.0.call(self.1.write(batch)).await
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.0.call(self.1.end_snapshot(epoch)).await
    }

    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let Self(mishaps, transaction) = *self;
        mishaps.call(transaction.commit(checkpoint)).await
    }
}
