//! Servers judged by a lexicon without what only they bear out.

use crate::labelled::Labelled;
use crate::tally::Tally;
use callgate_catalog::{Evidence, Lexicon, classify, classify_with};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use toml::{Table, Value};

/// What one server's tools say.
#[derive(Default)]
struct Said {
    words: HashSet<String>,
    /// The reasons of the evidence found: which combinations, parameters and phrases fired.
    reasons: HashSet<String>,
}

/// Each server, judged by a lexicon without what only that server bears out.
pub(crate) fn one_out(tools: &[Labelled]) -> Tally {
    let servers: BTreeSet<&str> = tools.iter().map(|tool| tool.server.as_str()).collect();
    let folds: Vec<BTreeSet<&str>> = servers.into_iter().map(|server| BTreeSet::from([server])).collect();
    fold(tools, &folds)
}

/// Every other server, judged by a lexicon without what only these bear out; then the rest likewise.
pub(crate) fn halves(tools: &[Labelled]) -> Tally {
    let mut folds = vec![BTreeSet::new(), BTreeSet::new()];
    let servers: BTreeSet<&str> = tools.iter().map(|tool| tool.server.as_str()).collect();
    for (at, server) in servers.into_iter().enumerate() {
        folds[at % 2].insert(server);
    }
    fold(tools, &folds)
}

fn fold(tools: &[Labelled], folds: &[BTreeSet<&str>]) -> Tally {
    let mut servers: BTreeMap<&str, Said> = BTreeMap::new();
    for tool in tools {
        servers.entry(&tool.server).or_default().hear(tool);
    }
    let mut tally = Tally::default();
    for held_out in folds {
        let (mut theirs, mut others) = (Said::default(), Said::default());
        for (server, said) in &servers {
            let side = if held_out.contains(server) { &mut theirs } else { &mut others };
            side.words.extend(said.words.iter().cloned());
            side.reasons.extend(said.reasons.iter().cloned());
        }
        let lexicon = without(&theirs, &others);
        for tool in tools.iter().filter(|tool| held_out.contains(tool.server.as_str())) {
            tally.add(tool, &classify_with(&tool.tool, &lexicon));
        }
    }
    tally
}

impl Said {
    fn hear(&mut self, tool: &Labelled) {
        let params = tool.tool.params.iter().map(|param| param.name.to_lowercase());
        self.words.extend(params);
        for text in [&split_humps(&tool.tool.name), &tool.tool.description] {
            self.words.extend(text.split(|ch: char| !ch.is_alphanumeric()).flat_map(forms));
        }
        self.reasons.extend(classify(&tool.tool).evidence.iter().map(reason));
    }
}

fn reason(sign: &Evidence) -> String {
    format!("{} {}", sign.category.as_str(), sign.why)
}

fn split_humps(name: &str) -> String {
    name.chars().flat_map(|ch| if ch.is_uppercase() { vec![' ', ch] } else { vec![ch] }).collect()
}

/// The forms under which a lexicon may hold a word.
fn forms(word: &str) -> Vec<String> {
    let word = word.to_lowercase();
    let mut all = vec![word.clone()];
    for (ending, instead) in [("s", ""), ("es", ""), ("ies", "y"), ("ing", ""), ("ing", "e")] {
        all.extend(word.strip_suffix(ending).map(|stem| format!("{stem}{instead}")));
    }
    if let Some(stem) = word.strip_suffix("ing").filter(|stem| stem.len() > 2) {
        all.push(stem[..stem.len() - stem.chars().next_back().unwrap().len_utf8()].to_owned());
    }
    all
}

/// The built-in lexicon without what `theirs` bear out and `others` don't.
fn without(theirs: &Said, others: &Said) -> Lexicon {
    let mut table: Table = toml::from_str(Lexicon::TEXT).unwrap();
    for list in ["rule", "param", "phrase"] {
        let entries = table.get_mut(list).and_then(Value::as_array_mut).unwrap();
        entries.retain(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            let reason = format!("{} {}", text("category"), text("why"));
            !theirs.reasons.contains(&reason) || others.reasons.contains(&reason)
        });
    }
    for value in table.iter_mut().map(|(_, value)| value) {
        forget(value, &|word| theirs.words.contains(word) && !others.words.contains(word));
    }
    Lexicon::parse(&toml::to_string(&table).unwrap()).unwrap()
}

/// Takes words out of every list of words.
fn forget(value: &mut Value, is_theirs: &dyn Fn(&str) -> bool) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                match (key.as_str(), value) {
                    ("why" | "category" | "label", _) => {}
                    // A list that was empty from the start means "any"; one that becomes empty must not.
                    (_, Value::String(words)) if !words.is_empty() => {
                        let kept: Vec<&str> = words.split_whitespace().filter(|word| !is_theirs(word)).collect();
                        *words = if kept.is_empty() { "\u{1}".to_owned() } else { kept.join(" ") };
                    }
                    (_, value) => forget(value, is_theirs),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| forget(entry, is_theirs)),
        _ => {}
    }
}
