//! Collects the signs: verbs where verbs stand, combinations, parameters, phrases.

use super::Evidence;
use crate::lexicon::{Lexicon, ParamRule, Phrase, Rule};
use crate::tool::{Param, ParamType, Tool};
use crate::words::{Break, Word, first_sentence, forms, identifier, prose};
use callgate_policy::{Category, Label};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What was found about one tool.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// The signs, in the order in which they were found.
    pub(super) evidence: Vec<Evidence>,
    /// The verbs that lead the name and the description.
    pub(super) leads: Vec<String>,
    /// The words of the name and the first sentence, in all their forms.
    pub(super) words: HashSet<String>,
    /// Those of the name and close behind the leading verb of the description.
    pub(super) near: HashSet<String>,
    /// What phrases say that attacks could use it for.
    pub(super) labels: BTreeSet<Label>,
    /// Whether a combination made a verb that runs or destroys something harmless.
    pub(super) softened: bool,
    /// The argument that chooses the action, with the category of each value.
    pub(super) actions: Option<(String, BTreeMap<String, Category>)>,
}

/// How many words behind the leading verb of a description are close to it.
const NEAR: usize = 3;

/// How many words a heading in front of a description has at most.
const HEADING: usize = 6;

/// A verb where it leads.
struct Lead {
    base: String,
    category: Category,
    at: usize,
}

/// Collects every sign of a tool's definition but its annotations.
pub(super) fn collect(tool: &Tool, lexicon: &Lexicon) -> Signs {
    let mut signs = Signs::default();
    let name = identifier(&tool.name);
    let (offset, sentence) = first_sentence(&tool.description);
    let said = prose(sentence, offset);

    if let Some((lead, weight)) = name_lead(&name, lexicon) {
        signs.word(&tool.name, "/name", name.get(lead.at), lead.category, weight, verb_sign(&lead.base));
        signs.leads.push(lead.base);
    }
    if let Some(last) = name.last().filter(|last| lexicon.is_reading(&last.text)) {
        let weight = lexicon.weights.reading;
        signs.word(&tool.name, "/name", Some(last), Category::Read, weight, "names something to look at".to_owned());
    }
    if let Some((lead, weight)) = description_lead(&said, lexicon) {
        let why = verb_sign(&lead.base);
        signs.word(&tool.description, "/description", said.get(lead.at), lead.category, weight, why);
        enumeration(tool, &said, &lead, lexicon, &mut signs);
        let close = said.iter().skip(lead.at + 1).take(NEAR);
        signs.near.extend(close.flat_map(|word| forms(&word.text)));
        signs.leads.push(lead.base);
    }
    if let Some(first) = said.first().filter(|first| lexicon.is_reading(&first.text)) {
        let weight = lexicon.weights.reading;
        let why = "begins with something to look at".to_owned();
        signs.word(&tool.description, "/description", Some(first), Category::Read, weight, why);
    }
    supported_actions(tool, lexicon, &mut signs);
    signs.near.extend(name.iter().flat_map(|word| forms(&word.text)));
    signs.words = name.iter().chain(&said).flat_map(|word| forms(&word.text)).collect();
    for rule in &lexicon.rules {
        if applies(rule, &signs.leads, &signs.words, &name, tool) {
            signs.reinterpret(rule);
            signs.evidence.push(Evidence {
                what: tool.name.clone(),
                place: "/name".to_owned(),
                span: None,
                category: rule.category,
                weight: rule.weight,
                why: rule.why.clone(),
            });
        }
    }
    for rule in &lexicon.params {
        parameter(tool, rule, &mut signs);
    }
    let lowered = tool.description.to_lowercase();
    for phrase in &lexicon.phrases {
        phrases(tool, &lowered, phrase, &mut signs);
    }
    signs.actions = multiplexed(tool, lexicon);
    signs
}

fn one_of_several(base: &str) -> String {
    format!("one of several actions: `{base}`")
}

fn verb_sign(base: &str) -> String {
    format!("the verb `{base}`")
}

impl Signs {
    /// In the rule's combination its verbs mean something else than alone.
    fn reinterpret(&mut self, rule: &Rule) {
        for sign in &mut self.evidence {
            if rule.verbs.iter().any(|verb| sign.why == verb_sign(verb)) {
                self.softened |= sign.category >= Category::Execute && rule.category == Category::Read;
                sign.category = rule.category;
            }
        }
    }

    fn word(&mut self, text: &str, place: &str, word: Option<&Word>, category: Category, weight: f64, why: String) {
        let span = word.map(|word| (word.start, word.end));
        let what = span.and_then(|(start, end)| text.get(start..end)).unwrap_or(text).to_owned();
        self.evidence.push(Evidence { what, place: place.to_owned(), span, category, weight, why });
    }
}

/// The verb that leads a name: the first one, unless it is as often a noun and stands inside ("get_run", "d1_query").
fn name_lead(name: &[Word], lexicon: &Lexicon) -> Option<(Lead, f64)> {
    let last = name.len().checked_sub(1)?;
    let found: Vec<Lead> = name
        .iter()
        .enumerate()
        .filter_map(|(at, word)| lexicon.verb(&word.text).map(|(base, category)| Lead { base, category, at }))
        .collect();
    let firm = found.iter().position(|lead| lead.at == 0 || !lexicon.is_noun(&lead.base));
    // "pull_request_read", "branch_delete": the verb at the end says what is done to what stands before it.
    let tail = found.iter().position(|lead| {
        lead.at == last
            && !lexicon.is_noun(&lead.base)
            && !name.last().is_some_and(|word| lexicon.is_reading(&word.text))
    });
    let opens_with_noun = found.first().is_some_and(|lead| lexicon.is_noun(&lead.base));
    let at = tail
        .filter(|_| opens_with_noun)
        .or(firm)
        .or_else(|| found.iter().position(|lead| lead.at == last))
        .or((!found.is_empty()).then_some(0))?;
    let reading = name.last().is_some_and(|word| lexicon.is_reading(&word.text));
    let lead = found.into_iter().nth(at)?;
    let noun = lexicon.is_noun(&lead.base);
    // A plural or third person at the front of a name ("logs", "runs") is a noun.
    let inflected = name.get(lead.at).is_some_and(|word| word.text != lead.base);
    let weight = match lead.at {
        _ if noun && (inflected || (reading && last > 0)) => return None,
        0 if noun && last == 0 => lexicon.weights.name_tail,
        0 => lexicon.weights.name_lead,
        at if noun && at == last => lexicon.weights.name_tail,
        _ if noun => lexicon.weights.description_fallback,
        _ => lexicon.weights.name_lead - 0.2,
    };
    Some((lead, weight))
}

/// The verb that leads a description, behind phrases such as "use this tool to".
fn description_lead(said: &[Word], lexicon: &Lexicon) -> Option<(Lead, f64)> {
    // "SENSITIVE: Opens ...", "Notion | Lists ...": what stands in front of a colon or bar is a heading.
    let heading = said.iter().take(HEADING).skip(1).position(|word| word.after == Break::Other).map(|at| at + 1);
    lead_from(said, 0, lexicon).or_else(|| lead_from(said, heading?, lexicon)).or_else(|| lead_inside(said, lexicon))
}

/// The verb that leads from the word `start` on.
fn lead_from(said: &[Word], start: usize, lexicon: &Lexicon) -> Option<(Lead, f64)> {
    let mut article = false;
    for (at, word) in said.iter().enumerate().skip(start) {
        if let Some((base, category)) = lexicon.verb(&word.text)
            && !lexicon.is_lead_in(&word.text)
            && !(article && lexicon.is_noun(&base))
        {
            return Some((Lead { base, category, at }, lexicon.weights.description_lead));
        }
        if !lexicon.is_lead_in(&word.text) {
            break;
        }
        article = matches!(word.text.as_str(), "a" | "an" | "the");
    }
    None
}

/// The first verb behind a word that calls for one.
fn lead_inside(said: &[Word], lexicon: &Lexicon) -> Option<(Lead, f64)> {
    // "An endpoint that lists ...", "Helper for sending ...", "... used to place ..."
    said.windows(2).enumerate().find_map(|(at, pair)| {
        let [before, word] = pair else { return None };
        if !matches!(before.text.as_str(), "to" | "for" | "that" | "which" | "and" | "can" | "tool" | "will") {
            return None;
        }
        let (base, category) = lexicon.verb(&word.text)?;
        let gerund = word.text.ends_with("ing");
        let fits = if before.text == "for" { gerund } else { !gerund };
        (fits && !lexicon.is_noun(&base))
            .then_some((Lead { base, category, at: at + 1 }, lexicon.weights.description_fallback))
    })
}

/// Further verbs of the first sentence: "lists, creates or deletes branches" is as risky as its riskiest verb.
fn enumeration(tool: &Tool, said: &[Word], lead: &Lead, lexicon: &Lexicon, signs: &mut Signs) {
    let third_person = said.get(lead.at).is_some_and(|word| word.text != lead.base);
    let mut adjacent = true;
    let mut joined = false;
    let mut riskiest: Option<(Category, bool, String, &Word)> = None;
    for word in said.iter().skip(lead.at + 1) {
        joined |= word.after == Break::List;
        match word.text.as_str() {
            "and" | "or" | "then" => {
                joined = true;
                continue;
            }
            adverb if adverb.ends_with("ly") && joined => continue,
            _ => {}
        }
        let verb = lexicon.verb(&word.text).filter(|(base, _)| joined && (word.text != *base) == third_person);
        joined = false;
        let Some((base, category)) = verb.filter(|(base, _)| adjacent || !lexicon.is_noun(base)) else {
            adjacent = false;
            continue;
        };
        if category > riskiest.as_ref().map_or(lead.category, |(riskiest, ..)| *riskiest) {
            riskiest = Some((category, adjacent, base, word));
        }
    }
    let Some((category, adjacent, base, word)) = riskiest else { return };
    let weight = if adjacent { lexicon.weights.enumerated } else { lexicon.weights.chain };
    signs.word(&tool.description, "/description", Some(word), category, weight, one_of_several(&base));
}

/// "Supports list (default), add, remove and show actions."
fn supported_actions(tool: &Tool, lexicon: &Lexicon, signs: &mut Signs) {
    let Some(start) = ["Supports ", "supports ", "Actions: ", "Operations: ", " with "]
        .iter()
        .find_map(|lead| tool.description.find(lead).map(|at| at + lead.len()))
    else {
        return;
    };
    let rest = tool.description.get(start..).unwrap_or_default();
    let (offset, sentence) = first_sentence(rest);
    if !["action", "operation", "mode", "command"].iter().any(|word| sentence.contains(word)) {
        return;
    }
    let words = prose(sentence, start + offset);
    let Some(riskiest) = words
        .iter()
        .filter(|word| matches!(word.after, Break::List) || word.start == start + offset)
        .filter_map(|word| lexicon.verb(&word.text).map(|(base, category)| (category, base, word)))
        .max_by_key(|(category, _, _)| *category)
    else {
        return;
    };
    let (category, base, word) = riskiest;
    let weight = lexicon.weights.enumerated;
    signs.word(&tool.description, "/description", Some(word), category, weight, one_of_several(&base));
}

fn applies(rule: &Rule, leads: &[String], words: &HashSet<String>, name: &[Word], tool: &Tool) -> bool {
    let any = |set: &HashSet<String>| !words.is_disjoint(set);
    let param = |set: &HashSet<String>| tool.params.iter().any(|param| set.contains(&param.name.to_lowercase()));
    leads.iter().any(|lead| rule.verbs.contains(lead))
        && any(&rule.words)
        && (rule.words_too.is_empty() || any(&rule.words_too))
        && !any(&rule.not)
        && (rule.params.is_empty() || tool.params.is_empty() || param(&rule.params))
        && !param(&rule.params_not)
        && (!rule.lead_object
            || name.last().is_some_and(|last| forms(&last.text).any(|form| rule.words.contains(&form))))
}

/// Whether the caller writes the parameter's value: text, or a number, that is not chosen from a list.
pub(super) fn is_free(param: &Param) -> bool {
    let shapes = [ParamType::String, ParamType::Strings, ParamType::Unknown, ParamType::Number];
    param.values.is_empty() && shapes.contains(&param.shape)
}

fn parameter(tool: &Tool, rule: &ParamRule, signs: &mut Signs) {
    for param in &tool.params {
        if !is_free(param) || !rule.names.contains(&param.name.to_lowercase()) {
            continue;
        }
        signs.evidence.push(Evidence {
            what: param.name.clone(),
            place: format!("/inputSchema/properties/{}", callgate_json::escape_token(&param.name)),
            span: None,
            category: rule.category,
            weight: rule.weight,
            why: rule.why.clone(),
        });
        return;
    }
}

fn phrases(tool: &Tool, lowered: &str, phrase: &Phrase, signs: &mut Signs) {
    for text in &phrase.text {
        let Some(at) = lowered.find(text.as_str()) else { continue };
        let before = lowered.get(..at).unwrap_or_default();
        if phrase.not_before.iter().any(|not| before.ends_with(not.as_str())) {
            continue;
        }
        signs.labels.extend(phrase.label);
        // Lower case can have another length; then the words are quoted without their place.
        let span = (lowered.len() == tool.description.len()).then_some((at, at + text.len()));
        let what = span.and_then(|(start, end)| tool.description.get(start..end)).unwrap_or(text).to_owned();
        signs.evidence.push(Evidence {
            what,
            place: "/description".to_owned(),
            span,
            category: phrase.category,
            weight: phrase.weight,
            why: phrase.why.clone(),
        });
        return;
    }
}

/// The argument that chooses between actions, and what each of its values does.
fn multiplexed(tool: &Tool, lexicon: &Lexicon) -> Option<(String, BTreeMap<String, Category>)> {
    let param = tool.params.iter().find(|param| lexicon.is_multiplex(&param.name.to_lowercase()))?;
    let values = if param.values.is_empty() { quoted_verbs(&param.description, lexicon) } else { param.values.clone() };
    let known = |value: &String| {
        let words = identifier(value);
        name_lead(&words, lexicon).map(|(lead, _)| lead.category)
    };
    if values.iter().filter(|value| known(value).is_some()).count() < 2 {
        return None;
    }
    // What a value does is unknown more often than it is harmless.
    let actions = values.iter().map(|value| (value.clone(), known(value).unwrap_or(Category::Write))).collect();
    Some((param.name.clone(), actions))
}

/// The verbs in quotes or back-ticks of a parameter's description, where the schema lists no values.
fn quoted_verbs(description: &str, lexicon: &Lexicon) -> Vec<String> {
    let mut parts = description.split(['"', '\'', '`']);
    let mut verbs = Vec::new();
    parts.next();
    while let (Some(inside), _) = (parts.next(), parts.next()) {
        let word = inside.len() <= 40 && inside.chars().all(|ch| ch.is_alphanumeric() || ch == '_' || ch == '-');
        if word && identifier(inside).first().is_some_and(|first| lexicon.verb(&first.text).is_some()) {
            verbs.push(inside.to_owned());
        }
    }
    verbs
}
