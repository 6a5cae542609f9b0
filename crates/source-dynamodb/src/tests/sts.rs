//! An STS of the test's own: it refuses wrong and missing external IDs, and what it issues ends soon.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::server::{Crc, Reply, Request, Sent};

/// The access key with which the first role may be asked for.
pub(super) const BASE_KEY: &str = "AKIABASE";
/// The token that the web identity has.
pub(super) const WEB_TOKEN: &str = "web-token";

/// Who may assume a role.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    pub(super) external_id: Option<&'static str>,
    /// The access key, or its beginning, that the asking identity must have.
    pub(super) trusts: String,
}

/// What a request to STS said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) role: String,
    pub(super) external_id: Option<String>,
    pub(super) session_name: String,
    pub(super) duration: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    roles: BTreeMap<String, Trust>,
    lifetime: Duration,
    issued: VecDeque<(String, SystemTime)>,
    asked: Vec<Asked>,
    refused_stale: u32,
}

/// The STS, and the door in front of `DynamoDB` that lets only its sessions in.
#[derive(Debug, Clone, Default)]
pub(super) struct Sts(Arc<Mutex<State>>);

impl Sts {
    pub(super) fn new(lifetime: Duration, roles: &[(&str, Trust)]) -> Self {
        let sts = Self::default();
        {
            let mut state = sts.0.lock().unwrap();
            state.lifetime = lifetime;
            state.roles = roles.iter().map(|(arn, trust)| ((*arn).to_owned(), trust.clone())).collect();
        }
        sts
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().asked.clone()
    }

    pub(super) fn refused_stale(&self) -> u32 {
        self.0.lock().unwrap().refused_stale
    }

    /// Answers in the query protocol.
    pub(super) fn answer(&self, request: &Request) -> Reply {
        let form: BTreeMap<String, String> = request
            .body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let mut state = self.0.lock().unwrap();
        let role = form["RoleArn"].clone();
        state.asked.push(Asked {
            role: role.clone(),
            external_id: form.get("ExternalId").cloned(),
            session_name: form["RoleSessionName"].clone(),
            duration: form.get("DurationSeconds").cloned(),
        });
        let caller = match form["Action"].as_str() {
            "AssumeRole" => access_key(request),
            "AssumeRoleWithWebIdentity" => format!("token:{}", form["WebIdentityToken"]),
            other => panic!("{other} is not part of the script"),
        };
        let trusted = state.roles.get(&role).is_some_and(|trust| {
            caller.starts_with(&trust.trusts)
                && trust.external_id.is_none_or(|id| form.get("ExternalId").is_some_and(|sent| sent == id))
        });
        if !trusted {
            return refusal(&role);
        }
        let name = role.rsplit('/').next().unwrap();
        let key = format!("ASIA{name}{}", state.issued.len());
        let end = SystemTime::now() + state.lifetime;
        state.issued.push_back((key.clone(), end));
        let action = &form["Action"];
        xml(
            200,
            &format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t-{key}</SessionToken>\
                 <Expiration>{}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>\
                 <Arn>{role}/x</Arn></AssumedRoleUser></{action}Result></{action}Response>",
                timestamp(end)
            ),
        )
    }

    /// Returns the refusal of a request to `DynamoDB` unless it carries a session of this role that has not ended.
    pub(super) fn refuses(&self, request: &Request, role: &str) -> Option<Reply> {
        let mut state = self.0.lock().unwrap();
        let (key, now) = (access_key(request), SystemTime::now());
        let token = request.headers.get("x-amz-security-token").cloned().unwrap_or_default();
        let session = state.issued.iter().find(|(issued, _)| *issued == key && token == format!("t-{key}"));
        match session {
            Some((key, end)) if *end > now && key.starts_with(&format!("ASIA{role}")) => None,
            Some((_, end)) if *end <= now => {
                state.refused_stale += 1;
                Some(Reply::error(
                    400,
                    "ExpiredTokenException",
                    "The security token included in the request is expired",
                ))
            }
            _ => Some(Reply::error(400, "UnrecognizedClientException", "The security token is invalid")),
        }
    }
}

fn access_key(request: &Request) -> String {
    let header = request.headers.get("authorization").map_or("", String::as_str);
    header.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned()
}

fn refusal(role: &str) -> Reply {
    xml(
        403,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole on resource: {role}</Message></Error>\
             <RequestId>r</RequestId></ErrorResponse>"
        ),
    )
}

fn xml(status: u16, body: &str) -> Reply {
    Reply { status, body: body.to_owned(), crc: Crc::Absent, sent: Sent::Whole }
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

fn timestamp(time: SystemTime) -> String {
    use aws_smithy_types::date_time::Format;
    aws_smithy_types::DateTime::from(time).fmt(Format::DateTime).unwrap()
}
