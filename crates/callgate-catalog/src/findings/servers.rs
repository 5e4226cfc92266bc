//! What only shows beside other servers: names that imitate theirs, texts that speak of their tools.

use super::{Finding, FindingKind, FindingSeverity};
use crate::lexicon::Lexicon;
use crate::tool::Tool;
use crate::words::identifier;
use std::collections::{HashMap, HashSet};

/// The shortest name, in characters, of which one with another letter counts as an imitation: shorter ones are alike by
/// chance.
const LONG_NAME: usize = 8;

/// A server and what it lists.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The server's name.
    pub server: &'a str,
    /// Its tools.
    pub tools: &'a [Tool],
}

/// Something in one server's list that aims at another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aimed<'a> {
    /// The server whose list it stands in.
    pub server: &'a str,
    /// Its tool; `None` where the server's own name is meant.
    pub tool: Option<&'a str>,
    /// The server that it aims at.
    pub at: &'a str,
    /// That server's tool; `None` where its own name is meant.
    pub at_tool: Option<&'a str>,
    /// What is wrong.
    pub finding: Finding,
}

/// Names that imitate another server's, and texts that speak of another server's tools. Of two alike names the later
/// one imitates. Equal names are no imitation: a tool is a pair of server and name, and many servers have a `search`.
pub fn findings_across<'a>(servers: &[Listed<'a>]) -> Vec<Aimed<'a>> {
    let mut found = Vec::new();
    let mut names = Names::default();
    for (index, listed) in servers.iter().enumerate() {
        if let Some((at, why)) = names.like(listed.server, index) {
            push(&mut found, listed.server, None, (at.server, at.tool), look_alike(listed.server, at.name, why));
        }
        names.keep(Name { server: listed.server, tool: None, name: listed.server, index });
    }
    let mut names = Names::default();
    for (index, listed) in servers.iter().enumerate() {
        for tool in listed.tools {
            if let Some((at, why)) = names.like(&tool.name, index) {
                let finding = look_alike(&tool.name, at.name, why);
                push(&mut found, listed.server, Some(&tool.name), (at.server, at.tool), finding);
            }
        }
        for tool in listed.tools {
            names.keep(Name { server: listed.server, tool: Some(&tool.name), name: &tool.name, index });
        }
    }
    for listed in servers {
        let own: HashSet<&str> = listed.tools.iter().map(|tool| tool.name.as_str()).collect();
        for tool in listed.tools {
            references(listed.server, tool, &own, &names, &mut found);
        }
    }
    found
}

fn push<'a>(
    found: &mut Vec<Aimed<'a>>,
    server: &'a str,
    tool: Option<&'a str>,
    (at, at_tool): (&'a str, Option<&'a str>),
    finding: Finding,
) {
    found.push(Aimed { server, tool, at, at_tool, finding });
}

fn look_alike(name: &str, other: &str, why: &str) -> Finding {
    Finding {
        kind: FindingKind::LookAlike,
        severity: FindingSeverity::High,
        place: "/name".to_owned(),
        span: (0, name.len()),
        what: format!("`{name}` beside `{other}`"),
        why: why.to_owned(),
    }
}

#[derive(Clone, Copy, Debug)]
struct Name<'a> {
    server: &'a str,
    tool: Option<&'a str>,
    name: &'a str,
    /// The server's place in the list.
    index: usize,
}

/// Names by what they look like.
#[derive(Debug, Default)]
struct Names<'a> {
    exact: HashMap<&'a str, Name<'a>>,
    folded: HashMap<String, Name<'a>>,
    /// By the name with one letter left out, for long names.
    shortened: HashMap<String, Vec<Name<'a>>>,
}

impl<'a> Names<'a> {
    fn keep(&mut self, name: Name<'a>) {
        self.exact.entry(name.name).or_insert(name);
        self.folded.entry(fold(name.name)).or_insert(name);
        for short in shortened(name.name) {
            self.shortened.entry(short).or_default().push(name);
        }
    }

    /// A name of another server that this one looks like, and in which way.
    fn like(&self, name: &str, index: usize) -> Option<(Name<'a>, &'static str)> {
        let foreign = |other: &&Name<'a>| other.index != index && other.name != name;
        if self.exact.get(name).is_some_and(|other| other.index != index) {
            return None;
        }
        if let Some(other) = self.folded.get(&fold(name)).filter(foreign) {
            return (!is_other_spelling(name, other.name))
                .then_some((*other, "looks the same as a name of another server"));
        }
        let near = shortened(name).into_iter().filter_map(|short| self.shortened.get(&short)).flatten();
        let other = near.filter(foreign).find(|other| is_misspelling(name, other.name))?;
        Some((*other, "is one letter away from a name of another server"))
    }
}

/// What a name looks like: look-alike letters, case and separators made one.
fn fold(name: &str) -> String {
    let skeleton: String = unicode_security::confusable_detection::skeleton(name).collect();
    let letters = skeleton.chars().filter(|ch| ch.is_alphanumeric()).flat_map(char::to_lowercase);
    letters
        .map(|ch| {
            if matches!(ch, '1' | 'i') {
                'l'
            } else if ch == '0' {
                'o'
            } else {
                ch
            }
        })
        .collect()
}

/// `getUser`, `get_user` and `get-user` are conventions, no imitations.
fn is_other_spelling(one: &str, other: &str) -> bool {
    let words = |name: &str| {
        let plain =
            name.chars().filter(char::is_ascii_alphanumeric).map(|ch| ch.to_ascii_lowercase()).collect::<String>();
        name.is_ascii().then_some(plain)
    };
    words(one).is_some() && words(one) == words(other)
}

/// The name with each of its letters left out, and itself.
fn shortened(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() < LONG_NAME || letters.len() > 64 {
        return Vec::new();
    }
    let without = |skip: usize| letters.iter().enumerate().filter(|(at, _)| *at != skip).map(|(_, ch)| *ch).collect();
    (0..=letters.len()).map(without).collect()
}

/// Whether one word of the names differs by a slip of one letter, so that neither is a word of its own.
fn is_misspelling(one: &str, other: &str) -> bool {
    let (one, other) = (identifier(one), identifier(other));
    if one.len() != other.len() {
        return false;
    }
    let mut differing = one.iter().zip(&other).filter(|(a, b)| a.text != b.text);
    let (Some((a, b)), None) = (differing.next(), differing.next()) else { return false };
    let plural = |a: &str, b: &str| a.strip_suffix('s') == Some(b) || a.strip_suffix('d') == Some(b);
    let known = |word: &str| Lexicon::built_in().verb(word).is_some();
    let alike = plural(&a.text, &b.text) || plural(&b.text, &a.text) || (known(&a.text) && known(&b.text));
    a.text.len().min(b.text.len()) >= 5 && !alike
}

/// Another server's tools in the texts of a tool.
fn references<'a>(server: &'a str, tool: &'a Tool, own: &HashSet<&str>, names: &Names<'a>, found: &mut Vec<Aimed<'a>>) {
    let mut seen = HashSet::new();
    for text in &tool.texts {
        let mut start = 0;
        for word in text.text.split(|ch: char| !(ch.is_alphanumeric() || ch == '_' || ch == '-')) {
            let at = start;
            start += word.len();
            start += text.text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
            // A plain word can be a tool's name by chance; `send_email` can't.
            if identifier(word).len() < 2 || !word.contains('_') || own.contains(word) || !seen.insert(word) {
                continue;
            }
            let Some(other) = names.exact.get(word).filter(|other| other.server != server) else { continue };
            let finding = Finding {
                kind: FindingKind::CrossToolReference,
                severity: FindingSeverity::Medium,
                place: text.place.clone(),
                span: (at, at + word.len()),
                what: word.to_owned(),
                why: "speaks of a tool that another server has and this one has not".to_owned(),
            };
            push(found, server, Some(&tool.name), (other.server, other.tool), finding);
        }
    }
}
