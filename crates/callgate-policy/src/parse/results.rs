//! Rules over what comes back: `results`, at the top of a document and in entries.

use super::entry;
use super::field::{OWN_DETECTOR, PREDICATE, RESULT_RULES};
use super::predicate::mode;
use super::reader::{Fields, Reader, count};
use super::rule_name::RuleNames;
use super::wording::{shown, suggestion};
use crate::decision::RulePath;
use crate::model::{Bound, Redact, ResultRules, Wanted};
use callgate_detect::{Detectors, GROUPS, MAX_OWN_LENGTH, OwnError, catalogue};
use callgate_json::{Pointer, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// Longest name of an expression of the document's own, in characters.
const MAX_NAME: usize = 40;

/// Reads the field `results` of a document or an entry.
pub(super) fn read(reader: &mut Reader<'_>, outer: &Fields<'_, '_>) -> Option<ResultRules> {
    let (value, pointer) = outer.get("results")?;
    let fields = reader.object(value, &pointer, &RESULT_RULES)?;
    if ["redact", "max_bytes", "deny_if"].iter().all(|name| value.get(name).is_none()) {
        let hint = "add `redact`, `max_bytes` or `deny_if`, or remove `results`";
        reader.error("CG1043", value.span.start, &pointer, "these rules over results have no rule", hint);
    }
    let names = RuleNames::new(format!("{pointer}/deny_if"));
    Some(ResultRules {
        description: fields.shared("description"),
        redact: redact(reader, &fields),
        max_bytes: fields.get("max_bytes").and_then(|(value, at)| {
            let place = reader.place(&at, value.span.start);
            Some(Bound { rule: RulePath::new(at.as_str()), place, most: count(value)? })
        }),
        deny_if: entry::predicates(reader, &fields, "deny_if", &PREDICATE, names, None),
        on_deny: fields.shared("on_deny"),
        mode: mode(&fields),
    })
}

fn redact(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Redact> {
    let (list, pointer) = fields.get("redact")?;
    let items = list.as_array()?;
    if items.is_empty() {
        let hint = "name a detector such as `secrets`, or leave `redact` out";
        reader.error("CG1043", list.span.start, &pointer, "`redact` is empty", hint);
    }
    let mut wanted = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = pointer.index(index);
        wanted.extend(one(reader, item, &at).map(|one| (item.span.start, at, one)));
    }
    let known =
        wanted.iter().filter_map(|(_, _, one)| if let Wanted::Known(name) = one { Some(&**name) } else { None });
    // Every name was looked up: what can't be built was told.
    let mut detectors = Detectors::select(known).ok()?;
    let mut taken = HashSet::new();
    for (offset, at, one) in &wanted {
        let Wanted::Own { name, regex } = one else { continue };
        if !taken.insert(Arc::clone(name)) {
            let message = format!("two expressions are called `{}`", shown(name));
            reader.error("CG1044", *offset, at, message, "give each a name of its own");
        }
        match detectors.clone().with_own(name, regex) {
            Ok(more) => detectors = more,
            Err(error) => unusable(reader, *offset, at, name, &error),
        }
    }
    let wanted = wanted.into_iter().map(|(_, _, one)| one).collect();
    let (rule, place) = (RulePath::new(pointer.as_str()), reader.place(&pointer, list.span.start));
    Some(Redact { rule, place, wanted, detectors })
}

/// One member of the list.
fn one(reader: &mut Reader<'_>, item: &Value<'_>, at: &Pointer) -> Option<Wanted> {
    let Some(name) = item.as_str() else {
        if item.is_object() {
            return own(reader, item, at);
        }
        reader.wrong_kind(item, at, "redact", "a list of names and of objects with `name` and `regex`");
        return None;
    };
    if is_known(name) {
        return Some(Wanted::Known(name.into()));
    }
    let message = format!("there is no detector `{}`", shown(name));
    reader.error("CG1041", item.span.start, at, message, suggestion(name, &known_names()));
    None
}

fn own(reader: &mut Reader<'_>, item: &Value<'_>, at: &Pointer) -> Option<Wanted> {
    let fields = reader.object(item, at, &OWN_DETECTOR)?;
    let (name, regex) = (fields.shared("name")?, fields.shared("regex")?);
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !name.chars().all(is_plain) || name.chars().count() > MAX_NAME {
        let message = format!("an expression can't be called `{}`", shown(&name));
        let hint = format!("lower-case letters, digits, `-` and `_`, at most {MAX_NAME}: the name stands in texts");
        reader.error("CG1044", item.span.start, at, message, hint);
        return None;
    }
    if is_known(&name) {
        let message = format!("`{name}` is a detector's name already");
        reader.error("CG1044", item.span.start, at, message, "give the expression another name");
        return None;
    }
    Some(Wanted::Own { name, regex })
}

fn unusable(reader: &mut Reader<'_>, offset: usize, at: &Pointer, name: &str, error: &OwnError) {
    let (why, hint) = match error {
        OwnError::Invalid(why) => (
            format!("it is no regular expression: {why}"),
            "the dialect is that of Rust's `regex` crate: no look-around",
        ),
        OwnError::TooBig(limit) => {
            (format!("it takes more than {limit} bytes when compiled"), "shorten it or lower its repetitions")
        }
        OwnError::MatchesNothing => ("it matches the empty text".to_owned(), "name at least one character"),
        OwnError::Unbounded => (
            format!("it can match more than {MAX_OWN_LENGTH} bytes"),
            "give every repetition an end, such as `{1,80}` in place of `+`",
        ),
    };
    reader.error("CG1042", offset, at, format!("the expression `{}` can't be used: {why}", shown(name)), hint);
}

fn is_known(name: &str) -> bool {
    known_names().contains(&name)
}

fn known_names() -> Vec<&'static str> {
    let detectors = catalogue().iter().map(callgate_detect::Detector::name);
    GROUPS.iter().map(|(_, name)| *name).chain(detectors).collect()
}
