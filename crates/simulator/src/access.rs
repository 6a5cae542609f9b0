//! Who may do what: users, roles, and the sessions that STS issued.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::operation::{Operation, Service};
use crate::random::Dice;
use crate::settings::Settings;
use crate::signature::Signed;

/// A role that can be assumed.
#[derive(Debug, Clone)]
pub struct Role {
    arn: String,
    external_id: Option<String>,
    trusts: Option<String>,
    web_identity: Option<String>,
    longest: u64,
    denied: BTreeSet<Operation>,
}

impl Role {
    /// A role that everybody may assume without an external ID.
    pub fn new(arn: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            external_id: None,
            trusts: None,
            web_identity: None,
            longest: 43_200,
            denied: BTreeSet::new(),
        }
    }

    /// Asks for an external ID: without it, or with another one, the role cannot be assumed.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Trusts only this caller: a user's access key id, or a role's ARN.
    #[must_use]
    pub fn trusts(mut self, caller: impl Into<String>) -> Self {
        self.trusts = Some(caller.into());
        self
    }

    /// Can be assumed with this identity token, through `AssumeRoleWithWebIdentity`, and in no other way.
    #[must_use]
    pub fn web_identity(mut self, token: impl Into<String>) -> Self {
        self.web_identity = Some(token.into());
        self
    }

    /// Limits how long a session can last, in seconds. Default: 43,200.
    #[must_use]
    pub fn longest(mut self, seconds: u64) -> Self {
        self.longest = seconds;
        self
    }

    /// Takes the right to an operation away.
    #[must_use]
    pub fn deny(mut self, operation: Operation) -> Self {
        self.denied.insert(operation);
        self
    }
}

/// A session that STS issued.
#[derive(Debug, Clone)]
struct Session {
    role: String,
    name: String,
    secret: String,
    token: String,
    expires: u64,
}

/// Credentials as STS hands them out.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access_key_id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) expires: u64,
    /// The ARN of the assumed role's session.
    pub(crate) arn: String,
}

/// What is asked of STS.
#[derive(Debug)]
pub(crate) struct RoleRequest<'a> {
    pub(crate) role: &'a str,
    pub(crate) session: &'a str,
    pub(crate) external_id: Option<&'a str>,
    /// The identity token, if the role is assumed with one.
    pub(crate) token: Option<&'a str>,
    pub(crate) seconds: u64,
}

/// Users, roles and sessions. Until it is enforced, everybody may do everything except assume a role that is not there or asks
/// for an external ID that was not given.
#[derive(Debug)]
pub(crate) struct Access {
    dice: Dice,
    pub(crate) account: String,
    pub(crate) enforced: bool,
    /// Secrets by access key id.
    users: BTreeMap<String, String>,
    roles: BTreeMap<String, Role>,
    /// By access key id.
    sessions: BTreeMap<String, Session>,
    issued: u64,
}

impl Access {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            dice: settings.dice,
            account: settings.account.clone(),
            enforced: false,
            users: BTreeMap::new(),
            roles: BTreeMap::new(),
            sessions: BTreeMap::new(),
            issued: 0,
        }
    }

    pub(crate) fn add_user(&mut self, access_key_id: String, secret: String) {
        self.users.insert(access_key_id, secret);
    }

    pub(crate) fn add_role(&mut self, role: Role) {
        self.roles.insert(role.arn.clone(), role);
    }

    pub(crate) fn remove_role(&mut self, arn: &str) {
        self.roles.remove(arn);
    }

    /// Ends all sessions at once.
    pub(crate) fn expire_sessions(&mut self) {
        for session in self.sessions.values_mut() {
            session.expires = 0;
        }
    }

    /// Checks who signed a request, and whether they may do this; returns who it is.
    pub(crate) fn check(&self, operation: Operation, signed: &Signed<'_>, now: u64) -> Result<String> {
        let sts = operation.service() == Service::Sts;
        let refuse = |status: u16, dynamodb: &'static str, query: &'static str, text: &str| {
            Err(if sts { Error::new(403, query, text) } else { Error::new(status, dynamodb, text) })
        };
        let invalid = || {
            refuse(
                400,
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "The security token included in the request is invalid.",
            )
        };
        if !self.enforced {
            return Ok(signed.access_key_id().unwrap_or("anonymous").to_owned());
        }
        let Some(id) = signed.access_key_id() else {
            let text = "Request is missing Authentication Token";
            return refuse(400, "MissingAuthenticationTokenException", "MissingAuthenticationToken", text);
        };
        let session = self.sessions.get(id);
        let (secret, who) = match (session, self.users.get(id)) {
            (Some(session), _) if signed.token() == Some(session.token.as_str()) => {
                (&session.secret, session.role.clone())
            }
            (None, Some(secret)) if signed.token().is_none() => (secret, id.to_owned()),
            _ => return invalid(),
        };
        if session.is_some_and(|session| session.expires <= now) {
            let text = "The security token included in the request is expired";
            return refuse(400, "ExpiredTokenException", "ExpiredToken", text);
        }
        if !signed.matches(secret) {
            let text = "The request signature we calculated does not match the signature you provided.";
            return refuse(400, "InvalidSignatureException", "SignatureDoesNotMatch", text);
        }
        let allowed = session.is_none() || self.roles.get(&who).is_some_and(|role| !role.denied.contains(&operation));
        if !allowed {
            let action = operation.action();
            let text = format!("User: {} is not authorized to perform: {action}", self.arn_of(id, &who));
            return refuse(400, "AccessDeniedException", "AccessDenied", &text);
        }
        Ok(who)
    }

    /// Returns the ARN of a caller.
    pub(crate) fn arn_of(&self, access_key_id: &str, who: &str) -> String {
        match self.sessions.get(access_key_id) {
            Some(session) => session_arn(&session.role, &session.name),
            None => format!("arn:aws:iam::{}:user/{who}", self.account),
        }
    }

    /// Issues credentials for a role, if the caller may have it.
    pub(crate) fn assume(&mut self, request: &RoleRequest<'_>, caller: &str, now: u64) -> Result<Issued> {
        let action = if request.token.is_some() { "AssumeRoleWithWebIdentity" } else { "AssumeRole" };
        let denied = || {
            let text =
                format!("User: {caller} is not authorized to perform: sts:{action} on resource: {}", request.role);
            Error::new(403, "AccessDenied", text)
        };
        let role = self.roles.get(request.role).ok_or_else(denied)?;
        let trusted = role.trusts.as_deref().is_none_or(|trusted| trusted == caller || request.token.is_some());
        if !trusted || role.external_id.as_deref().is_some_and(|id| request.external_id != Some(id)) {
            return Err(denied());
        }
        if role.web_identity.as_deref() != request.token {
            return Err(match request.token {
                Some(_) => Error::new(400, "InvalidIdentityToken", "The identity token is not valid"),
                None => denied(),
            });
        }
        if !(900..=role.longest).contains(&request.seconds) {
            let text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
            return Err(Error::new(400, "ValidationError", text));
        }
        self.issued += 1;
        let hex = |label: &str| (0..4).map(|n| self.dice.hex(16, label, self.issued * 4 + n)).collect::<String>();
        let issued = Issued {
            access_key_id: format!("ASIA{}", &hex("access key id").to_uppercase()[..16]),
            secret: hex("secret")[..40].to_owned(),
            token: hex("session token"),
            expires: now + request.seconds * 1000,
            arn: session_arn(request.role, request.session),
        };
        let session = Session {
            role: request.role.to_owned(),
            name: request.session.to_owned(),
            secret: issued.secret.clone(),
            token: issued.token.clone(),
            expires: issued.expires,
        };
        self.sessions.insert(issued.access_key_id.clone(), session);
        Ok(issued)
    }
}

fn session_arn(role: &str, session: &str) -> String {
    format!("{}/{session}", role.replacen(":iam:", ":sts:", 1).replacen(":role/", ":assumed-role/", 1))
}
