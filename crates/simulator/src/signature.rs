//! Signatures: who signed a request, and whether with the right secret (AWS Signature Version 4).

use hyper::HeaderMap;
use sha2::{Digest as _, Sha256};

/// A request's headers and body, as far as its signature covers them.
#[derive(Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns a part of the Authorization header, such as `Credential`.
    fn part(&self, name: &str) -> Option<&str> {
        let parts = self.header("authorization")?.strip_prefix("AWS4-HMAC-SHA256")?;
        parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
    }

    pub(crate) fn access_key_id(&self) -> Option<&str> {
        self.part("Credential")?.split('/').next()
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.header("x-amz-security-token")
    }

    /// Returns whether the request was signed with this secret.
    pub(crate) fn matches(&self, secret: &str) -> bool {
        self.expected(secret).is_some_and(|expected| self.part("Signature") == Some(&expected))
    }

    fn expected(&self, secret: &str) -> Option<String> {
        let scope = self.part("Credential")?.split_once('/')?.1;
        let names = self.part("SignedHeaders")?;
        let header = |name| {
            let words: Vec<_> = self.header(name)?.split_whitespace().collect();
            Some(format!("{name}:{}\n", words.join(" ")))
        };
        let headers = names.split(';').map(header).collect::<Option<String>>()?;
        let body = hex(&Sha256::digest(self.body));
        let canonical = format!("POST\n{}\n\n{headers}\n{names}\n{body}", self.path);
        let date = self.header("x-amz-date")?;
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let key = scope
            .split('/')
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| hmac(&key, part.as_bytes()).to_vec());
        Some(hex(&hmac(&key, text.as_bytes())))
    }
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.map(|b| b ^ with);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let first = hmac(&[0x0b; 20], b"Hi There");
        assert_eq!(hex(&first), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        let sixth = hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(&sixth), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
