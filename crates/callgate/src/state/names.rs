//! Names, URLs, tokens and identities: what can be one, and how new ones are made.

use crate::data;
use crate::failure::Failure;
use callgate_policy::ServerName;
use callgate_proxy::TokenKey;

/// Names that can't be a server's: they are endpoints of the gateway's own.
const RESERVED: &[&str] = &["callgate"];

/// A server's name that can be used.
pub(crate) fn server_name(name: &str) -> Result<ServerName, Failure> {
    let parsed = ServerName::parse(name)
        .map_err(|error| Failure::cannot_run("CG3040", error.to_string(), "choose another name"))?;
    if RESERVED.contains(&name) {
        let message = format!("the server name `{name}` is reserved");
        return Err(Failure::cannot_run("CG3040", message, "choose another name"));
    }
    Ok(parsed)
}

/// A policy's name that can be used: it is a folder's name too.
pub(crate) fn policy_name(name: &str) -> Result<(), Failure> {
    match ServerName::parse(name) {
        Ok(_) => Ok(()),
        Err(_) => {
            let message = format!("`{}` is not a usable policy name", name.chars().take(80).collect::<String>());
            let remedy = "1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit";
            Err(Failure::cannot_run("CG3040", message, remedy))
        }
    }
}

/// Whether a server can be reached under this URL, as far as its text tells; an error completes the sentence
/// "`URL` …".
pub(crate) fn check_url(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match authority {
        None => Err("has to begin with `https://` or `http://`"),
        Some("") => Err("has no host"),
        Some(authority) if authority.contains('@') => Err("has a user in it; send credentials in a header"),
        Some(_) if url.contains('#') => Err("has a fragment"),
        Some(_) if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) => Err("has white space or control characters"),
        Some(_) => Ok(()),
    }
}

/// Whether a token is one that a client can send and nobody can guess.
pub(crate) fn check_token(token: &str) -> Result<(), &'static str> {
    if token.len() < 32 {
        return Err("the token is shorter than 32 characters");
    }
    if token.len() > 512 {
        return Err("the token is longer than 512 characters");
    }
    // RFC 6750 section 2.1, b64token.
    let usable =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.bytes().all(usable) { Ok(()) } else { Err("the token has characters that a bearer token can't have") }
}

/// A new token and the hash that is kept of it.
pub(crate) fn mint_token(prefix: &str, key: &TokenKey) -> Result<(String, String), Failure> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes: [u8; 32] = data::random()?;
    let mut token = String::from(prefix);
    let mut bits = (0u32, 0u32);
    for byte in bytes.into_iter().chain([0]) {
        bits = ((bits.0 << 8) | u32::from(byte), bits.1 + 8);
        while bits.1 >= 6 && token.len() < prefix.len() + 43 {
            bits.1 -= 6;
            let digit = (bits.0 >> bits.1) & 0x3f;
            token.extend(ALPHABET.get(digit as usize).map(|letter| char::from(*letter)));
        }
    }
    let hash = hash_token(&token, key);
    Ok((token, hash))
}

/// The keyed hash of a token, in hexadecimal: all that is kept of it.
pub(crate) fn hash_token(token: &str, key: &TokenKey) -> String {
    hex::encode(key.digest(token.as_bytes()).0)
}

/// A new random UUID (RFC 9562, version 4).
pub(crate) fn new_uuid() -> Result<String, Failure> {
    Ok(uuid(data::random()?, 4))
}

/// The UUID of a server that the configuration file declares: the same at every start (RFC 9562, version 8).
pub(crate) fn declared_uuid(name: &str) -> String {
    let digest = blake3::derive_key("callgate 2026-11 declared server uuid", name.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, digest)| *byte = digest);
    uuid(bytes, 8)
}

fn uuid(bytes: [u8; 16], version: u128) -> String {
    let bits = u128::from_be_bytes(bytes);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (version << 76) | (0x2 << 62);
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", (bits >> 48) & 0xffff, bits & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_distinct_and_usable() {
        let key = TokenKey::new([7; 32]);
        let (one, hash) = mint_token("cg_", &key).unwrap();
        let (two, _) = mint_token("cg_", &key).unwrap();
        assert_eq!((one.len(), check_token(&one)), (46, Ok(())));
        assert_ne!(one, two);
        assert_eq!(hash_token(&one, &key), hash);
        assert_ne!(hash_token(&one, &TokenKey::new([8; 32])), hash);
    }

    #[test]
    fn urls_that_cannot_be_servers() {
        for (url, usable) in [
            ("https://mcp.example.com/mcp?x=1", true),
            ("http://127.0.0.1:1/", true),
            ("mcp.example.com", false),
            ("http:///x", false),
            ("http://user:pass@host/", false),
            ("http://host/#x", false),
            ("http://host/ x", false),
        ] {
            assert_eq!(check_url(url).is_ok(), usable, "{url}");
        }
    }
}
