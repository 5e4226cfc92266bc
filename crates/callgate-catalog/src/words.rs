//! Words of names and descriptions, each with its place in the text.

/// One word, lower case, and the bytes that it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The word, lower case.
    pub(crate) text: String,
    /// Offset of its first byte.
    pub(crate) start: usize,
    /// Offset behind its last byte.
    pub(crate) end: usize,
    /// What stands between it and the word before: a comma, slash or nothing of interest.
    pub(crate) after: Break,
}

/// What separates a word from the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// White space or nothing.
    Space,
    /// A comma, slash or semicolon: an enumeration goes on.
    List,
    /// A parenthesis, colon, dash or quote.
    Other,
}

/// The words of an identifier: `camelCase`, `snake_case`, `kebab-case`, `dotted.name`, digits left out.
pub(crate) fn identifier(name: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current: Option<(usize, String)> = None;
    let chars: Vec<(usize, char)> = name.char_indices().collect();
    for (position, &(at, ch)) in chars.iter().enumerate() {
        if !ch.is_alphabetic() {
            flush(&mut current, at, Break::Space, &mut words);
            continue;
        }
        let before = position.checked_sub(1).and_then(|p| chars.get(p)).map(|(_, ch)| *ch);
        let next = chars.get(position + 1).map(|(_, ch)| *ch);
        let hump = ch.is_uppercase()
            && before.is_some_and(|before: char| !before.is_uppercase() || next.is_some_and(char::is_lowercase));
        if hump {
            flush(&mut current, at, Break::Space, &mut words);
        }
        current.get_or_insert_with(|| (at, String::new())).1.extend(ch.to_lowercase());
    }
    flush(&mut current, name.len(), Break::Space, &mut words);
    words
}

/// The words of a piece of prose that begins at byte `offset` of its text.
pub(crate) fn prose(text: &str, offset: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let mut current: Option<(usize, String)> = None;
    let mut after = Break::Other;
    for (at, ch) in text.char_indices() {
        if ch.is_alphanumeric() || ((ch == '_' || ch == '-') && current.is_some()) {
            current.get_or_insert_with(|| (offset + at, String::new())).1.extend(ch.to_lowercase());
            continue;
        }
        if flush(&mut current, offset + at, after, &mut words) {
            after = Break::Space;
        }
        after = match ch {
            ',' | '/' | ';' | '&' => Break::List,
            _ if ch.is_whitespace() || after == Break::List => after,
            _ => Break::Other,
        };
    }
    flush(&mut current, offset + text.len(), after, &mut words);
    words
}

/// The first sentence of a text, without a heading, list mark or quotes in front of it: its offset and its words.
pub(crate) fn first_sentence(text: &str) -> (usize, &str) {
    let start = text.find(|ch: char| ch.is_alphanumeric()).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let bytes = rest.as_bytes();
    let end = rest
        .char_indices()
        .find(|&(at, ch)| match ch {
            '.' | '!' | '?' => {
                let next = bytes.get(at + 1).copied();
                let abbreviation =
                    rest.get(at.saturating_sub(3)..at).is_some_and(|t| t.ends_with("e.g") || t.ends_with("i.e"));
                next.is_none_or(|next| next.is_ascii_whitespace()) && !abbreviation
            }
            '\n' => bytes.get(at + 1) == Some(&b'\n') || at >= 400,
            _ => at >= 400,
        })
        .map_or(rest.len(), |(at, _)| at);
    (start, rest.get(..end).unwrap_or_default())
}

/// The forms under which a word may stand in a lexicon: itself, then without the endings of the third person, plural
/// and progressive.
pub(crate) fn forms(word: &str) -> impl Iterator<Item = String> {
    let mut all = vec![word.to_owned()];
    if let Some(stem) = word.strip_suffix("ies") {
        all.push(format!("{stem}y"));
    }
    if let Some(stem) = word.strip_suffix('s').filter(|stem| stem.len() > 1 && !stem.ends_with('s')) {
        all.push(stem.to_owned());
    }
    if let Some(stem) = word.strip_suffix("es").filter(|stem| stem.len() > 1) {
        all.push(stem.to_owned());
    }
    if let Some(stem) = word.strip_suffix("ing").filter(|stem| stem.len() > 1) {
        all.push(stem.to_owned());
        all.push(format!("{stem}e"));
        let mut chars = stem.chars();
        if let (Some(last), Some(before)) = (chars.next_back(), chars.next_back())
            && last == before
        {
            all.push(stem.strip_suffix(last).unwrap_or(stem).to_owned());
        }
    }
    all.into_iter()
}

fn flush(current: &mut Option<(usize, String)>, end: usize, after: Break, words: &mut Vec<Word>) -> bool {
    let Some((start, text)) = current.take() else { return false };
    words.push(Word { text, start, end, after });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        let texts = |name: &str| identifier(name).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
        assert_eq!(texts("deleteApiCollection"), "delete api collection");
        assert_eq!(texts("listHTTPRoutes_v2"), "list http routes v");
        assert_eq!(texts("atlas-streams.teardown"), "atlas streams teardown");
        assert_eq!(texts("写入File"), "写入 file");
    }

    #[test]
    fn a_sentence_ends_where_it_does() {
        let of = |text| first_sentence(text).1.to_owned();
        assert_eq!(of("  Reads a file, e.g. a log. Then stops."), "Reads a file, e.g. a log");
        assert_eq!(of("Uses v1.2 of it\n\nMore"), "Uses v1.2 of it");
        assert_eq!(of(""), "");
    }
}
