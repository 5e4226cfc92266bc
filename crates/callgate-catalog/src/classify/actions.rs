//! The argument that chooses between actions, and what each of its values does.

use super::evidence::{applies, name_lead};
use crate::lexicon::Lexicon;
use crate::tool::{Param, Tool};
use crate::words::{Word, forms, identifier};
use callgate_policy::Category;
use std::collections::{BTreeMap, HashSet};

/// The argument that chooses the action, with the category of each value.
pub(super) fn multiplexed(tool: &Tool, lexicon: &Lexicon) -> Option<(String, BTreeMap<String, Category>)> {
    let name = identifier(&tool.name);
    tool.params.iter().find_map(|param| {
        let is_vague = lexicon.is_vague_multiplex(&param.name.to_lowercase());
        if !is_vague && !lexicon.is_multiplex(&param.name.to_lowercase()) {
            return None;
        }
        let values = values(param, lexicon);
        let is_verb = |value: &&String| name_lead(&identifier(value), lexicon).is_some();
        let is_view = |value: &&String| identifier(value).last().is_some_and(|last| lexicon.is_reading(&last.text));
        let verbs = values.iter().filter(is_verb).count();
        let known = values.iter().filter(|value| is_verb(value) || is_view(value)).count();
        // "method" and "mode" choose the action where most of their values say what is done, and not as verbs of HTTP.
        let chooses = !is_vague || (known * 2 > values.len() && !values.iter().all(|value| lexicon.is_protocol(value)));
        if verbs < 2 || !chooses {
            return None;
        }
        let actions = values.into_iter().map(|value| (category(&value, &name, tool, lexicon), value));
        Some((param.name.clone(), actions.map(|(category, value)| (value, category)).collect()))
    })
}

/// What a value does, by its verb and by what the verb does to the tool's object: "place" is more in `orders`.
fn category(value: &str, name: &[Word], tool: &Tool, lexicon: &Lexicon) -> Category {
    let words = identifier(value);
    let Some((lead, _)) = name_lead(&words, lexicon) else {
        let shows = words.last().is_some_and(|last| lexicon.is_reading(&last.text));
        // What a value does is unknown more often than it is harmless.
        return if shows { Category::Read } else { Category::Write };
    };
    let said: HashSet<String> = name.iter().chain(&words).flat_map(|word| forms(&word.text)).collect();
    let rules = lexicon.rules_with(std::slice::from_ref(&lead.base)).filter(|rule| applies(rule, &said, &words, tool));
    let heaviest = rules.max_by(|one, other| one.weight.total_cmp(&other.weight));
    heaviest.map_or(lead.category, |rule| rule.category)
}

/// The values that the schema lists, or those that the description does.
fn values(param: &Param, lexicon: &Lexicon) -> Vec<String> {
    if !param.values.is_empty() {
        return param.values.clone();
    }
    let quoted = quoted_verbs(&param.description, lexicon);
    if quoted.len() > 1 { quoted } else { listed(&param.description, lexicon) }
}

/// The verbs in quotes or back-ticks of a parameter's description, where the schema lists no values.
fn quoted_verbs(description: &str, lexicon: &Lexicon) -> Vec<String> {
    let mut parts = description.split(['"', '\'', '`']);
    let mut verbs = Vec::new();
    parts.next();
    while let (Some(inside), _) = (parts.next(), parts.next()) {
        let word = inside.len() <= 40 && is_word(inside);
        if word && identifier(inside).first().is_some_and(|first| lexicon.verb(&first.text).is_some()) {
            verbs.push(inside.to_owned());
        }
    }
    verbs
}

/// The words of a plain list: "Operation to perform: list, read, write or delete".
fn listed(description: &str, lexicon: &Lexicon) -> Vec<String> {
    let starts = [": ", " (", "one of "].iter().filter_map(|lead| Some(description.find(lead)? + lead.len()));
    let lists = starts.map(|start| {
        let rest = description.get(start..).unwrap_or_default();
        let list = rest.split([')', '.', '\n']).next().unwrap_or_default();
        let items = list.split([',', '|', '/', ';']).flat_map(|item| item.split(" or ")).map(item);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    });
    let is_action = |item: &String| is_word(item) && name_lead(&identifier(item), lexicon).is_some();
    lists
        .into_iter()
        .find(|list| list.len() > 1 && list.iter().all(|item| is_word(item)) && list.iter().any(is_action))
        .unwrap_or_default()
}

fn item(text: &str) -> &str {
    let text = text.trim();
    ["or ", "and "].iter().find_map(|lead| text.strip_prefix(lead)).unwrap_or(text).trim()
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|ch| ch.is_alphanumeric() || ch == '_' || ch == '-')
}
