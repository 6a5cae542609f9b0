//! The simulator itself: one account, its clock, its faults, and the way of a request through it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Response;
use hyper::http::request::Parts;
use serde_json::Value as Json;

use crate::access::{Access, Role};
use crate::api::{self, Call};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::faults::{Fault, Faults, Injected, Injector};
use crate::handle::TableHandle;
use crate::operation::{Operation, Service};
use crate::random::Dice;
use crate::reply::{Payload, Reply};
use crate::server::{self, Disconnect, Server};
use crate::settings::{Quirks, Settings};
use crate::signature::Signed;
use crate::state::State;
use crate::sts::{self, Form};
use crate::table::TableSpec;

/// A simulated `DynamoDB` with its Streams and STS: one account in one region. Cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct Simulator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    dice: Dice,
    state: Mutex<State>,
    access: Mutex<Access>,
    traffic: Mutex<Traffic>,
    hook: Mutex<Option<Hook>>,
}

#[derive(Default, Debug)]
struct Traffic {
    injector: Injector,
    lanes: BTreeMap<String, u64>,
    requests: BTreeMap<Operation, u64>,
    all: u64,
}

/// Called before a request is looked at.
#[derive(Clone)]
struct Hook(Arc<Callback>);

type Callback = dyn Fn(&Simulator, Operation) + Send + Sync;

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

/// How a simulator is made.
#[derive(Debug, Clone)]
pub struct Builder {
    seed: u64,
    clock: Clock,
    region: String,
    account: String,
    quirks: Quirks,
}

impl Builder {
    /// Sets the clock. Default: one that stands at 2025-01-01T00:00:00Z.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the region in ARNs. Default: `eu-west-1`.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Sets the account in ARNs. Default: 123456789012.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// Sets what `DynamoDB` may do at any time. Default: the plain case.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// Makes the simulator.
    pub fn build(self) -> Simulator {
        let Self { seed, clock, region, account, quirks } = self;
        let dice = Dice::new(seed);
        let settings = Settings { dice, region, account, quirks };
        Simulator(Arc::new(Inner {
            clock,
            dice,
            access: Mutex::new(Access::new(&settings)),
            state: Mutex::new(State::new(settings)),
            traffic: Mutex::default(),
            hook: Mutex::default(),
        }))
    }
}

impl Simulator {
    /// Makes a simulator in the plain case; what it leaves to chance is decided by the seed.
    pub fn new(seed: u64) -> Self {
        Self::builder(seed).build()
    }

    /// Begins to make a simulator.
    pub fn builder(seed: u64) -> Builder {
        Builder {
            seed,
            clock: Clock::default(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            quirks: Quirks::default(),
        }
    }

    /// Serves HTTP on a free port of the loopback interface, on the current tokio runtime.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_at(0).await
    }

    /// Serves HTTP on this port of the loopback interface: for a server that comes back.
    pub async fn serve_at(&self, port: u16) -> io::Result<Server> {
        Server::start(self.clone(), port).await
    }

    /// Answers a request without a network: what [`serve`](Self::serve) does with each one that comes in.
    ///
    /// A client in the same process can call it on a runtime whose time is paused, so that a run with all of its pauses is over at once and
    /// replays exactly.
    pub async fn call(&self, request: hyper::Request<Bytes>) -> Result<Response<Payload>, Disconnect> {
        let (head, body) = request.into_parts();
        server::Service::respond(self, &head, &body).await
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Makes a table; it is active at once.
    pub fn create_table(&self, spec: TableSpec) -> Result<TableHandle> {
        let name = spec.name.clone();
        let (mut state, now) = self.state();
        state.create_table(spec, now)?;
        Ok(TableHandle::new(self.clone(), name))
    }

    /// Returns a handle to a table, which need not exist yet.
    pub fn table(&self, name: impl Into<String>) -> TableHandle {
        TableHandle::new(self.clone(), name.into())
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        lock(&self.0.traffic).injector.set(faults);
    }

    /// Returns how many faults were injected so far.
    pub fn injected(&self) -> Injected {
        lock(&self.0.traffic).injector.injected.clone()
    }

    /// Returns how many requests of an operation came in.
    pub fn requests(&self, operation: Operation) -> u64 {
        lock(&self.0.traffic).requests.get(&operation).copied().unwrap_or_default()
    }

    /// Returns how many requests came in.
    pub fn all_requests(&self) -> u64 {
        lock(&self.0.traffic).all
    }

    /// Calls this before each request is looked at: to let time pass or items change at exact points of a run.
    pub fn on_request(&self, hook: impl Fn(&Self, Operation) + Send + Sync + 'static) {
        *lock(&self.0.hook) = Some(Hook(Arc::new(hook)));
    }

    /// Sets whether requests must come from a user or session that may do what they ask for, and be signed with their secret.
    /// Default: no.
    pub fn enforce_access(&self, enforced: bool) {
        lock(&self.0.access).enforced = enforced;
    }

    /// Adds a user, who may do everything.
    pub fn add_user(&self, access_key_id: impl Into<String>, secret: impl Into<String>) {
        lock(&self.0.access).add_user(access_key_id.into(), secret.into());
    }

    /// Adds a role, or replaces the one with the same ARN.
    pub fn add_role(&self, role: Role) {
        lock(&self.0.access).add_role(role);
    }

    /// Takes a role away; its sessions may do nothing any more.
    pub fn remove_role(&self, arn: &str) {
        lock(&self.0.access).remove_role(arn);
    }

    /// Ends all sessions before their time.
    pub fn expire_sessions(&self) {
        lock(&self.0.access).expire_sessions();
    }

    /// Returns the state as time has made it, and the time.
    pub(crate) fn state(&self) -> (MutexGuard<'_, State>, u64) {
        let mut state = lock(&self.0.state);
        let now = self.0.clock.now_ms();
        state.tick(now);
        (state, now)
    }

    fn reply(&self, head: &Parts, body: &[u8]) -> Result<Reply, Disconnect> {
        let target = head.headers.get("x-amz-target").map(|target| target.to_str().unwrap_or_default());
        let form = target.is_none().then(|| Form::read(body));
        let operation = match (target, &form) {
            (Some(target), _) => Operation::from_target(target),
            (None, form) => form.as_ref().and_then(|form| Operation::from_action(form.get("Action")?)),
        };
        let content_type = if form.is_some() { "text/xml" } else { "application/x-amz-json-1.0" };
        let Some(operation) = operation else {
            let error = Error::new(400, "UnknownOperationException", "An unknown operation was requested.");
            return Ok(Reply::new(400, content_type, error.to_json(), String::new(), self.0.clock.now_ms()));
        };
        let hook = lock(&self.0.hook).clone();
        if let Some(Hook(hook)) = hook {
            hook(self, operation);
        }
        // A body that is no JSON is refused where it is looked at.
        let request: Result<Json, _> = serde_json::from_slice(body);
        let lane = api::lane(operation, request.as_ref().unwrap_or(&Json::Null));
        let now = self.0.clock.now_ms();
        let (number, request_id, fault) = self.count(operation, &lane, now);
        let signed = Signed { headers: &head.headers, path: head.uri.path(), body };
        let result = match fault.and_then(|fault| fault.refusal(operation)) {
            Some(refusal) => Err(refusal),
            None => self.answer(operation, (&lane, number), (&request, form.as_ref()), (&signed, &request_id)),
        };
        let sts = operation.service() == Service::Sts;
        let mut reply = match result {
            Ok(body) => Reply::new(200, content_type, body, request_id, now),
            Err(error) => {
                let body = if sts { error.to_xml(&request_id) } else { error.to_json() };
                Reply::new(error.status(), content_type, body, request_id, now)
            }
        };
        match fault {
            Some(Fault::Disconnect) => return Err(Disconnect),
            Some(fault) => reply.damage(fault, self.0.dice),
            None => {}
        }
        Ok(reply)
    }

    /// Counts a request, and decides what goes wrong with it.
    fn count(&self, operation: Operation, lane: &str, now: u64) -> (u64, String, Option<Fault>) {
        let mut traffic = lock(&self.0.traffic);
        *traffic.requests.entry(operation).or_default() += 1;
        traffic.all += 1;
        let request_id = format!("SIMULATED{:012}", traffic.all);
        let number = traffic.lanes.entry(lane.to_owned()).or_default();
        *number += 1;
        let number = *number;
        let fault = traffic.injector.decide(operation, (lane, number), now, self.0.dice);
        (number, request_id, fault)
    }

    fn answer(
        &self,
        operation: Operation,
        (lane, number): (&str, u64),
        (request, form): (&Result<Json, serde_json::Error>, Option<&Form>),
        (signed, request_id): (&Signed<'_>, &str),
    ) -> Result<String> {
        let now = self.0.clock.now_ms();
        let mut access = lock(&self.0.access);
        // Who shows an identity token need not sign.
        let caller = match operation {
            Operation::AssumeRoleWithWebIdentity => "web identity".to_owned(),
            _ => access.check(operation, signed, now)?,
        };
        if let Some(form) = form {
            return sts::answer(operation, form, &mut access, (&caller, signed), (now, request_id));
        }
        drop(access);
        let request = request.as_ref().map_err(|error| Error::new(400, "SerializationException", error.to_string()))?;
        let (mut state, now) = self.state();
        api::answer(operation, &mut Call { state: &mut state, now, request, lane, number })
    }
}

impl server::Service for Simulator {
    async fn respond(&self, head: &Parts, body: &Bytes) -> Result<Response<Payload>, Disconnect> {
        let reply = self.reply(head, body)?;
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        Ok(reply.into_response())
    }
}

/// Locks; a test that panicked while it held the lock has failed already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
