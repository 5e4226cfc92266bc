//! Names, URLs, tokens and identities: what can be one, and how new ones are made.

use crate::error::{Error, Kind};
use crate::secret::{Secret, TokenKey};
use callgate_policy::ServerName;
use zeroize::Zeroizing;

/// Names that can't be a server's: they are endpoints of the gateway's own.
const RESERVED: &[&str] = &["callgate"];

/// A server's name that can be used. CG3040.
pub fn server_name(name: &str) -> Result<ServerName, Error> {
    let parsed = ServerName::parse(name).map_err(|error| unusable(error.to_string(), "choose another name"))?;
    if RESERVED.contains(&name) {
        return Err(unusable(format!("the server name `{name}` is reserved"), "choose another name"));
    }
    Ok(parsed)
}

/// A policy's name that can be used: it is a part of URLs too. CG3040.
pub fn policy_name(name: &str) -> Result<(), Error> {
    if ServerName::parse(name).is_ok() {
        return Ok(());
    }
    let message = format!("`{}` is not a usable policy name", name.chars().take(80).collect::<String>());
    Err(unusable(message, "1 to 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit"))
}

/// A label that can be used: 1 to 100 characters, none of them a control character. CG3040.
pub fn label(text: &str) -> Result<(), Error> {
    if (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(unusable("a label has 1 to 100 characters and no control characters", "choose another label"))
}

/// Whether a server can be reached under this URL, as far as its text tells; an error completes the sentence
/// "`URL` …".
pub fn check_url(url: &str) -> Result<(), &'static str> {
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

/// Whether a token is one that a client can send and nobody can guess; an error is a sentence without an end.
pub fn check_token(token: &str) -> Result<(), &'static str> {
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

/// A new token (the prefix and 43 base64url characters) and the hash that is kept of it.
pub fn mint_token(prefix: &str, key: &TokenKey) -> Result<(Secret, String), Error> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(random()?);
    let length = prefix.len() + 43;
    // At once as long as it gets: a text that grows leaves a copy of itself behind.
    let mut token = String::with_capacity(length);
    token.push_str(prefix);
    let mut bits = (0u32, 0u32);
    for byte in bytes.iter().copied().chain([0]) {
        bits = ((bits.0 << 8) | u32::from(byte), bits.1 + 8);
        while bits.1 >= 6 && token.len() < length {
            bits.1 -= 6;
            let digit = (bits.0 >> bits.1) & 0x3f;
            token.extend(ALPHABET.get(digit as usize).map(|letter| char::from(*letter)));
        }
    }
    let hash = key.hash(&token);
    Ok((Secret::new(token), hash))
}

/// A new identity: the prefix (`g_`, `p_`, …) and 16 random hexadecimal digits.
pub fn new_id(prefix: &str) -> Result<String, Error> {
    Ok(format!("{prefix}{}", hex::encode(random::<8>()?)))
}

/// A new random UUID (RFC 9562, version 4).
pub fn new_uuid() -> Result<String, Error> {
    Ok(uuid(random()?, 4))
}

/// The UUID of a server that the configuration file declares: the same at every start (RFC 9562, version 8).
pub fn declared_uuid(name: &str) -> String {
    let digest = blake3::derive_key("callgate 2026-11 declared server uuid", name.as_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, digest)| *byte = digest);
    uuid(bytes, 8)
}

/// Random bytes from the operating system. CG3013.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => {
            let message = format!("the operating system gives no random bytes: {error}");
            Err(Error::new(Kind::Unavailable, "CG3013", message, "without them no key or token can be made"))
        }
    }
}

fn uuid(bytes: [u8; 16], version: u128) -> String {
    let bits = u128::from_be_bytes(bytes);
    let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (version << 76) | (0x2 << 62);
    let (a, b, c) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", (bits >> 48) & 0xffff, bits & 0xffff_ffff_ffff)
}

fn unusable(message: impl Into<String>, remedy: &'static str) -> Error {
    Error::new(Kind::Invalid, "CG3040", message, remedy)
}

/// Whether a text begins as the tokens do that the gateway makes.
pub(crate) fn is_token(text: &str) -> bool {
    ["cg_", "cga_", "cgs_", "cgl_"].iter().any(|prefix| text.starts_with(prefix)) && text.len() >= 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_distinct_and_usable() {
        let key = TokenKey::new([7; 32]);
        let (one, hash) = mint_token("cg_", &key).unwrap();
        let (two, _) = mint_token("cg_", &key).unwrap();
        assert_eq!((one.reveal().len(), check_token(one.reveal())), (46, Ok(())));
        assert!(one != two);
        assert_eq!(key.hash(one.reveal()), hash);
        assert_ne!(TokenKey::new([8; 32]).hash(one.reveal()), hash);
    }

    #[test]
    fn identities_are_as_long_as_they_should_be() {
        assert_eq!(new_id("g_").unwrap().len(), 18);
        assert_ne!(new_uuid().unwrap(), new_uuid().unwrap());
        assert_eq!(declared_uuid("kernel"), declared_uuid("kernel"));
        let uuid = declared_uuid("kernel");
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "8"));
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

    #[test]
    fn names_that_cannot_be_servers() {
        for (name, usable) in [("kernel", true), ("callgate", false), ("", false), ("a/b", false), ("-a", false)] {
            assert_eq!(server_name(name).map_err(|error| error.code).err(), (!usable).then_some("CG3040"), "{name}");
        }
    }
}
