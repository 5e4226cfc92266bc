//! Collects the signs: verbs where verbs stand, combinations, parameters, phrases.

use super::{Evidence, actions, several};
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
pub(super) struct Lead {
    pub(super) base: String,
    pub(super) category: Category,
    pub(super) at: usize,
}

/// Collects every sign of a tool's definition but its annotations.
pub(super) fn collect(tool: &Tool, lexicon: &Lexicon) -> Signs {
    let mut signs = Signs::default();
    let name = identifier(&tool.name);
    let (offset, sentence) = first_sentence(&tool.description);
    let said = prose(sentence, offset);

    let described = description_lead(&said, lexicon);
    let named = described.as_ref().and_then(|(lead, weight)| borne_out(&name, lead, *weight, lexicon));
    if let Some((lead, weight)) = named.or_else(|| name_lead(&name, lexicon)) {
        signs.word(&tool.name, "/name", name.get(lead.at), lead.category, weight, verb_sign(&lead.base));
        several::sequel(tool, &name, &lead, lexicon, &mut signs);
        signs.leads.push(lead.base);
    }
    if let Some(last) = name.last().filter(|last| lexicon.is_reading(&last.text)) {
        let weight = lexicon.weights.reading;
        signs.word(&tool.name, "/name", Some(last), Category::Read, weight, "names something to look at".to_owned());
    }
    if let Some((lead, weight)) = described {
        let why = verb_sign(&lead.base);
        signs.word(&tool.description, "/description", said.get(lead.at), lead.category, weight, why);
        several::enumeration(tool, &said, &lead, lexicon, &mut signs);
        let close = said.iter().skip(lead.at + 1).take(NEAR);
        signs.near.extend(close.flat_map(|word| forms(&word.text)));
        signs.leads.push(lead.base);
    }
    if let Some(first) = said.first().filter(|first| lexicon.is_reading(&first.text)) {
        let weight = lexicon.weights.reading;
        let why = "begins with something to look at".to_owned();
        signs.word(&tool.description, "/description", Some(first), Category::Read, weight, why);
    }
    several::supported_actions(tool, lexicon, &mut signs);
    signs.near.extend(name.iter().flat_map(|word| forms(&word.text)));
    signs.words = name.iter().chain(&said).flat_map(|word| forms(&word.text)).collect();
    for rule in lexicon.rules_with(&signs.leads) {
        if applies(rule, &signs.words, &name, tool) {
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
    signs.actions = actions::multiplexed(tool, lexicon);
    signs
}

/// How a sign that is a leading verb begins; the verb follows, and a back-tick.
const VERB: &str = "the verb `";

fn verb_sign(base: &str) -> String {
    format!("{VERB}{base}`")
}

impl Signs {
    /// In the rule's combination its verbs mean something else than alone.
    fn reinterpret(&mut self, rule: &Rule) {
        for sign in &mut self.evidence {
            let verb = |lead: &str| sign.why.strip_prefix(lead).and_then(|rest| rest.strip_suffix('`'));
            if verb(VERB).is_some_and(|verb| rule.verbs.contains(verb)) {
                self.softened |= sign.category >= Category::Execute && rule.category == Category::Read;
                sign.category = rule.category;
            } else if verb(several::ONE_OF).is_some_and(|verb| rule.verbs.contains(verb)) {
                // Of several actions it can only be worse.
                sign.category = sign.category.max(rule.category);
            }
        }
    }

    pub(super) fn word(
        &mut self,
        text: &str,
        place: &str,
        word: Option<&Word>,
        category: Category,
        weight: f64,
        why: String,
    ) {
        let span = word.map(|word| (word.start, word.end));
        let what = span.and_then(|(start, end)| text.get(start..end)).unwrap_or(text).to_owned();
        self.evidence.push(Evidence { what, place: place.to_owned(), span, category, weight, why });
    }
}

/// The verb that leads a name: the first one, unless it is as often a noun and stands inside ("get_run", "d1_query").
pub(super) fn name_lead(name: &[Word], lexicon: &Lexicon) -> Option<(Lead, f64)> {
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

/// The verb of a name that leads the description, too: in `render_delete_service` the first one is the product's name.
fn borne_out(name: &[Word], described: &Lead, weight: f64, lexicon: &Lexicon) -> Option<(Lead, f64)> {
    let is_first = name.first().is_some_and(|first| first.text == described.base);
    if is_first || weight < lexicon.weights.description_lead {
        return None;
    }
    let at = name.iter().position(|word| word.text == described.base)?;
    let lead = Lead { base: described.base.clone(), category: described.category, at };
    Some((lead, lexicon.weights.name_lead - 0.2))
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

/// Whether a rule of a leading verb fits the words around it, and the parameters.
pub(super) fn applies(rule: &Rule, words: &HashSet<String>, name: &[Word], tool: &Tool) -> bool {
    let any = |set: &HashSet<String>| !words.is_disjoint(set);
    let param = |set: &HashSet<String>| tool.params.iter().any(|param| set.contains(&param.name.to_lowercase()));
    any(&rule.words)
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
