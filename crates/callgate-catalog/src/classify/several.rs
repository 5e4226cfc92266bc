//! Several actions of one tool: enumerated, listed, or one after the other.

use super::evidence::{Lead, Signs};
use crate::lexicon::Lexicon;
use crate::tool::Tool;
use crate::words::{Break, Word, first_sentence, prose};
use callgate_policy::Category;

/// A further verb, and whether it counts as much as the leading one.
struct Further<'w> {
    category: Category,
    equal: bool,
    base: String,
    word: &'w Word,
}

/// How a sign that is a further verb begins; the verb follows, and a back-tick.
pub(super) const ONE_OF: &str = "one of several actions: `";

fn one_of_several(base: &str) -> String {
    format!("{ONE_OF}{base}`")
}

/// "scan_and_fix", "lookup_then_charge", "get_or_create": what is done after looking.
pub(super) fn sequel(tool: &Tool, name: &[Word], lead: &Lead, lexicon: &Lexicon, signs: &mut Signs) {
    for pair in name.windows(2).skip(lead.at) {
        let [before, word] = pair else { continue };
        if !matches!(before.text.as_str(), "and" | "then" | "or") {
            continue;
        }
        let Some((base, category)) = lexicon.verb(&word.text).filter(|(base, _)| *base == word.text) else { continue };
        if lead.category == Category::Read && category > lead.category {
            let weight = lexicon.weights.enumerated;
            signs.word(&tool.name, "/name", Some(word), category, weight, one_of_several(&base));
        }
        signs.leads.push(base);
    }
}

/// Further verbs of the first sentence: "lists, creates or deletes branches" is as risky as its riskiest verb.
pub(super) fn enumeration(tool: &Tool, said: &[Word], lead: &Lead, lexicon: &Lexicon, signs: &mut Signs) {
    let mut third_person = said.get(lead.at).is_some_and(|word| word.text != lead.base);
    let mut adjacent = true;
    let mut joined = false;
    let mut after = false;
    let mut then = false;
    let mut listing = false;
    let mut riskiest: Option<Further<'_>> = None;
    for (at, word) in said.iter().enumerate().skip(lead.at + 1) {
        if let Some(inflected) = begins_list(said, at, lexicon) {
            (joined, listing, third_person) = (true, true, inflected);
        }
        joined |= word.after == Break::List;
        match word.text.as_str() {
            "and" | "or" | "then" => {
                joined = true;
                after = word.text != "or";
                then |= word.text == "then";
                continue;
            }
            adverb if adverb.ends_with("ly") && joined => continue,
            _ => {}
        }
        let verb = lexicon.verb(&word.text).filter(|(base, _)| joined && (word.text != *base) == third_person);
        // "Searches flights and books the cheapest", "Inserts a cell, then executes it": what comes after is done, too.
        let follows = (after && lead.category == Category::Read || then) && takes_object(said.get(at + 1));
        (joined, after, then) = (false, false, false);
        let Some((base, category)) = verb.filter(|(base, _)| adjacent || follows || listing || !lexicon.is_noun(base))
        else {
            (adjacent, listing) = (false, false);
            continue;
        };
        if category > riskiest.as_ref().map_or(lead.category, |riskiest| riskiest.category) {
            riskiest = Some(Further { category, equal: adjacent || follows || listing, base, word });
        }
    }
    let Some(Further { category, equal, base, word }) = riskiest else { return };
    let weight = if equal { lexicon.weights.enumerated } else { lexicon.weights.chain };
    signs.word(&tool.description, "/description", Some(word), category, weight, one_of_several(&base));
}

/// Whether a list of verbs begins at a word behind a colon, dash or parenthesis ("Branches: list, create, delete"), and
/// then whether they are inflected.
fn begins_list(said: &[Word], at: usize, lexicon: &Lexicon) -> Option<bool> {
    let (word, next) = (said.get(at)?, said.get(at + 1)?);
    if word.after != Break::Other || next.after != Break::List {
        return None;
    }
    let firm = |word: &Word| lexicon.verb(&word.text).is_some_and(|(base, _)| !lexicon.is_noun(&base));
    let (base, _) = lexicon.verb(&word.text)?;
    let following = said.iter().skip(at).take(3).filter(|word| lexicon.verb(&word.text).is_some());
    (firm(word) || firm(next) || following.count() == 3).then_some(base != word.text)
}

/// Whether the word begins what a verb in front of it acts on.
fn takes_object(word: Option<&Word>) -> bool {
    let opens = ["it", "them", "the", "a", "an", "its", "their", "this", "that", "each", "any", "all", "one"];
    word.is_some_and(|word| word.after == Break::Space && opens.contains(&word.text.as_str()))
}

/// "Supports list (default), add, remove and show actions."
pub(super) fn supported_actions(tool: &Tool, lexicon: &Lexicon, signs: &mut Signs) {
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
