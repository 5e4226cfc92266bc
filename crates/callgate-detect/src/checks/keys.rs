//! Keys that can be read: private keys up to their end, tokens by their header.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::ops::Range;

/// The longest private key, in bytes. The longest in use, RSA of 16,384 bits, has less than 13,000.
const LONGEST: usize = 32 << 10;
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A private key from its first line to the end of its last; without a last line, as far as it looks like a key.
pub(super) fn private_key(text: &str, header: Range<usize>) -> Range<usize> {
    let rest = text.get(header.end..).unwrap_or_default();
    let rest = rest.get(..floor(rest, LONGEST)).unwrap_or_default();
    let body = rest.find(|c: char| !is_of_key(c)).unwrap_or(rest.len());
    let end = rest.find(END).and_then(|at| {
        let behind = at + END.len();
        let dashes = rest.get(behind..)?.find(DASHES)?;
        (dashes < 60).then_some(behind + dashes + DASHES.len())
    });
    // An end line far off belongs to another key, where something else comes before it.
    match end {
        Some(end) if end <= body + END.len() + 80 => header.start..header.end + end,
        _ => header.start..header.end + body,
    }
}

/// Characters of a key with its headers, also where line ends are escaped.
fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\n' | '\r' | '\t' | ' ' | '\\' | ':' | ',' | '-' | '.')
}

fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Whether the first part is a header of JOSE: a JSON object with `alg`.
pub(super) fn is_jwt(token: &str) -> bool {
    let header = token.split('.').next().unwrap_or_default();
    let Ok(decoded) = URL_SAFE_NO_PAD.decode(header) else { return false };
    std::str::from_utf8(&decoded).is_ok_and(|json| json.starts_with('{') && json.contains("\"alg\""))
}
