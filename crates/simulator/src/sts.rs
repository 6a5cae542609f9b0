//! STS: roles are assumed in the query protocol, form fields in and XML out.

use crate::access::{Access, Issued, RoleRequest};
use crate::clock::rfc3339;
use crate::error::{Error, Result, escape_xml};
use crate::operation::Operation;
use crate::signature::Signed;

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn read(body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let fields = body.split('&').filter_map(|field| field.split_once('='));
        Self(fields.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| {
            Error::new(
                400,
                "ValidationError",
                format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }
}

/// Does what is asked; returns the body of the answer. `caller` is who signed it.
pub(crate) fn answer(
    operation: Operation,
    form: &Form,
    access: &mut Access,
    (caller, signed): (&str, &Signed<'_>),
    (now, request_id): (u64, &str),
) -> Result<String> {
    let result = match operation {
        Operation::GetCallerIdentity => {
            let arn = access.arn_of(signed.access_key_id().unwrap_or_default(), caller);
            let (arn, account) = (escape_xml(&arn), &access.account);
            format!("<Arn>{arn}</Arn><UserId>AIDASIMULATED</UserId><Account>{account}</Account>")
        }
        Operation::AssumeRole | Operation::AssumeRoleWithWebIdentity => {
            let seconds = form.get("DurationSeconds").unwrap_or("3600").parse();
            let request = RoleRequest {
                role: form.required("RoleArn")?,
                session: form.required("RoleSessionName")?,
                external_id: form.get("ExternalId"),
                token: form.get("WebIdentityToken"),
                seconds: seconds.map_err(|_| Error::new(400, "ValidationError", "DurationSeconds is not a number"))?,
            };
            credentials(&access.assume(&request, caller, now)?)
        }
        _ => return Err(Error::new(400, "InvalidAction", format!("Could not find operation {}", operation.name()))),
    };
    let name = operation.name();
    Ok(format!(
        "<{name}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{name}Result>{result}</{name}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>"
    ))
}

fn credentials(issued: &Issued) -> String {
    let arn = escape_xml(&issued.arn);
    let session = issued.arn.rsplit('/').next().unwrap_or_default();
    format!(
        "<AssumedRoleUser><AssumedRoleId>AROASIMULATED:{}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{}</Expiration></Credentials>",
        escape_xml(session),
        issued.access_key_id,
        issued.secret,
        issued.token,
        rfc3339(issued.expires)
    )
}

/// Decodes a form's text: `+` is a space, `%41` an A.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let form = Form::read(b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx&ExternalId=a+b%2&Empty=");
        assert_eq!(form.get("RoleArn"), Some("arn:aws:iam::1:role/x"));
        assert_eq!(form.get("ExternalId"), Some("a b%2"));
        assert_eq!(form.get("Empty"), Some(""));
        assert_eq!(form.get("Missing"), None);
    }
}
