//! JSON web tokens that a private key signs.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use commutator_core::{Error, ErrorKind, Result, Secret};
use pkcs8::der::asn1::BitStringRef;
use pkcs8::der::{AnyRef, Decode as _, Encode as _, pem};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{EncryptedPrivateKeyInfoRef, ObjectIdentifier, SecretDocument};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use sha2::{Digest as _, Sha256};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A private key, and whose it is.
pub(crate) struct KeyPair {
    key: RsaKeyPair,
    issuer: String,
    subject: String,
}

impl KeyPair {
    /// Reads a private key in PEM, as `openssl pkcs8 -topk8` writes it, encrypted if there is a passphrase.
    ///
    /// Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) if it is none, or no RSA key of 2048 to 8192 bits.
    pub(crate) fn read(pem: &Secret, passphrase: Option<&Secret>, account: &str, user: &str) -> Result<Self> {
        let invalid = |message: &'static str| {
            Error::new(ErrorKind::ConfigInvalid, message).with("setting", "private_key, private_key_file")
        };
        let pem = pem.expose().trim();
        let label = pem::decode_label(pem.as_bytes())
            .map_err(|_| invalid("The private key is not PEM, which begins with -----BEGIN PRIVATE KEY-----"))?;
        let (_, document) = SecretDocument::from_pem(pem)
            .map_err(|_| invalid("The private key's PEM cannot be read: it is cut short or was altered"))?;
        let key = match (label, passphrase) {
            ("PRIVATE KEY", None) => document,
            ("PRIVATE KEY", Some(_)) => {
                return Err(Error::new(ErrorKind::ConfigInvalid, "The private key is not encrypted; take the setting out")
                    .with("setting", "private_key_passphrase"));
            }
            ("ENCRYPTED PRIVATE KEY", Some(passphrase)) => EncryptedPrivateKeyInfoRef::from_der(document.as_bytes())
                .map_err(|_| invalid("The private key's encryption is not one of PKCS #8"))?
                .decrypt(passphrase.expose())
                .map_err(|_| {
                    invalid("The private key cannot be decrypted: the passphrase is another one, or the method is not known")
                })?,
            ("ENCRYPTED PRIVATE KEY", None) => {
                return Err(Error::new(ErrorKind::ConfigInvalid, "The private key is encrypted; set its passphrase")
                    .with("setting", "private_key_passphrase"));
            }
            _ => {
                return Err(invalid("The private key is not PKCS #8; convert it with `openssl pkcs8 -topk8`")
                    .with("found", label));
            }
        };
        let key = RsaKeyPair::from_pkcs8(key.as_bytes()).map_err(|_| {
            invalid("The private key is no RSA key that can be used; Snowflake takes those of 2048 bits and more")
        })?;
        let fingerprint = fingerprint(key.public_key().as_ref())
            .map_err(|cause| invalid("The private key's public half cannot be written").with_source(cause))?;
        let subject = format!("{}.{}", account_in_token(account), user.to_uppercase());
        Ok(Self { key, issuer: format!("{subject}.{fingerprint}"), subject })
    }

    /// Signs a token that begins now and is valid for so long.
    pub(crate) fn sign(&self, now: Duration, validity: Duration) -> Result<Secret> {
        let header = serde_json::json!({ "alg": "RS256", "typ": "JWT" });
        let claims = serde_json::json!({
            "iss": self.issuer,
            "sub": self.subject,
            "iat": now.as_secs(),
            "exp": (now + validity).as_secs(),
        });
        let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| Error::new(ErrorKind::Unexpected, "The private key did not sign"))?;
        token.push('.');
        token.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature));
        Ok(Secret::new(token))
    }
}

/// The fingerprint that `DESCRIBE USER` shows as `RSA_PUBLIC_KEY_FP`: of the public key as X.509 writes it, from the form of PKCS #1.
fn fingerprint(public: &[u8]) -> Result<String, pkcs8::der::Error> {
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) },
        subject_public_key: BitStringRef::from_bytes(public)?,
    };
    Ok(format!("SHA256:{}", BASE64_STANDARD.encode(Sha256::digest(info.to_der()?))))
}

/// The account as a token names it: in upper case, and an account locator without its region.
///
/// As the sample code of the page on authenticating does it ("exclude any region information from the account locator").
fn account_in_token(account: &str) -> String {
    let end = if account.contains(".global") { '-' } else { '.' };
    account.split_once(end).map_or(account, |(locator, _)| locator).to_uppercase()
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    const PLAIN: &str = include_str!("testdata/rsa.p8");
    /// Made with `openssl pkcs8 -topk8 -v2 des3`, as Snowflake's page on key pairs does it; the passphrase is `correct horse`.
    const DES3: &str = include_str!("testdata/rsa_des3.p8");
    /// The same with `-v2 aes256`.
    const AES: &str = include_str!("testdata/rsa_aes256.p8");
    /// `openssl rsa -in rsa.p8 -pubout -outform DER | openssl dgst -sha256 -binary | openssl enc -base64`, as that page says.
    const FINGERPRINT: &str = include_str!("testdata/fingerprint.txt");

    fn read(pem: &str, passphrase: Option<&str>, account: &str) -> Result<KeyPair> {
        let passphrase = passphrase.map(|text| Secret::new(text.to_owned()));
        KeyPair::read(&Secret::new(pem.to_owned()), passphrase.as_ref(), account, "commutator")
    }

    pub(in crate::auth) fn pair() -> KeyPair {
        read(PLAIN, None, "myorg-shop").unwrap()
    }

    #[test]
    fn a_token_says_who_and_how_long_and_its_signature_holds() {
        let pair = pair();
        let token = pair.sign(Duration::from_secs(1_700_000_000), Duration::from_mins(55)).unwrap();
        let parts: Vec<_> = token.expose().split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("not three parts") };
        let json = |part: &str| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(json(header), r#"{"alg":"RS256","typ":"JWT"}"#);
        let fingerprint = FINGERPRINT.trim();
        assert_eq!(
            json(claims),
            format!(
                r#"{{"iss":"MYORG-SHOP.COMMUTATOR.SHA256:{fingerprint}","sub":"MYORG-SHOP.COMMUTATOR","iat":1700000000,"exp":1700003300}}"#
            )
        );
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.key.public_key().as_ref());
        let signed = format!("{header}.{claims}");
        public.verify(signed.as_bytes(), &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        assert!(!format!("{token:?}").contains(signature));
    }

    #[test]
    fn encrypted_keys_are_the_same_key() {
        for pem in [DES3, AES] {
            let pair = read(pem, Some("correct horse"), "a").unwrap();
            assert!(pair.issuer.ends_with(FINGERPRINT.trim()), "{}", pair.issuer);
        }
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_without_being_shown() {
        let rsa = PLAIN.replace("PRIVATE KEY", "RSA PRIVATE KEY");
        let cut = PLAIN.replace("MII", "");
        for (pem, passphrase, says) in [
            (DES3, None, "encrypted"),
            (DES3, Some("battery staple"), "decrypted"),
            (PLAIN, Some("correct horse"), "not encrypted"),
            ("hunter2", None, "not PEM"),
            (rsa.as_str(), None, "not PKCS #8"),
            (cut.as_str(), None, "The private key"),
        ] {
            let error = read(pem, passphrase, "a").map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
            let said = format!("{} {error:?}", error.report());
            assert!(said.contains(says), "{said}");
            assert!(!said.contains("hunter2") && !said.contains("battery") && !said.contains("MII"), "{said}");
        }
    }

    #[test]
    fn accounts_are_named_as_tokens_name_them() {
        for (account, named) in [
            ("myorg-my_account", "MYORG-MY_ACCOUNT"),
            ("xy12345.eu-central-1", "XY12345"),
            ("xy12345.us-east-2.aws", "XY12345"),
            ("acme-abc123.global", "ACME"),
        ] {
            assert_eq!(account_in_token(account), named);
        }
    }
}
