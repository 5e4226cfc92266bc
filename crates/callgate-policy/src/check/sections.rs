//! Sections for what is no tool: patterns that match nothing, or more than they look like.

use crate::Glob;
use crate::model::{List, Pattern, Policy};
use crate::parse::reader::Reader;
use crate::parse::wording::shown;
use crate::reach::{FORM, ReachKind, uri};
use std::collections::HashMap;
use std::sync::Arc;

/// Warns about the sections of a document.
pub(super) fn warn(reader: &mut Reader<'_>, policy: &Policy) {
    for (kind, section) in policy.sections.iter() {
        for list in [&section.allow, &section.deny].into_iter().flatten() {
            twice(reader, list);
        }
        if kind.is_of_uris() {
            let allowed = section.allow.iter().flat_map(|list| &list.patterns).map(|pattern| (pattern, true));
            let denied = section.deny.iter().flat_map(|list| &list.patterns).map(|pattern| (pattern, false));
            for (pattern, is_allowed) in allowed.chain(denied) {
                spelling(reader, kind, pattern, is_allowed);
            }
        }
        if let (Some(allow), Some(deny)) = (&section.allow, &section.deny) {
            denied_wholly(reader, allow, deny);
        }
    }
}

fn twice(reader: &mut Reader<'_>, list: &List) {
    let mut lines: HashMap<&Arc<str>, u32> = HashMap::new();
    for pattern in &list.patterns {
        if let Some(line) = lines.get(&pattern.text) {
            let message = format!("`{}` stands twice in `{}`, first in line {line}", shown(&pattern.text), list.rule);
            reader.warning_at("CG1101", &pattern.place, message, "remove one of the two");
        } else {
            lines.insert(&pattern.text, pattern.place.line);
        }
    }
}

/// A pattern that matches another pattern's text matches all that the other does: its stars take the other's stars in.
fn denied_wholly(reader: &mut Reader<'_>, allow: &List, deny: &List) {
    for pattern in &allow.patterns {
        if let Some(denied) = deny.matching_text(&pattern.text) {
            let (text, by, line) = (shown(&pattern.text), shown(&denied.text), denied.place.line);
            let message = format!("`{text}` allows nothing: `{by}` in line {line} denies all of it");
            reader.warning_at(
                "CG1109",
                &pattern.place,
                message,
                "`deny` comes first: narrow it, or remove one of the two",
            );
        }
    }
}

fn spelling(reader: &mut Reader<'_>, kind: ReachKind, pattern: &Pattern, is_allowed: bool) {
    let text = &*pattern.text;
    let (code, message, hint) = match oddity(kind, text, is_allowed) {
        Some(Oddity::Never(why, hint)) => ("CG1110", format!("`{}` matches nothing: {why}", shown(text)), hint),
        Some(Oddity::Other(why, hint)) => ("CG1111", format!("`{}` {why}", shown(text)), hint),
        None => return,
    };
    reader.warning_at(code, &pattern.place, message, &hint);
}

/// What is odd about a pattern: why, and what to do.
enum Oddity {
    Never(String, String),
    Other(String, String),
}

fn oddity(kind: ReachKind, text: &str, is_allowed: bool) -> Option<Oddity> {
    let is_form = kind == ReachKind::Elicitation && Glob::new(text).matches(FORM);
    if is_form || text.chars().all(|c| c == '*') {
        return None;
    }
    let Some(scheme) = uri::scheme(text) else {
        return without_scheme(kind, text, is_allowed);
    };
    // A star is no part of a URI that could be at fault; a template is read more leniently.
    if let Err(why) = uri::read(text, true) {
        let why = format!("a URI that has {why} is refused");
        return Some(Oddity::Never(why, "write it as servers and clients do, in plain form".to_owned()));
    }
    let after = text.get(scheme.len()..).unwrap_or_default();
    let host = after.strip_prefix("://").map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    if scheme.eq_ignore_ascii_case("file")
        && let Some(host) = host.filter(|host| !host.is_empty())
    {
        let why = format!("names a file on the host `{}`", shown(host));
        let rest = after.trim_start_matches([':', '/']);
        return Some(Oddity::Other(why, format!("a path begins behind three slashes: `file:///{}`", shown(rest))));
    }
    let is_web = matches!(&*scheme.to_ascii_lowercase(), "http" | "https");
    if is_allowed && is_web && host.is_some_and(|host| is_open(host) && after.len() == "://".len() + host.len()) {
        let why = "also allows other hosts whose name only begins alike".to_owned();
        return Some(Oddity::Other(why, format!("end the host with `/`: `{}/*`", shown(text.trim_end_matches('*')))));
    }
    not_normal(text)
}

fn without_scheme(kind: ReachKind, text: &str, is_allowed: bool) -> Option<Oddity> {
    if text.starts_with('*') {
        let is_host = is_allowed && kind == ReachKind::Elicitation && !text.contains("://");
        return is_host.then(|| {
            let why = "also allows addresses of other hosts that have this in their path".to_owned();
            Oddity::Other(
                why,
                "write the address from its beginning, such as `https://accounts.example.com/*`".to_owned(),
            )
        });
    }
    let hint = match kind {
        ReachKind::Elicitation => format!("write `form`, or an address such as `https://{}`", shown(text)),
        _ if text.starts_with('/') => format!("write the scheme too: `file://{}`", shown(text)),
        _ => "write the scheme too, such as `file:///workspace/*`".to_owned(),
    };
    // A star before the first colon could still be a scheme.
    let could_be = text.split([':', '/']).next().is_some_and(|head| head.contains('*') && is_scheme_text(head));
    (!could_be).then(|| Oddity::Never("it has no scheme, and every URI has one".to_owned(), hint))
}

fn is_scheme_text(head: &str) -> bool {
    head.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '*'))
}

/// Whether a host ends in a star that continues a name.
fn is_open(host: &str) -> bool {
    host.trim_end_matches('*').ends_with(|c: char| c.is_alphanumeric()) && host.ends_with('*')
}

fn not_normal(text: &str) -> Option<Oddity> {
    let normal = uri::normal_pattern(text);
    let is_step = |part: &str| matches!(part, "." | "..");
    let path = text.split_once("://").map_or(text, |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
    let has_steps = path.split('/').any(is_step) || path.contains("//");
    let is_spelled_otherwise = normal != uri::resolved(text) && normal.strip_suffix('/') != Some(text);
    if !has_steps && !is_spelled_otherwise {
        return None;
    }
    let hint = match is_spelled_otherwise && !has_steps {
        true => format!("write `{}`", shown(&normal)),
        false => "leave out `.`, `..` and doubled slashes".to_owned(),
    };
    Some(Oddity::Other("is not in normal form, in which URIs are judged too".to_owned(), hint))
}
