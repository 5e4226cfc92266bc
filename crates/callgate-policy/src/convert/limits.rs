//! Intercept's counters as limits.

use super::{Spot, Told};
use crate::layout::Json;
use crate::parse::wording::shown;
use callgate_json::Decimal;
use std::collections::{HashMap, HashSet};

/// The scope that Intercept's rules under `"*"` count in.
const GLOBAL: &str = "_global";

/// Names counters: one for each tool and counter, never the same for two.
#[derive(Default)]
pub(super) struct CounterNames {
    given: HashMap<(String, String), String>,
    used: HashSet<String>,
}

impl CounterNames {
    fn name(&mut self, tool: &str, counter: &str) -> String {
        let key = (tool.to_owned(), counter.to_owned());
        if let Some(name) = self.given.get(&key) {
            return name.clone();
        }
        let tool = if tool == "*" { "all_tools" } else { tool };
        let plain = format!("{tool}_{counter}");
        let mut name = plain.clone();
        let mut number = 1;
        while !self.used.insert(name.clone()) {
            number += 1;
            name = format!("{plain}_{number}");
        }
        self.given.insert(key, name.clone());
        name
    }
}

/// A `state` block, by its counter.
pub(super) struct Block<'n> {
    spot: Spot<'n>,
    window: &'n str,
    increment: Decimal,
    increment_from: Option<&'n str>,
    /// Whether some condition limits it.
    pub(super) limited: bool,
}

/// Reads the `state` block of a rule.
pub(super) fn block<'n>(told: &mut Told, state: &Spot<'n>) -> Option<(&'n str, Block<'n>)> {
    super::intercept::only(told, state, &["counter", "window", "increment", "increment_from"], "`state`");
    let Some(counter) = state.get("counter").and_then(|spot| spot.text()) else {
        told.error(state, "`counter` is missing in this `state`", "name the counter");
        return None;
    };
    let window = state.get("window").and_then(|spot| spot.text()).unwrap_or_default();
    if !matches!(window, "minute" | "hour" | "day") {
        let message = format!("`window` can't be `{}`", shown(window));
        told.error(&state.get("window").unwrap_or_else(|| state.clone()), message, "`minute`, `hour` or `day`");
        return None;
    }
    let written = state.get("increment");
    let increment = match written.as_ref().map(|spot| spot.text().unwrap_or_default().parse::<Decimal>()) {
        None => Decimal::ONE,
        // Intercept reads 0 as "not given".
        Some(Ok(zero)) if zero.is_zero() => Decimal::ONE,
        Some(Ok(increment)) if !increment.is_negative() => increment,
        Some(_) => {
            told.error(
                written.as_ref().unwrap_or(state),
                "`increment` has to be a number above 0",
                "leave it out for 1",
            );
            return None;
        }
    };
    let increment_from = state.get("increment_from").and_then(|spot| spot.text());
    Some((counter, Block { spot: state.clone(), window, increment, increment_from, limited: false }))
}

/// What a limit needs beside its counter.
pub(super) struct Terms<'a> {
    /// The key in the YAML document.
    pub(super) tool: &'a str,
    /// The rule's name.
    pub(super) rule: Option<&'a str>,
    /// The message.
    pub(super) on_deny: Option<&'a str>,
}

/// A condition over `state.<scope>.<counter>` as a limit.
pub(super) fn from_condition(
    told: &mut Told,
    names: &mut CounterNames,
    condition: &Spot<'_>,
    blocks: &mut HashMap<&str, Block<'_>>,
    terms: &Terms<'_>,
) -> Option<Json> {
    let path = condition.get("path")?.text()?;
    let mut parts = path.splitn(3, '.').skip(1);
    let (scope, counter) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let own_scope = if terms.tool == "*" { GLOBAL } else { terms.tool };
    let Some(block) = blocks.get_mut(counter).filter(|_| scope == own_scope) else {
        let message = format!("`{}` reads a counter that this tool's rules don't keep", shown(path));
        told.error(condition, message, "a limit counts the calls it limits: keep the `state` block in the same tool");
        return None;
    };
    let value = condition.get("value").and_then(|spot| spot.text()).and_then(|text| text.parse::<Decimal>().ok());
    let Some(bound) = value.filter(|bound| !bound.is_negative()) else {
        told.error(condition, "a counter is compared with a number from 0", "");
        return None;
    };
    let op = condition.get("op").and_then(|spot| spot.text()).unwrap_or_default();
    let max = match op {
        "lte" => Some(bound),
        "lt" => below(told, condition, bound, block.increment_from.is_some()),
        _ => {
            let message = format!("`{}` on a counter is no limit", shown(op));
            told.error(condition, message, "`lte` is: the counter may hold so much");
            None
        }
    }?;
    block.limited = true;
    let max = if block.increment_from.is_some() { max } else { calls(told, block, max)? };
    Some(limit(&names.name(terms.tool, counter), block.window, max, block.increment_from, terms))
}

/// Less than a bound, in whole units.
fn below(told: &mut Told, condition: &Spot<'_>, bound: Decimal, summed: bool) -> Option<Decimal> {
    if bound.is_zero() {
        told.error(condition, "no counter is below 0", "use `action: deny`");
        return None;
    }
    let lower = bound.checked_sub(Decimal::ONE).ok()?;
    if summed {
        let message = format!("`lt {bound}` becomes a `max` of {lower}: the sum is taken to be in whole units");
        told.warning(condition, message, "set `max` by hand where amounts have fractions");
    }
    Some(if lower.is_negative() { Decimal::ZERO } else { lower })
}

/// How many calls fit under a bound when each adds more than 1.
fn calls(told: &mut Told, block: &Block<'_>, max: Decimal) -> Option<Decimal> {
    if block.increment == Decimal::ONE {
        return Some(max);
    }
    let whole = max.as_i64().zip(block.increment.as_i64()).map(|(max, increment)| Decimal::from(max / increment));
    if whole.is_none() {
        told.error(&block.spot, "`increment` and the limit have to be whole numbers", "");
    }
    whole
}

/// `rate_limit: 5/hour` as a limit.
pub(super) fn from_rate(told: &mut Told, names: &mut CounterNames, rate: &Spot<'_>, terms: &Terms<'_>) -> Option<Json> {
    let text = rate.text().unwrap_or_default();
    let read = text.split_once('/').and_then(|(count, window)| {
        let count = count.trim().parse::<i64>().ok().filter(|count| *count > 0)?;
        matches!(window.trim(), "minute" | "hour" | "day").then_some((Decimal::from(count), window.trim()))
    });
    let Some((max, window)) = read else {
        told.error(
            rate,
            format!("`rate_limit` can't be `{}`", shown(text)),
            "a whole number, `/`, and `minute`, `hour` or `day`: `5/hour`",
        );
        return None;
    };
    Some(limit(&names.name(terms.tool, "rate"), window, max, None, terms))
}

fn limit(counter: &str, window: &str, max: Decimal, increment_from: Option<&str>, terms: &Terms<'_>) -> Json {
    let mut members = vec![("counter", Json::string(counter))];
    members.extend(terms.rule.map(|rule| ("description", Json::string(rule))));
    members.push(("window", Json::string(window)));
    members.push(("max", Json::Raw(max.to_string())));
    members.push(("scope", Json::string("grant")));
    members.extend(increment_from.map(|path| ("increment_from", Json::string(&super::intercept::path(path)))));
    members.extend(terms.on_deny.map(|text| ("on_deny", Json::string(text))));
    Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
