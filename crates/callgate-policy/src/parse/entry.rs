//! Entries: the rules of one tool, one category, or all tools.

use super::field::{APPROVAL, PREDICATE, Shape};
use super::reader::{Fields, Reader};
use super::rule_name::RuleNames;
use super::{limit, predicate, results};
use crate::decision::{Place, RulePath};
use crate::faq;
use crate::model::{Entry, Limit, Predicate, Toggle};
use callgate_json::{Pointer, Value};

/// An entry as it was read.
pub(super) struct Read {
    /// The entry, with the older spellings merged in.
    pub(super) entry: Entry,
    /// Where the entry hides its tool, if it does.
    pub(super) hidden: Option<Place>,
}

/// Reads the entry under `key`, whose key stands at `offset`.
pub(super) fn read(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    pointer: &Pointer,
    offset: usize,
    key: &str,
    shape: &'static Shape,
) -> Option<Read> {
    let fields = reader.object(value, pointer, shape)?;
    let older = faq::read(reader, &fields, key);
    let place = reader.place(pointer, offset);
    let list = |name: &str| RuleNames::new(format!("{pointer}/{name}"));
    let entry = Entry {
        pattern: key.into(),
        place,
        description: fields.shared("description"),
        require: predicates(reader, &fields, "require", &PREDICATE, list("require"), None),
        deny_if: predicates(reader, &fields, "deny_if", &PREDICATE, list("deny_if"), older.deny_if),
        approve_if: predicates(reader, &fields, "approve_if", &APPROVAL, list("approve_if"), older.approve_if),
        limits: limits(reader, &fields, list("limits"), older.limits),
        validate_arguments: validate_arguments(reader, &fields),
        results: results::read(reader, &fields),
    };
    Some(Read { entry, hidden: older.hide })
}

pub(super) fn predicates(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    name: &str,
    shape: &'static Shape,
    mut names: RuleNames,
    older: Option<Predicate>,
) -> Vec<Predicate> {
    let mut predicates: Vec<Predicate> = Vec::new();
    if let Some(mut first) = older {
        first.rule = names.next("always");
        predicates.push(first);
    }
    let Some((list, pointer)) = fields.get(name) else {
        return predicates;
    };
    for (index, item) in list.as_array().unwrap_or_default().iter().enumerate() {
        predicates.extend(predicate::read(reader, item, &pointer.index(index), shape, &mut names));
    }
    predicates
}

fn limits(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, mut names: RuleNames, older: Vec<Limit>) -> Vec<Limit> {
    let mut limits: Vec<Limit> = Vec::new();
    for mut limit in older {
        limit.rule = names.next(&limit.counter);
        limits.push(limit);
    }
    let Some((list, pointer)) = fields.get("limits") else {
        return limits;
    };
    for (index, item) in list.as_array().unwrap_or_default().iter().enumerate() {
        limits.extend(limit::read(reader, item, &pointer.index(index), &mut names));
    }
    limits
}

fn validate_arguments(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Toggle> {
    let (value, pointer) = fields.get("validate_arguments")?;
    let place = reader.place(&pointer, value.span.start);
    Some(Toggle { on: value.as_bool()?, rule: RulePath::new(pointer.as_str()), place })
}

impl Entry {
    /// Whether the entry says nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.description.is_none()
            && self.require.is_empty()
            && self.deny_if.is_empty()
            && self.approve_if.is_empty()
            && self.limits.is_empty()
            && self.validate_arguments.is_none()
            && self.results.is_none()
    }
}
