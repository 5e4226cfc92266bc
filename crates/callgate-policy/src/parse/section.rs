//! The sections for what is no tool.

use super::field::SECTION;
use super::reader::{Fields, Reader};
use crate::decision::RulePath;
use crate::model::{List, Section, Sections};
use crate::reach::ReachKind;
use callgate_json::escape_token;

/// Reads all sections of a document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Fields<'_, '_>) -> Sections {
    Sections {
        resources: section(reader, document, ReachKind::Resource),
        prompts: section(reader, document, ReachKind::Prompt),
        sampling: section(reader, document, ReachKind::Sampling),
        elicitation: section(reader, document, ReachKind::Elicitation),
        roots: section(reader, document, ReachKind::Root),
    }
}

fn section(reader: &mut Reader<'_>, document: &Fields<'_, '_>, kind: ReachKind) -> Option<Section> {
    let name = kind.section();
    let (value, pointer) = document.get(name)?;
    let fields = reader.object(value, &pointer, &SECTION)?;
    if value.get("allow").is_none() && value.get("deny").is_none() {
        let message = format!("`allow` and `deny` are both missing in `{name}`");
        let hint = "add `\"allow\": [...]` for what is allowed, or `\"deny\": [...]` for what is not; \
                    `\"allow\": []` allows nothing, `\"allow\": [\"*\"]` everything";
        reader.error("CG1005", value.span.start, &pointer, message, hint);
    }
    let offset = document.member(name)?.key_span.start;
    Some(Section {
        rule: RulePath::new(pointer.as_str()),
        place: reader.place(&pointer, offset),
        description: fields.shared("description"),
        allow: list(reader, &fields, "allow", kind),
        deny: list(reader, &fields, "deny", kind),
    })
}

fn list(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, name: &str, kind: ReachKind) -> Option<List> {
    let (value, pointer) = fields.get(name)?;
    let rule = RulePath::new(pointer.as_str());
    let mut list = List::new(rule, reader.place(&pointer, value.span.start), kind.is_of_uris());
    let (items, most) = (value.as_array()?, reader.limits.max_patterns);
    if let Some(first_over) = items.get(most) {
        let message = format!("`{name}` has {} patterns, more than the {most} that a list may have", items.len());
        let hint = "use patterns such as `file:///workspace/*`, or configure a higher limit";
        reader.error("CG1015", first_over.span.start, &pointer, message, hint);
        return Some(list);
    }
    for (index, item) in items.iter().enumerate() {
        let at = pointer.index(index);
        match item.as_str() {
            None => reader.wrong_kind(item, &at, name, "a list of strings"),
            Some("") => {
                let message = format!("a pattern in `{name}` is empty");
                reader.error("CG1007", item.span.start, &at, message, "write a name or a pattern, or `*` for all");
            }
            Some(text) => {
                let rule = RulePath::new(format!("{pointer}/{}", escape_token(text)));
                list.push(text, rule, reader.place(&at, item.span.start));
            }
        }
    }
    Some(list)
}
