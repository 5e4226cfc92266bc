//! Signatures as Standard Webhooks 1.0.0 has them: HMAC-SHA256 over identity, timestamp and body.

use crate::error::{Error, Kind};
use crate::names;
use crate::secret::Secret;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// A new secret: 32 random bytes.
pub(super) fn new_secret() -> Result<Secret, Error> {
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(names::random()?);
    let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    Ok(Secret::new([PREFIX, &encoded].concat()))
}

/// The value of `webhook-signature`: one signature per secret.
pub(super) fn signature<'s>(
    secrets: impl Iterator<Item = &'s Secret>,
    id: &str,
    seconds: i64,
    body: &[u8],
) -> Result<String, Error> {
    let mut signatures = String::new();
    for secret in secrets {
        let key = key(secret)?;
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str("v1,");
        signatures.push_str(&STANDARD.encode(context.sign()));
    }
    Ok(signatures)
}

fn key(secret: &Secret) -> Result<hmac::Key, Error> {
    let encoded = secret.reveal().strip_prefix(PREFIX);
    let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).map(Zeroizing::new);
    let bytes = bytes.ok_or_else(|| {
        let message = "a webhook's secret is not what this version writes";
        Error::new(Kind::Unavailable, "CG3103", message, "rotate it, or restore a backup of the database")
    })?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_known_example_is_signed_alike() {
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let body = br#"{"test": 2432232314}"#;
        let signed = signature([&secret].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = signature([&secret, &secret].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(both.unwrap(), format!("{signed} {signed}"));
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), PREFIX.len() + 44);
        assert!(key(&one).is_ok());
        assert_eq!(key(&Secret::new("whsec_!".to_owned())).unwrap_err().code, "CG3103");
    }
}
