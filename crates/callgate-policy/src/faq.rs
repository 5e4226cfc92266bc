//! The older spellings on tool entries: `action`, `reason`, `approval_timeout`, `rate_limit`, `spend_limit`.

use crate::decision::{Place, RulePath};
use crate::ledger::Unit;
use crate::model::{AskTerms, Limit, Mode, Predicate, Scope, Strategy, Window};
use crate::parse::duration;
use crate::parse::field::{RATE, WINDOWS};
use crate::parse::reader::{Fields, Reader, amount, count};
use crate::parse::wording::{quoted, shown};
use crate::path::Path;
use callgate_json::{Decimal, Pointer, Value};

/// What the older spellings of one entry mean. It stands in front of the entry's own lists.
#[derive(Default)]
pub(crate) struct Older {
    /// Where the tool is hidden.
    pub(crate) hide: Option<Place>,
    /// An unconditional denial.
    pub(crate) deny_if: Option<Predicate>,
    /// An unconditional question.
    pub(crate) approve_if: Option<Predicate>,
    /// Limits.
    pub(crate) limits: Vec<Limit>,
}

/// What `spend_limit` charges.
const SPENT: &str = "args.amount";

/// Reads the older spellings of an entry. Shapes without them have none.
pub(crate) fn read(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, tool: &str) -> Older {
    let mut older = Older::default();
    action(reader, fields, &mut older);
    older.limits.extend(rate_limit(reader, fields, tool));
    older.limits.extend(spend_limit(reader, fields, tool));
    older
}

fn action(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, older: &mut Older) {
    let action = fields.text("action");
    let place = fields.get("action").map(|(value, at)| reader.place(&at, value.span.start));
    match (action, place) {
        (Some("hide"), place) => older.hide = place,
        (Some("deny"), Some(place)) => older.deny_if = Some(unconditional(fields, place)),
        (Some("require_approval"), Some(place)) => older.approve_if = Some(unconditional(fields, place)),
        _ => {}
    }
    if let Some((reason, at)) = fields.get("reason") {
        let hint = "`reason` belongs beside `\"action\": \"deny\"` or `\"action\": \"require_approval\"`; in a rule \
                    write `on_deny`";
        match action {
            None => reader.error("CG1017", reason.span.start, &at, "`reason` without `action` says nothing", hint),
            Some(action @ ("allow" | "hide")) => {
                let place = reader.place(&at, reason.span.start);
                reader.warning_at("CG1108", &place, format!("`reason` is never shown under `{action}`"), hint);
            }
            Some(_) => {}
        }
    }
    if let Some((timeout, at)) = fields.get("approval_timeout").filter(|_| action != Some("require_approval")) {
        let message = "`approval_timeout` needs `\"action\": \"require_approval\"`";
        reader.error("CG1017", timeout.span.start, &at, message, "in `approve_if` write `timeout`");
    }
}

fn unconditional(fields: &Fields<'_, '_>, place: Place) -> Predicate {
    Predicate {
        // The list that takes the predicate names it.
        rule: RulePath::new(""),
        place,
        name: None,
        description: None,
        conditions: Vec::new(),
        any: Vec::new(),
        on_deny: fields.shared("reason"),
        mode: Mode::Enforce,
        quiet: false,
        ask: AskTerms { timeout_ms: fields.duration("approval_timeout"), ..AskTerms::default() },
    }
}

fn rate_limit(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, tool: &str) -> Option<Limit> {
    let (value, at) = fields.get("rate_limit")?;
    let (max, window) = match value.as_str() {
        Some(text) => per_window(reader, "rate_limit", text, value, &at)?,
        None => {
            let rate = reader.object(value, &at, &RATE)?;
            let (max, _) = rate.get("max")?;
            let (seconds, _) = rate.get("window")?;
            (amount(max)?, duration::of_milliseconds(u64::from(count(seconds)?) * 1_000))
        }
    };
    Some(limit(format!("{tool}_rate"), window, max, None, reader.place(&at, value.span.start)))
}

fn spend_limit(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, tool: &str) -> Option<Limit> {
    let (value, at) = fields.get("spend_limit")?;
    let text = value.as_str()?;
    let Some(number) = text.strip_prefix('$') else {
        let message = format!("`spend_limit` can't be `{}`", shown(text));
        let hint = "it begins with `$`: `\"$500/day\"`; for another unit write a limit with `increment_from`";
        reader.error("CG1011", value.span.start, &at, message, hint);
        return None;
    };
    let (max, window) = per_window(reader, "spend_limit", number, value, &at)?;
    let place = reader.place(&at, value.span.start);
    let message = format!("`spend_limit` counts `{SPENT}` in the tool's own unit, whatever the currency");
    let hint = "tools that take cents need 100 times the amount; a limit with `increment_from` says so plainly";
    reader.warning_at("CG1107", &place, message, hint);
    Some(limit(format!("{tool}_spend"), window, max, Path::parse(SPENT).ok(), place))
}

/// Reads `5/hour`.
fn per_window(
    reader: &mut Reader<'_>,
    field: &str,
    text: &str,
    value: &Value<'_>,
    at: &Pointer,
) -> Option<(Decimal, Window)> {
    let read = text.split_once('/').and_then(|(number, window)| Some((plain(number)?, named_window(window)?)));
    if read.is_none() {
        let message = format!("`{field}` can't be `{}`", shown(value.as_str().unwrap_or_default()));
        let sample = if field == "spend_limit" { "$500/day" } else { "5/hour" };
        let hint = format!("a plain number, `/`, and one of {}: `\"{sample}\"`", quoted(WINDOWS));
        reader.error("CG1011", value.span.start, at, message, hint);
    }
    read
}

/// Digits, with a fraction at most; no sign, no exponent, no separators.
fn plain(text: &str) -> Option<Decimal> {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| text.parse().ok()).flatten()
}

fn named_window(text: &str) -> Option<Window> {
    duration::read_window(text).filter(|_| WINDOWS.contains(&text))
}

fn limit(counter: String, window: Window, max: Decimal, increment_from: Option<Path>, place: Place) -> Limit {
    Limit {
        // The list that takes the limit names it.
        rule: RulePath::new(""),
        place,
        description: None,
        counter: counter.into(),
        window,
        strategy: Strategy::Fixed,
        max,
        scope: Scope::Grant,
        unit: increment_from.as_ref().map_or(Unit::Calls, |path| Unit::Path(path.text().into())),
        increment_from,
        on_deny: None,
        mode: Mode::Enforce,
    }
}
