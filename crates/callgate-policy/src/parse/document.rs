//! The document's own level.

use super::field::{CATEGORIES, DOCUMENT, ENTRY, TOOL};
use super::reader::{Fields, Reader};
use super::wording::{shown, suggestion};
use super::{entry, flow, limit, results, section, test};
use crate::model::{Category, Entry, Hide, ListMode, Policy, Tools, Unlisted};
use callgate_json::{Pointer, Value};
use std::sync::Arc;

/// Reads the whole document. The policy must not be used where the reader has errors.
pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Policy {
    let mut policy = Policy::refuse_all("the document has errors");
    policy.version = blake3::hash(reader.source()).to_hex().as_str().into();
    policy.source = reader.source().into();
    let Some(fields) = reader.object(value, &Pointer::root(), &DOCUMENT) else {
        return policy;
    };
    policy.broken = None;
    policy.schema = fields.shared("$schema");
    policy.name = fields.shared("name");
    policy.description = fields.shared("description");
    policy.default = if fields.text("default") == Some("allow") { Unlisted::Allow } else { Unlisted::Deny };
    policy.default_place = fields.get("default").map(|(value, pointer)| reader.place(&pointer, value.span.start));
    policy.list = if fields.text("list") == Some("callable") { ListMode::Callable } else { ListMode::All };
    policy.hide = hide(reader, &fields);
    policy.all_tools = all_tools(reader, &fields);
    policy.categories = categories(reader, &fields);
    policy.tools = tools(reader, &fields, &mut policy.hide);
    policy.sections = section::read(reader, &fields);
    policy.flows = flow::read(reader, &fields);
    policy.results = results::read(reader, &fields);
    policy.has_results = policy.results.is_some() || policy.entries().any(|entry| entry.results.is_some());
    policy.tests = test::read(reader, &fields);
    limit::contradictions(reader, &policy);
    policy
}

fn hide(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Hide {
    let mut hide = Hide::default();
    let Some((list, pointer)) = fields.get("hide") else {
        return hide;
    };
    for (index, item) in list.as_array().unwrap_or_default().iter().enumerate() {
        let at = pointer.index(index);
        match item.as_str() {
            None => reader.wrong_kind(item, &at, "hide", "a list of strings"),
            Some("") => {
                let hint = "write the tool's name, or `*` for all tools";
                reader.error("CG1007", item.span.start, &at, "a name in `hide` is empty", hint);
            }
            Some(name) => hide.push(name.into(), reader.place(&at, item.span.start)),
        }
    }
    hide
}

fn all_tools(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Entry> {
    let (value, pointer) = fields.get("all_tools")?;
    let offset = fields.member("all_tools")?.key_span.start;
    entry::read(reader, value, &pointer, offset, "all_tools", &ENTRY).map(|read| read.entry)
}

fn categories(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Vec<(Category, Entry)> {
    let mut categories = Vec::new();
    let Some((value, pointer)) = fields.get("categories") else {
        return categories;
    };
    for member in value.members() {
        let at = pointer.key(&member.key);
        let offset = member.key_span.start;
        let Some(category) = Category::parse(&member.key) else {
            let message = format!("`{}` is no category", shown(&member.key));
            reader.error("CG1003", offset, &at, message, suggestion(&member.key, CATEGORIES));
            continue;
        };
        if let Some(read) = entry::read(reader, &member.value, &at, offset, &member.key, &ENTRY) {
            categories.push((category, read.entry));
        }
    }
    categories
}

fn tools(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, hide: &mut Hide) -> Tools {
    let mut tools = Tools::default();
    let Some((value, pointer)) = fields.get("tools") else {
        return tools;
    };
    let (members, most) = (value.members(), reader.limits.max_tools);
    if let Some(first_over) = members.get(most) {
        let message = format!("`tools` has {} entries, more than the {most} that a document may have", members.len());
        let hint = "use patterns such as `read_*`, or configure a higher limit";
        reader.error("CG1015", first_over.key_span.start, &pointer, message, hint);
        return tools;
    }
    for member in members {
        let at = pointer.key(&member.key);
        let offset = member.key_span.start;
        if member.key.is_empty() {
            reader.error("CG1007", offset, &at, "a tool's name is empty", "write the name that the server uses");
            continue;
        }
        let Some(read) = entry::read(reader, &member.value, &at, offset, &member.key, &TOOL) else {
            continue;
        };
        if let Some(place) = &read.hidden {
            hide.push(Arc::clone(&read.entry.pattern), place.clone());
        }
        // An entry that only hides is a name in `hide` and nothing else.
        if read.hidden.is_none() || !read.entry.is_empty() {
            tools.push(read.entry);
        }
    }
    tools
}
