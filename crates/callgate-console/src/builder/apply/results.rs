//! Rules over results: their switches, and the list of what is taken out.

use super::named;
use crate::builder::action::EntryKey;
use crate::builder::draft::Refused;
use crate::builder::edit::Edit;
use crate::builder::model::{Redact, Results};
use crate::builder::place::{self, Level, Put};
use crate::builder::rows::{list, object};
use callgate_json::Value;

/// Makes the switches what a form says. Of what is taken out, what stays keeps its place and its spelling: a form names
/// its boxes in an order of its own.
pub(super) fn set(root: &Value<'_>, edit: &mut Edit, entry: &EntryKey, results: &Results) -> Result<(), Refused> {
    let steps = place::results(named(entry)?);
    let mut new = results.fields()?;
    let is_nothing = new.iter().all(|(_, json)| json.is_none());
    match place::find(root, edit, &steps) {
        Some(spot) if spot.value.is_object() => {
            let old = Results::read(spot.value);
            if is_nothing && old != *results && is_all_known(spot.value) {
                spot.around.remove(spot.index);
                return Ok(());
            }
            let inner = spot.around.inside(spot.index);
            let mut before = old.fields()?;
            if redact(inner, spot.value, &results.redact) {
                before.retain(|(key, _)| *key != "redact");
                new.retain(|(key, _)| *key != "redact");
            }
            place::update(inner, spot.value, Level::Results, before, new);
            Ok(())
        }
        Some(_) => Err(Refused::Odd(format!("results of {entry}"))),
        None if is_nothing => Ok(()),
        None => {
            new.sort_by_key(|(key, _)| Results::ORDER.iter().position(|known| known == key));
            place::put(root, edit, &steps, Put::Value(object(new)))
        }
    }
}

/// Whether there is nothing in it but switches: no rules, and nothing that the builder doesn't know.
fn is_all_known(results: &Value<'_>) -> bool {
    let is_known = |key: &str| Results::ORDER.contains(&key);
    list(results, "deny_if").is_empty()
        && results.members().iter().all(|member| is_known(&member.key))
        && list(results, "redact").iter().all(|item| Redact::read(item).is_some())
}

/// Takes what is gone out of `redact` and puts what is new behind it; false where there is no such list yet.
fn redact(edit: &mut Edit, results: &Value<'_>, wanted: &[Redact]) -> bool {
    let found = place::member(results, "redact").and_then(|(index, value)| Some((index, value.as_array()?)));
    let Some((index, items)) = found else { return false };
    let old: Vec<Option<Redact>> = items.iter().map(Redact::read).collect();
    let stays = |one: &Option<Redact>| one.as_ref().is_none_or(|one| wanted.contains(one));
    let mut new: Vec<&Redact> = Vec::new();
    for one in wanted {
        if !old.iter().flatten().chain(new.iter().copied()).any(|known| known == one) {
            new.push(one);
        }
    }
    if !items.is_empty() && new.is_empty() && !old.iter().any(stays) {
        edit.remove(index);
        return true;
    }
    let edit = edit.inside(index);
    old.iter().enumerate().filter(|(_, one)| !stays(one)).for_each(|(at, _)| edit.remove(at));
    new.into_iter().for_each(|one| edit.push(items.len(), one.json()));
    true
}
