//! Rules over the history of calls.

use super::duration;
use super::field::{CATEGORIES, FLOW, LABELS, MATCHER, MATCHERS};
use super::predicate::{ask, list, mode};
use super::reader::{Fields, Reader};
use super::rule_name::RuleNames;
use super::wording::{quoted, shown, suggestion};
use crate::glob::Glob;
use crate::history::{FlowVerdict, MAX_HISTORY_MS};
use crate::model::{AskTerms, Category, Flow, FlowScope, Label, MatchedTools, Matcher, Within};
use callgate_json::{Pointer, Value};

/// The fields that say how a person is asked.
const TERMS: [&str; 6] = ["timeout", "ask", "hold_for", "four_eyes", "remember_for", "include_arguments"];

/// Reads the list `flows` of a document.
pub(super) fn read(reader: &mut Reader<'_>, document: &Fields<'_, '_>) -> Vec<Flow> {
    let Some((value, pointer)) = document.get("flows") else {
        return Vec::new();
    };
    let (items, most) = (value.as_array().unwrap_or_default(), reader.limits.max_flows);
    if let Some(first_over) = items.get(most) {
        let message = format!("`flows` has {} members, more than the {most} that a document may have", items.len());
        let hint =
            "every call is compared with each flow: join flows with lists and patterns, or configure a higher limit";
        reader.error("CG1015", first_over.span.start, &pointer, message, hint);
        return Vec::new();
    }
    let mut names = RuleNames::new(pointer.to_string());
    let items = items.iter().enumerate();
    items.filter_map(|(index, item)| flow(reader, item, &pointer.index(index), &mut names)).collect()
}

fn flow(reader: &mut Reader<'_>, value: &Value<'_>, at: &Pointer, names: &mut RuleNames) -> Option<Flow> {
    let fields = reader.object(value, at, &FLOW)?;
    let sides = sides(reader, &fields, value);
    let mut side = |name: &str| fields.get(name).and_then(|(value, at)| matcher(reader, value, &at));
    let (earlier, later) = match &sides {
        Some((earlier, later, _)) => (side(earlier), side(later)),
        // The shape is told; what stands inside is still looked at.
        None => {
            ["after", "before", "require", "deny", "approve"].into_iter().for_each(|name| drop(side(name)));
            (None, None)
        }
    };
    let terms = ask(reader, &fields);
    let (within, scope) = (within(reader, &fields), scope(reader, &fields));
    contradiction(reader, &fields, within, scope.as_ref());
    let (earlier_field, _, verdict) = sides?;
    let (earlier, name) = (earlier?, fields.shared("name")?);
    Some(Flow {
        rule: names.next(&name),
        place: reader.place(at, value.span.start),
        name,
        description: fields.shared("description"),
        event: earlier.event(earlier_field),
        earlier,
        later: later?,
        verdict: if let FlowVerdict::Approve(_) = verdict { FlowVerdict::Approve(terms) } else { verdict },
        within,
        scope,
        on_deny: fields.shared("on_deny"),
        mode: mode(&fields),
    })
}

/// Which fields hold the earlier call and the later one, and what follows; `None` where the flow has no such shape.
fn sides(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    flow: &Value<'_>,
) -> Option<(&'static str, &'static str, FlowVerdict)> {
    let has = |name: &str| flow.get(name).is_some();
    let hint = "a flow is `after` with `deny` or `approve`, or `before` with `require`";
    let found = match (has("after"), has("before"), has("deny"), has("approve"), has("require")) {
        (true, false, true, false, false) => Ok(("after", "deny", FlowVerdict::Deny)),
        (true, false, false, true, false) => Ok(("after", "approve", FlowVerdict::Approve(AskTerms::default()))),
        (false, true, false, false, true) => Ok(("require", "before", FlowVerdict::Require)),
        (false, false, ..) => Err("neither `after` nor `before` is in this flow"),
        (true, true, ..) => Err("`after` and `before` don't go together"),
        (true, _, _, _, true) => Err("`after` and `require` don't go together"),
        (true, _, true, true, _) => Err("`deny` and `approve` don't go together"),
        (true, ..) => Err("`after` needs `deny` or `approve` beside it"),
        (_, true, _, _, false) => Err("`before` needs `require` beside it"),
        (_, true, ..) => Err("`before` goes with `require` only"),
    };
    let is_asking = matches!(found, Ok((_, "approve", _)) | Err(_));
    for name in TERMS.into_iter().filter(|_| !is_asking) {
        if let Some((value, at)) = fields.get(name) {
            let message = format!("`{name}` needs `approve`: nobody is asked here");
            reader.error("CG1045", value.span.start, &at, message, format!("remove `{name}`, or write `approve`"));
        }
    }
    match found {
        Ok(found) => Some(found),
        Err(message) => {
            reader.error("CG1045", flow.span.start, &fields.pointer, message, hint);
            None
        }
    }
}

fn matcher(reader: &mut Reader<'_>, value: &Value<'_>, at: &Pointer) -> Option<Matcher> {
    let fields = reader.object(value, at, &MATCHER)?;
    let conditions = list(reader, &fields, "conditions");
    let mut written = MATCHERS.iter().filter(|name| value.get(name).is_some());
    let Some(first) = written.next() else {
        let message = "nothing here says which tools are meant";
        reader.error("CG1046", value.span.start, at, message, format!("add one of {}", quoted(MATCHERS)));
        return None;
    };
    for second in written {
        if let Some((more, at)) = fields.get(second) {
            let message = format!("`{first}` and `{second}` don't go together");
            let hint = "each side of a flow says in one way which tools it means: keep one, or write two flows";
            reader.error("CG1046", more.span.start, &at, message, hint);
        }
    }
    let (names, at_names) = fields.get(first)?;
    let tools = match *first {
        "category" => MatchedTools::OfCategory(each(reader, names, &at_names, first, Category::parse, CATEGORIES)?),
        "label" => MatchedTools::Labelled(each(reader, names, &at_names, first, Label::parse, LABELS)?),
        _ => MatchedTools::Named(each(reader, names, &at_names, first, |name| Some(Glob::new(name)), &[])?),
    };
    Some(Matcher { tools, conditions, place: reader.place(at, value.span.start) })
}

/// The names of one field, a string or a list of them; `None` where one of them is no such name.
fn each<T>(
    reader: &mut Reader<'_>,
    value: &Value<'_>,
    at: &Pointer,
    field: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Option<Vec<T>> {
    let items: Vec<(&Value<'_>, Pointer)> = match value.as_array() {
        Some(items) => items.iter().enumerate().map(|(index, item)| (item, at.index(index))).collect(),
        None => vec![(value, at.clone())],
    };
    if items.is_empty() {
        reader.error("CG1007", value.span.start, at, format!("`{field}` is empty"), "name at least one");
        return None;
    }
    let most = reader.limits.max_flows;
    if let Some((first_over, _)) = items.get(most) {
        let message =
            format!("`{field}` has {} names, more than the {most} that a list in a flow may have", items.len());
        reader.error("CG1015", first_over.span.start, at, message, "use patterns such as `read_*`");
        return None;
    }
    let mut found = Vec::with_capacity(items.len());
    let mut is_whole = true;
    for (item, at) in items {
        match item.as_str() {
            None => reader.wrong_kind(item, &at, field, "a list of strings"),
            Some("") => reader.error("CG1007", item.span.start, &at, format!("a name in `{field}` is empty"), ""),
            Some(name) => match parse(name) {
                Some(one) => {
                    found.push(one);
                    continue;
                }
                None => {
                    let message = format!("`{}` is no {field}", shown(name));
                    reader.error("CG1006", item.span.start, &at, message, suggestion(name, known));
                }
            },
        }
        is_whole = false;
    }
    is_whole.then_some(found)
}

fn within(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Within> {
    let (value, at) = fields.get("within")?;
    let text = value.as_str()?;
    if text == "session" {
        return Some(Within::Session);
    }
    match duration::read(text) {
        Some(span) if span <= MAX_HISTORY_MS => return Some(Within::Span(span)),
        Some(_) => {
            let message = format!("`within` can't be `{}`: the history reaches back 30 days", shown(text));
            reader.error("CG1047", value.span.start, &at, message, "write `\"30d\"` or less");
        }
        None => {
            let message = format!("`within` can't be `{}`", shown(text));
            let hint = "`\"session\"`, or a whole number with `s`, `m`, `h` or `d`: `\"10m\"`, `\"2h\"`";
            reader.error("CG1011", value.span.start, &at, message, hint);
        }
    }
    None
}

fn scope(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<FlowScope> {
    let (value, at) = fields.get("scope")?;
    let text = value.as_str()?;
    match text {
        "session" => return Some(FlowScope::Session),
        "grant" => return Some(FlowScope::Grant),
        "trace" => return Some(FlowScope::Trace),
        "identity" => return Some(FlowScope::Identity),
        _ => {}
    }
    if let Some(key) = text.strip_prefix("tag:").filter(|key| !key.is_empty()) {
        return Some(FlowScope::Tag(key.into()));
    }
    let known = ["session", "grant", "trace", "identity", "tag:KEY"];
    let message = format!("`scope` can't be `{}`", shown(text));
    reader.error("CG1006", value.span.start, &at, message, suggestion(text, &known));
    None
}

/// Tells a session's end as the bound of what is no session.
fn contradiction(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, within: Option<Within>, scope: Option<&FlowScope>) {
    let is_other = scope.is_some_and(|scope| *scope != FlowScope::Session);
    if let Some((value, at)) = fields.get("within").filter(|_| within == Some(Within::Session) && is_other) {
        let message = "`\"within\": \"session\"` and this `scope` don't go together";
        let hint = "leave `within` out to look back as far as the history goes, or write a duration such as `\"1h\"`";
        reader.error("CG1047", value.span.start, &at, message, hint);
    }
}
