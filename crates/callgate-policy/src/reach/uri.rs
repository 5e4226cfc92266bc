//! URIs as policies read them: as written, in normal form, and refused where readers of URIs disagree.

use std::borrow::Cow;
use std::fmt::Write;
use url::{Position, Url};

/// What separates the parts of a URI in which `..` could be a step up.
const SEPARATORS: [char; 7] = ['/', '?', '#', ':', ';', '=', '&'];
/// The schemes whose URLs every parser has to be able to read (WHATWG URL, "special scheme").
const SPECIAL: [&str; 6] = ["http", "https", "file", "ws", "wss", "ftp"];

/// How a URI reads beside the way it is written; both empty where no URL parser can read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Readings {
    /// In normal form.
    pub(crate) normal: Option<String>,
    /// In normal form, reduced to what a server looks up: without query, fragment, `/` at the end, host of a file.
    pub(crate) bare: Option<String>,
}

/// Reads a URI, or the text of a URI template.
///
/// # Errors
/// What servers and clients are known to read in different ways, as the end of "it has …".
pub(crate) fn read(text: &str, is_template: bool) -> Result<Readings, &'static str> {
    suspicious(text)?;
    let scheme = scheme(text).map(str::to_ascii_lowercase);
    let Ok(url) = Url::parse(text) else {
        let must_parse = scheme.is_some_and(|scheme| SPECIAL.contains(&&*scheme));
        if must_parse && !is_template {
            return Err("a form that no URL parser can read");
        }
        return if steps_up(text) { Err(STEP_UP) } else { Ok(Readings::default()) };
    };
    if matches!(url.scheme(), "http" | "https") && has_user(text) {
        return Err("user information before the host");
    }
    if !url.cannot_be_a_base() && steps(path_as_written(text)) != steps(url.path()) {
        return Err("a path that can be resolved in two ways");
    }
    let normal = normal(&url);
    if steps_up(&normal) {
        return Err(STEP_UP);
    }
    Ok(Readings { bare: Some(bare(&url)), normal: Some(normal) })
}

const STEP_UP: &str = "a step up (`..`) where it can't be resolved";

/// The normal form of a pattern: that of its scheme and host, where no star stands in them; of the rest only escapes.
pub(crate) fn normal_pattern(text: &str) -> String {
    if !text.contains('*') {
        let normal = read(text, false).ok().and_then(|readings| readings.normal);
        return normal.unwrap_or_else(|| resolved(text));
    }
    let Some((scheme, after)) = scheme(text).and_then(|scheme| Some((scheme, text.get(scheme.len()..)?))) else {
        return resolved(text);
    };
    let scheme = scheme.to_ascii_lowercase();
    let Some(after) = after.strip_prefix("://") else {
        return format!("{scheme}{}", resolved(after));
    };
    let (authority, rest) = after.split_at(after.find(['/', '?', '#']).unwrap_or(after.len()));
    let parsed = Url::parse(&format!("{scheme}://{authority}/")).ok();
    match parsed.filter(|_| !authority.contains('*') && rest.starts_with('/')) {
        Some(url) => {
            let head = normal(&url);
            format!("{}{}", head.strip_suffix('/').unwrap_or(&head), resolved(rest))
        }
        None if SPECIAL.contains(&&*scheme) => {
            format!("{scheme}://{}{}", authority.to_ascii_lowercase(), resolved(rest))
        }
        None => format!("{scheme}://{authority}{}", resolved(rest)),
    }
}

/// The scheme, without its colon (RFC 3986 section 3.1).
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let mut chars = scheme.chars();
    let is_scheme =
        chars.next()?.is_ascii_alphabetic() && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(scheme)
}

/// What is refused by the text alone.
fn suspicious(text: &str) -> Result<(), &'static str> {
    if text.chars().any(char::is_control) {
        return Err("control characters");
    }
    if text.contains('\\') {
        return Err("a backslash");
    }
    if text.trim() != text {
        return Err("white space around it");
    }
    // Behind `?` and `#` an escaped `/` is data: every redirect address has some.
    let path_end = text.find(['?', '#']).unwrap_or(text.len());
    for (at, _) in text.match_indices('%') {
        let mut escape = text.as_bytes().get(at + 1..).unwrap_or_default();
        let is_in_path = at < path_end;
        // `%252f` is `%2f` to a reader that decodes twice.
        while let (true, Some(inner)) = (is_in_path, escape.strip_prefix(b"25")) {
            escape = inner;
        }
        match escape {
            [b'2', b'f' | b'F', ..] if is_in_path => return Err("an escaped `/` (`%2f`)"),
            [b'5', b'c' | b'C', ..] => return Err("an escaped backslash (`%5c`)"),
            [b'2', b'e' | b'E', ..] => return Err("an escaped `.` (`%2e`)"),
            [b'0', b'0', ..] => return Err("an escaped NUL (`%00`)"),
            _ => {}
        }
    }
    Ok(())
}

fn has_user(text: &str) -> bool {
    let after = text.split_once(':').map_or("", |(_, after)| after).trim_start_matches('/');
    after.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn steps_up(text: &str) -> bool {
    text.split(SEPARATORS).any(|part| part == "..")
}

/// The path by the text alone, as a reader takes it that cuts off `scheme://host`.
fn path_as_written(text: &str) -> &str {
    let after = text.split_once(':').map_or("", |(_, after)| after);
    let before_query = after.split(['?', '#']).next().unwrap_or_default();
    match before_query.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => before_query,
    }
}

/// The steps of a path as a file system takes them: `//` is one `/`, `..` removes the step before it.
fn steps(path: &str) -> Vec<Cow<'_, str>> {
    let mut steps = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(steps.pop()),
            part => steps.push(unescaped(part, false)),
        }
    }
    steps
}

fn normal(url: &Url) -> String {
    let mut out = String::with_capacity(url.as_str().len());
    put_head(url, url.authority(), &mut out);
    put_path(url, &mut out);
    out.push_str(&unescaped(&url[Position::AfterPath..], true));
    out
}

fn bare(url: &Url) -> String {
    let mut out = String::with_capacity(url.as_str().len());
    put_head(url, if url.scheme() == "file" { "" } else { url.authority() }, &mut out);
    put_path(url, &mut out);
    out.truncate(out.trim_end_matches('/').len());
    out
}

fn put_head(url: &Url, authority: &str, out: &mut String) {
    out.push_str(url.scheme());
    out.push(':');
    if !url.has_authority() {
        return;
    }
    out.push_str("//");
    match url.host_str().filter(|host| SPECIAL.contains(&url.scheme()) && host.ends_with('.')) {
        // `example.com.` is the host `example.com`.
        Some(host) => out.push_str(&authority.replacen(host, host.trim_end_matches('.'), 1)),
        None => out.push_str(&unescaped(authority, false)),
    }
}

fn put_path(url: &Url, out: &mut String) {
    let path = unescaped(url.path(), false);
    if url.cannot_be_a_base() {
        return out.push_str(&path);
    }
    let mut last = ' ';
    for c in path.chars() {
        if c != '/' || last != '/' {
            out.push(c);
        }
        last = c;
    }
}

/// The text of a URI with the escapes resolved that mean nothing but their character.
pub(crate) fn resolved(text: &str) -> String {
    let (path, rest) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    format!("{}{}", unescaped(path, false), unescaped(rest, true))
}

/// The text with its escapes resolved, but those of `%`, `*`, `?`, `#`, control characters, what is no UTF-8 and, before
/// the query, `/`. What stays escaped gets capital digits.
fn unescaped(text: &str, is_query: bool) -> Cow<'_, str> {
    let Some(first) = text.find('%') else {
        return Cow::Borrowed(text);
    };
    let (plain, rest) = text.split_at(first);
    let (mut out, mut rest) = (plain.to_owned(), rest);
    let mut bytes = Vec::new();
    while let Some(c) = rest.chars().next() {
        if let Some(byte) = escape(rest) {
            bytes.push(byte);
            rest = rest.get(3..).unwrap_or_default();
            continue;
        }
        put_bytes(&mut bytes, is_query, &mut out);
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    put_bytes(&mut bytes, is_query, &mut out);
    Cow::Owned(out)
}

/// The byte that an escape at the text's beginning stands for.
fn escape(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?.get(..2)?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok()
}

fn put_bytes(bytes: &mut Vec<u8>, is_query: bool, out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let stays = c.is_ascii_control() || matches!(c, '%' | '*' | '?' | '#') || c == '/' && !is_query;
            if stays { put_escape(u32::from(c), out) } else { out.push(c) }
        }
        chunk.invalid().iter().for_each(|byte| put_escape(u32::from(*byte), out));
    }
    bytes.clear();
}

fn put_escape(byte: u32, out: &mut String) {
    // Writing to a string can't fail.
    let _ = write!(out, "%{byte:02X}");
}
