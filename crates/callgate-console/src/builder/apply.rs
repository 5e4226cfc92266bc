//! From a click to the changes of the text.

mod results;

use super::action::{Action, Bearing, Choice, EntryKey, Group, RowList};
use super::choose::Chooser;
use super::draft::{Left, Refused};
use super::edit::Edit;
use super::facts::ToolFacts;
use super::json::{Json, shortened};
use super::model::{Condition, Limit, Rule};
use super::place::{self, Level, Put, Spot};
use super::reading::Reading;
use super::recommended;
use super::rows::{Fields, object};
use callgate_json::Value;
use callgate_policy::Unlisted;
use std::collections::HashSet;

/// What a click changes, and the tools that it leaves as they were.
pub(super) type Planned = (Edit, Vec<Left>);

/// The changes that a click makes in a document, whose text is `source`.
pub(super) fn plan(root: &Value<'_>, source: &str, action: &Action, tools: &[ToolFacts]) -> Result<Planned, Refused> {
    let mut edit = Edit::of_document();
    match action {
        Action::Choose { tool, choice } => return Ok((choose(root, tools, tool, *choice)?, Vec::new())),
        Action::Bulk { group, choice } => return bulk(root, tools, group, *choice),
        Action::Recommended { tool } => return recommended::plan(root, tools, tool.as_deref()),
        Action::SetDefault(unlisted) => set_default(root, &mut edit, *unlisted),
        Action::SetList { callable } => {
            let field = |is: bool| vec![("list", is.then(|| Json::string("callable")))];
            let is = root.get("list").and_then(Value::as_str) == Some("callable");
            place::update(&mut edit, root, Level::Document, field(is), field(*callable));
        }
        Action::SetAbout { name, description } => {
            let new = vec![("name", words(name)), ("description", words(description))];
            let old = vec![("name", words(&text(root, "name"))), ("description", words(&text(root, "description")))];
            place::update(&mut edit, root, Level::Document, old, new);
        }
        Action::Hide { pattern } => hide(root, &mut edit, pattern)?,
        Action::Unhide { index } => {
            let found = place::member(root, "hide").and_then(|(at, list)| Some((at, list.as_array()?)));
            let Some((at, items)) = found.filter(|(_, items)| *index < items.len()) else {
                return Err(gone("the name"));
            };
            if items.len() == 1 { edit.remove(at) } else { edit.inside(at).remove(*index) }
        }
        Action::AddEntry { entry } => {
            let steps = place::entry(named(entry)?);
            if place::find(root, &mut Edit::default(), &steps).is_none() {
                place::put(root, &mut edit, &steps, Put::Value(Json::open(Vec::new())))?;
            }
        }
        Action::RemoveEntry { entry } => remove_entry(root, &mut edit, entry)?,
        Action::SetEntry { entry, description, validate_arguments } => {
            set_entry(root, &mut edit, entry, description, *validate_arguments)?;
        }
        Action::SetResults { entry, results } => results::set(root, &mut edit, entry, results)?,
        _ => rows(root, source, &mut edit, action)?,
    }
    Ok((edit, Vec::new()))
}

/// The rule that stands at a place of a list.
pub(super) fn rule_at(root: &Value<'_>, source: &str, list: &RowList, index: usize) -> Option<Rule> {
    let mut unused = Edit::default();
    row(root, &mut unused, list, index).ok().map(|(value, _)| Rule::read(value, source))
}

/// Clicks on rules, conditions and limits.
fn rows(root: &Value<'_>, source: &str, edit: &mut Edit, action: &Action) -> Result<(), Refused> {
    match action {
        Action::AddRule { list, rule } => add_row(root, edit, list, rule.json()?),
        Action::AddLimit { entry, limit } => {
            let list = RowList::new(entry.clone(), Bearing::Limits);
            add_row(root, edit, &list, object(limit.fields()?))
        }
        Action::EditLimit { entry, index, limit } => {
            let list = RowList::new(entry.clone(), Bearing::Limits);
            edit_limit(root, edit, &list, *index, |old| *old = limit.clone())
        }
        Action::RemoveRow { list, index } => remove_row(root, edit, list, *index),
        Action::EditRule { list, index, rule } => edit_rule(root, source, edit, (list, *index), |old| {
            *old = rule.clone();
            Ok(())
        }),
        Action::SetMessage { list, index, message } if list.bearing == Bearing::Limits => {
            edit_limit(root, edit, list, *index, |old| old.on_deny.clone_from(message))
        }
        Action::SetMessage { list, index, message } => edit_rule(root, source, edit, (list, *index), |old| {
            old.on_deny.clone_from(message);
            Ok(())
        }),
        Action::AddCondition { list, index, any, condition } => edit_rule(root, source, edit, (list, *index), |old| {
            conditions(old, *any).push(condition.clone());
            Ok(())
        }),
        Action::EditCondition { list, index, any, at, condition } => {
            edit_rule(root, source, edit, (list, *index), |old| {
                let place = conditions(old, *any).get_mut(*at).ok_or_else(|| gone("the condition"))?;
                *place = condition.clone();
                Ok(())
            })
        }
        Action::RemoveCondition { list, index, any, at } => edit_rule(root, source, edit, (list, *index), |old| {
            let conditions = conditions(old, *any);
            if *at >= conditions.len() {
                return Err(gone("the condition"));
            }
            conditions.remove(*at);
            Ok(())
        }),
        // Not of rows.
        _ => Ok(()),
    }
}

fn conditions(rule: &mut Rule, any: bool) -> &mut Vec<Condition> {
    if any { &mut rule.any } else { &mut rule.conditions }
}

fn gone(what: &str) -> Refused {
    Refused::Gone(what.to_owned())
}

fn words(text: &str) -> Option<Json> {
    (!text.is_empty()).then(|| Json::string(text))
}

fn text(value: &Value<'_>, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().replace("\r\n", "\n")
}

/// Names are not empty; that of an entry neither.
fn named(entry: &EntryKey) -> Result<&EntryKey, Refused> {
    match entry {
        EntryKey::Tool(name) if name.is_empty() => {
            Err(Refused::Impossible("an entry needs the name of a tool, or a pattern such as `read_*`".to_owned()))
        }
        entry => Ok(entry),
    }
}

fn choose(root: &Value<'_>, tools: &[ToolFacts], tool: &str, choice: Choice) -> Result<Edit, Refused> {
    let Some(facts) = tools.iter().find(|facts| facts.name == tool) else {
        return Err(Refused::Impossible(format!("the server has no tool `{}`", shortened(tool))));
    };
    let reading = Reading::new(root);
    let mut chooser = Chooser::new(&reading);
    chooser.choose(tool, facts.category, choice)?;
    chooser.finish()
}

fn bulk(root: &Value<'_>, tools: &[ToolFacts], group: &Group, choice: Choice) -> Result<Planned, Refused> {
    let reading = Reading::new(root);
    let mut chooser = Chooser::new(&reading);
    let mut left = Vec::new();
    let mut seen = HashSet::new();
    let is_meant = |facts: &&ToolFacts| match group {
        Group::All => true,
        Group::Category(category) => facts.category == *category,
        Group::Risk(risk) => facts.risk_word() == risk,
    };
    for facts in tools.iter().filter(is_meant).filter(|facts| seen.insert(facts.name.as_str())) {
        if let Err(why) = chooser.choose(&facts.name, facts.category, choice) {
            left.push(Left { tool: facts.name.clone(), why: why.to_string() });
        }
    }
    Ok((chooser.finish()?, left))
}

fn set_default(root: &Value<'_>, edit: &mut Edit, unlisted: Unlisted) {
    let word = if unlisted == Unlisted::Allow { "allow" } else { "deny" };
    match place::member(root, "default") {
        Some((_, value)) if value.as_str() == Some(word) => {}
        Some((index, _)) => edit.set(index, Json::string(word)),
        None => place::add(edit, root, Level::Document, "default", Json::string(word)),
    }
}

fn hide(root: &Value<'_>, edit: &mut Edit, pattern: &str) -> Result<(), Refused> {
    if pattern.is_empty() {
        return Err(Refused::Impossible("`hide` needs the name of a tool, or a pattern such as `delete_*`".to_owned()));
    }
    match place::member(root, "hide") {
        None => place::add(edit, root, Level::Document, "hide", Json::List(vec![Json::string(pattern)])),
        Some((index, value)) => {
            let items = value.as_array().ok_or_else(|| Refused::Odd("/hide".to_owned()))?;
            if !items.iter().any(|item| item.as_str() == Some(pattern)) {
                edit.inside(index).push(items.len(), Json::string(pattern));
            }
        }
    }
    Ok(())
}

fn remove_entry(root: &Value<'_>, edit: &mut Edit, entry: &EntryKey) -> Result<(), Refused> {
    let steps = place::entry(entry);
    let is_last =
        place::find(root, &mut Edit::default(), &steps).is_some_and(|spot| spot.container.members().len() == 1);
    match (entry, place::member(root, "categories")) {
        (EntryKey::Category(_), Some((index, _))) if is_last => edit.remove(index),
        _ => {
            let spot = place::find(root, edit, &steps).ok_or_else(|| gone("the entry"))?;
            spot.around.remove(spot.index);
        }
    }
    Ok(())
}

fn set_entry(
    root: &Value<'_>,
    edit: &mut Edit,
    entry: &EntryKey,
    description: &str,
    validate: bool,
) -> Result<(), Refused> {
    let steps = place::entry(named(entry)?);
    let fields = |description: &str, validate: bool| -> Fields {
        vec![("description", words(description)), ("validate_arguments", validate.then(|| Json::bool(true)))]
    };
    let new = fields(description, validate);
    match place::find(root, edit, &steps) {
        Some(spot) if spot.value.is_object() => {
            let is_on = spot.value.get("validate_arguments").and_then(Value::as_bool).unwrap_or_default();
            let old = fields(&text(spot.value, "description"), is_on);
            let inner = place::within(spot.around, spot.index, Level::Entry);
            place::update(inner, spot.value, Level::Entry, old, new);
            Ok(())
        }
        Some(_) => Err(Refused::Odd(entry.to_string())),
        None => {
            let members = new.into_iter().filter_map(|(key, json)| Some((key.to_owned(), json?)));
            place::put(root, edit, &steps, Put::Value(Json::open(members.collect())))
        }
    }
}

fn add_row(root: &Value<'_>, edit: &mut Edit, list: &RowList, row: Json) -> Result<(), Refused> {
    let in_document = list.entry == EntryKey::Document && list.bearing != Bearing::ResultsDenyIf;
    if in_document {
        return Err(Refused::Impossible(format!("`{}` stands in entries only", list.bearing.as_str())));
    }
    named(&list.entry)?;
    place::put(root, edit, &place::list(list), Put::Element(row))
}

fn remove_row(root: &Value<'_>, edit: &mut Edit, list: &RowList, index: usize) -> Result<(), Refused> {
    let steps = place::list(list);
    let counted = place::find(root, &mut Edit::default(), &steps)
        .map(|spot| (spot.value.as_array().map(<[_]>::len), spot.container.members().len()));
    let Some((Some(rows), members)) = counted.filter(|(rows, _)| rows.is_some_and(|rows| index < rows)) else {
        return Err(gone("the row"));
    };
    let is_whole = rows == 1 && members == 1 && list.bearing == Bearing::ResultsDenyIf;
    let steps = if is_whole { place::results(&list.entry) } else { steps };
    let spot = place::find(root, edit, &steps).ok_or_else(|| gone("the row"))?;
    if rows == 1 {
        spot.around.remove(spot.index);
    } else {
        spot.around.inside(spot.index).remove(index);
    }
    Ok(())
}

/// The row at a place of a list, and the edit of the list.
fn row<'v, 't, 'e>(
    root: &'v Value<'t>,
    edit: &'e mut Edit,
    list: &RowList,
    index: usize,
) -> Result<(&'v Value<'t>, &'e mut Edit), Refused> {
    let steps = place::list(list);
    let Spot { value, around, index: at, .. } = place::find(root, edit, &steps).ok_or_else(|| gone("the row"))?;
    let row = value.as_array().and_then(|rows| rows.get(index)).ok_or_else(|| gone("the row"))?;
    if !row.is_object() {
        return Err(Refused::Odd(format!("row {index} of {}", list.bearing.as_str())));
    }
    Ok((row, around.inside(at).inside(index)))
}

fn edit_limit(
    root: &Value<'_>,
    edit: &mut Edit,
    list: &RowList,
    index: usize,
    change: impl FnOnce(&mut Limit),
) -> Result<(), Refused> {
    let (value, edit) = row(root, edit, list, index)?;
    let old = Limit::read(value);
    let mut new = old.clone();
    change(&mut new);
    place::update(edit, value, Level::Limit, old.fields()?, new.fields()?);
    Ok(())
}

fn edit_rule(
    root: &Value<'_>,
    source: &str,
    edit: &mut Edit,
    (list, index): (&RowList, usize),
    change: impl FnOnce(&mut Rule) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let (value, edit) = row(root, edit, list, index)?;
    let old = Rule::read(value, source);
    let mut new = old.clone();
    change(&mut new)?;
    place::update(edit, value, Level::Rule, old.switches(), new.switches());
    let is_needed = new.any.is_empty();
    edit_conditions(edit, value, "conditions", (&old.conditions, &new.conditions), is_needed)?;
    edit_conditions(edit, value, "any", (&old.any, &new.any), false)
}

/// Changes, adds and takes out single conditions. A list that gets empty goes, unless it is needed.
fn edit_conditions(
    edit: &mut Edit,
    rule: &Value<'_>,
    key: &str,
    (old, new): (&[Condition], &[Condition]),
    is_needed: bool,
) -> Result<(), Refused> {
    let Some((at, value)) = place::member(rule, key) else {
        if !new.is_empty() || is_needed {
            let json = new.iter().map(Condition::json).collect::<Result<_, _>>()?;
            place::add(edit, rule, Level::Rule, key, Json::List(json));
        }
        return Ok(());
    };
    if old == new {
        return Ok(());
    }
    if new.is_empty() && !is_needed {
        edit.remove(at);
        return Ok(());
    }
    let Some(items) = value.as_array() else { return Err(Refused::Odd(key.to_owned())) };
    let edit = edit.inside(at);
    let same = |(a, b): &(&Condition, &Condition)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(same).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    for index in head..old_end.max(new_end) {
        match (items.get(index).filter(|_| index < old_end), new.get(index).filter(|_| index < new_end)) {
            (Some(item), Some(condition)) if item.is_object() => {
                let before = old.get(index).cloned().unwrap_or_default();
                place::update(edit.inside(index), item, Level::Condition, before.fields()?, condition.fields()?);
            }
            (Some(_), Some(condition)) => edit.set(index, condition.json()?),
            (Some(_), None) => edit.remove(index),
            (None, Some(condition)) => edit.push(old_end, condition.json()?),
            (None, None) => {}
        }
    }
    Ok(())
}
