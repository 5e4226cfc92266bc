//! Characters that a person doesn't see, or sees as others.

use super::{Finding, FindingKind, FindingSeverity};
use crate::tool::Text;

/// Looks for invisible and bidirectional control characters; one finding per kind and text.
pub(super) fn check(text: &Text, found: &mut Vec<Finding>) {
    let mut seen: Vec<FindingKind> = Vec::new();
    let mut before = None;
    let mut flag = false;
    let mut chars = text.text.char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        // The flags of England, Scotland and Wales are spelled with tag characters behind a black flag.
        flag = ch == '\u{1F3F4}' || (flag && is_tag(ch));
        let judged = judge(ch, before, next).filter(|_| !flag);
        before = Some(ch);
        let Some((kind, severity, why)) = judged else { continue };
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind);
        found.push(Finding {
            kind,
            severity,
            place: text.place.clone(),
            span: (at, at + ch.len_utf8()),
            what: format!("U+{:04X}", u32::from(ch)),
            why: why.to_owned(),
        });
    }
}

/// Looks for names that imitate, or that no policy can list.
pub(super) fn check_name(name: &str, found: &mut Vec<Finding>) {
    let mut push = |kind, severity, what: String, why: &str| {
        found.push(Finding {
            kind,
            severity,
            place: "/name".to_owned(),
            span: (0, name.len()),
            what,
            why: why.to_owned(),
        });
    };
    let foreign = name.chars().find(|ch| ch.is_alphabetic() && !ch.is_ascii());
    if let Some(ch) = foreign.filter(|_| name.chars().any(|ch| ch.is_ascii_alphabetic())) {
        let why = "letters of different alphabets in one name: it can look like another tool's";
        push(FindingKind::LookAlike, FindingSeverity::High, format!("`{ch}` (U+{:04X})", u32::from(ch)), why);
    }
    if name.contains('*') {
        let why = "`*` in a policy means any run of characters, so no entry can list this tool alone";
        push(FindingKind::UnlistableName, FindingSeverity::High, name.to_owned(), why);
    }
}

fn judge(ch: char, before: Option<char>, next: Option<char>) -> Option<(FindingKind, FindingSeverity, &'static str)> {
    let plain = |ch: Option<char>| ch.is_none_or(|ch| ch.is_ascii());
    match ch {
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Some((
            FindingKind::BidiControl,
            FindingSeverity::High,
            "a bidirectional control: people read another text than models",
        )),
        _ if is_tag(ch) || matches!(ch, '\u{E0100}'..='\u{E01EF}') => Some((
            FindingKind::InvisibleCharacter,
            FindingSeverity::High,
            "a tag or variation character: whole texts can be hidden in them",
        )),
        '\u{1B}' => Some((
            FindingKind::InvisibleCharacter,
            FindingSeverity::High,
            "a terminal escape: it can hide or overwrite what a person sees",
        )),
        // Joiners are honest in emoji and in scripts that need them.
        '\u{200C}' | '\u{200D}' if !plain(before) && !plain(next) => None,
        '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' | '\u{3164}' | '\u{115F}' => {
            Some((
                FindingKind::InvisibleCharacter,
                FindingSeverity::Medium,
                "a character without width: it can split a word that a rule looks for",
            ))
        }
        _ => None,
    }
}

fn is_tag(ch: char) -> bool {
    matches!(ch, '\u{E0000}'..='\u{E007F}')
}
