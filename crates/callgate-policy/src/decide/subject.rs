//! What a path names: arguments, and the facts around a call as values.

use super::Case;
use crate::call::Timestamp;
use crate::operator::{Expression, cel_value};
use crate::path::{Step, Subject};
use callgate_json::{Kind, Limits, Number, Span, Value};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use std::borrow::Cow;

const HOURS: [&str; 24] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20",
    "21", "22", "23",
];

/// Hands the value that the subject names to `judge`, with the steps that lead on from it. A missing fact is a fault;
/// a missing part of one is a missing value.
pub(super) fn with_value<R>(
    case: &Case<'_>,
    subject: &Subject,
    judge: impl FnOnce(Option<&Value<'_>>, &[Step]) -> R,
) -> Result<R, String> {
    let definition = || case.call.definition.ok_or_else(|| "the tool has no pinned definition".to_owned());
    let identity = || case.facts.identity.ok_or_else(|| "the caller has no identity".to_owned());
    let client = || case.facts.client.ok_or_else(|| "the client did not say what it is".to_owned());
    Ok(match subject {
        Subject::Args(steps) => judge(Some(case.arguments), steps),
        Subject::Result(steps) => judge(result(case)?, steps),
        // What is no call of a tool has no name of one.
        Subject::ToolName if case.call.tool.is_empty() => return Err("this is no call of a tool".to_owned()),
        Subject::ToolName => judge(Some(&text(case.call.tool)), &[]),
        Subject::ToolCategory => {
            let category = definition()?.category.ok_or_else(|| "the tool has no category".to_owned())?;
            judge(Some(&text(category.as_str())), &[])
        }
        Subject::ToolAnnotations(steps) => match &definition()?.annotations {
            Some(annotations) => judge(Some(&read(annotations, "the tool's annotations")?), steps),
            None => judge(None, steps),
        },
        Subject::GrantLabel => judge(Some(&text(&case.facts.grant.label)), &[]),
        Subject::GrantTag(key) => judge(case.facts.grant.tags.get(&**key).map(|tag| text(tag)).as_ref(), &[]),
        Subject::IdentitySubject => judge(Some(&text(&identity()?.subject)), &[]),
        Subject::IdentityClaims(steps) => judge(Some(&read(&identity()?.claims, "the identity's claims")?), steps),
        Subject::ClientName => judge(Some(&text(&client()?.name)), &[]),
        Subject::ClientVersion => judge(Some(&text(&client()?.version)), &[]),
        Subject::SessionId => {
            let session = case.facts.session.ok_or_else(|| "the call has no session".to_owned())?;
            judge(Some(&text(session)), &[])
        }
        Subject::Hour(zone) => {
            let hour = HOURS.get(usize::from(clock(case.facts.now, zone)?.0)).copied().unwrap_or("0");
            judge(Some(&Value { kind: Kind::Number(Number { text: hour }), span: Span::default() }), &[])
        }
        Subject::Weekday(zone) => judge(Some(&text(clock(case.facts.now, zone)?.1)), &[]),
    })
}

/// The variables of an expression. What is not known is not there, so that looking at it is an error.
pub(super) fn variables(case: &Case<'_>, expression: &Expression) -> Result<Vec<(&'static str, cel::Value)>, String> {
    let names = expression.variables();
    let most = expression.max_values();
    if most < usize::MAX && count(case.arguments) > most {
        return Err("the arguments are too many for an expression with nested loops".into());
    }
    if most < usize::MAX && names.contains(&"result") && result(case)?.is_some_and(|result| count(result) > most) {
        return Err("the result is too large for an expression with nested loops".into());
    }
    let mut variables = Vec::with_capacity(names.len());
    for name in names {
        if let Some(value) = variable(case, name)? {
            variables.push((*name, value));
        }
    }
    Ok(variables)
}

fn variable(case: &Case<'_>, name: &str) -> Result<Option<cel::Value>, String> {
    let text = cel_value::text;
    let facts = case.facts;
    Ok(match name {
        "args" => Some(cel_value::value(case.arguments)?),
        "result" => result(case)?.map(cel_value::value).transpose()?,
        "tool" => {
            let mut tool = vec![("name", text(case.call.tool))];
            if let Some(definition) = case.call.definition {
                let category = definition.category.map(|category| ("category", text(category.as_str())));
                tool.extend(category);
                let annotations = definition.annotations.as_deref().unwrap_or("{}");
                tool.push(("annotations", cel_value::value(&read(annotations, "the tool's annotations")?)?));
            }
            Some(cel_value::map(tool))
        }
        "grant" => {
            let tags = facts.grant.tags.iter().map(|(key, tag)| (key.as_str(), text(tag)));
            Some(cel_value::map([("label", text(&facts.grant.label)), ("tags", cel_value::map(tags))]))
        }
        "identity" => match facts.identity {
            Some(identity) => {
                let claims = cel_value::value(&read(&identity.claims, "the identity's claims")?)?;
                Some(cel_value::map([("subject", text(&identity.subject)), ("claims", claims)]))
            }
            None => None,
        },
        "client" => {
            let client =
                |client: &crate::call::Client| [("name", text(&client.name)), ("version", text(&client.version))];
            facts.client.map(|known| cel_value::map(client(known)))
        }
        "session" => facts.session.map(|id| cel_value::map([("id", text(id))])),
        _ => {
            let (hour, weekday) = clock(facts.now, &TimeZone::UTC)?;
            Some(cel_value::map([("hour", cel::Value::Int(hour.into())), ("weekday", text(weekday))]))
        }
    })
}

/// What came back: nothing where it is an error.
fn result<'a>(case: &Case<'a>) -> Result<Option<&'a Value<'a>>, String> {
    case.result.ok_or_else(|| "there is no result yet".to_owned())
}

fn count(value: &Value<'_>) -> usize {
    let inner: usize = match &value.kind {
        Kind::Array(items) => items.iter().map(count).sum(),
        Kind::Object(members) => members.iter().map(|member| count(&member.value)).sum(),
        _ => 0,
    };
    inner + 1
}

fn text(text: &str) -> Value<'_> {
    Value { kind: Kind::String(Cow::Borrowed(text)), span: Span::default() }
}

fn read<'t>(json: &'t str, what: &str) -> Result<Value<'t>, String> {
    let limits = Limits { exact_numbers: true, ..Limits::default() };
    callgate_json::parse(json.as_bytes(), &limits).map_err(|_| format!("{what} can't be read"))
}

/// The hour and the day of the week.
fn clock(now: Timestamp, zone: &TimeZone) -> Result<(u8, &'static str), String> {
    let moment =
        jiff::Timestamp::from_millisecond(now.0).map_err(|_| "the moment is beyond the calendar".to_owned())?;
    let local = zone.to_datetime(moment);
    let weekday = match local.weekday() {
        Weekday::Monday => "mon",
        Weekday::Tuesday => "tue",
        Weekday::Wednesday => "wed",
        Weekday::Thursday => "thu",
        Weekday::Friday => "fri",
        Weekday::Saturday => "sat",
        Weekday::Sunday => "sun",
    };
    Ok((u8::try_from(local.hour()).unwrap_or(0), weekday))
}
