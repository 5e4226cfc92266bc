//! `explain`: what a policy makes of one call, or of one thing beside tools, and why.

use super::label;
use crate::cli::ExplainArgs;
use crate::failure::{Exit, Failure};
use crate::{moment, output, tool_list};
use callgate_control::document;
use callgate_policy::{Arguments, Charge, Decision, Earlier, Mode, Outcome, Policy, Question, Stage, Timestamp, Unit};
use serde_json::{Value, json};

/// The label of the calling grant where none is named.
const LABEL: &str = "explain";

/// Explains one call, or one thing that is reached for.
pub(super) fn run(args: &ExplainArgs) -> Result<Exit, Failure> {
    let decision = match (args.reach.reach(), &args.tool) {
        (Some(reach), _) => callgate_policy::decide_reach(Some(&policy(args)?), None, reach),
        (None, Some(tool)) => call(args, tool)?,
        (None, None) => {
            let remedy = "give `--tool`, `--resource`, `--prompt`, `--sampling`, `--elicitation` or `--root`";
            return Err(Failure::cannot_run("CG3051", "nothing to explain", remedy));
        }
    };
    if args.json.json {
        output::json(&as_json(&decision));
    } else {
        output::text(&as_text(&decision, &label(&args.file)));
    }
    Ok(if decision.outcome == Outcome::Allow { Exit::Yes } else { Exit::No })
}

fn policy(args: &ExplainArgs) -> Result<Policy, Failure> {
    let bytes = tool_list::read_file(&args.file)?;
    document::parsed(&bytes, &label(&args.file)).map_err(|why| {
        Failure::cannot_run("CG3045", format!("the policy can't be used:\n{why}"), "a broken policy refuses every call")
    })
}

fn call(args: &ExplainArgs, tool: &str) -> Result<Decision, Failure> {
    let definitions = args.tools.as_deref().map(tool_list::definitions).transpose()?.unwrap_or_default();
    let now = args.at.as_deref().map_or_else(|| Ok(moment::now()), |at| moment::parse("--at", at))?;
    let arguments = arguments("--args", &args.args)?;
    let earlier = args.after.iter().map(|call| earlier(call)).collect::<Result<Vec<_>, _>>()?;
    let known = |tool: &str| definitions.iter().find(|definition| definition.name == tool);
    let after: Vec<Earlier<'_>> = earlier
        .iter()
        .map(|(tool, arguments)| Earlier { tool, arguments: Arguments::Value(arguments), definition: known(tool) })
        .collect();
    let policy = policy(args)?;
    let stage = Stage::new(args.grant.as_deref().unwrap_or(LABEL), Timestamp(now))
        .map_err(|error| Failure::cannot_run("CG3040", error.to_string(), "choose another label"))?;
    let question = Question {
        policy: Some(&policy),
        baseline: None,
        tool,
        arguments: Arguments::Value(&arguments),
        definition: known(tool),
        after: &after,
        calls: args.calls,
    };
    Ok(callgate_policy::explain(&question, &stage))
}

fn arguments<'t>(option: &str, text: &'t str) -> Result<callgate_json::Value<'t>, Failure> {
    let limits = callgate_json::Limits { exact_numbers: true, ..callgate_json::Limits::default() };
    callgate_json::parse(text.as_bytes(), &limits).map_err(|error| {
        let remedy = "give a JSON object, for example `--args '{\"command\":\"ls\"}'`";
        Failure::cannot_run("CG3051", format!("`{option}`: {error}"), remedy)
    })
}

/// A call before: `TOOL`, or `TOOL=JSON`.
fn earlier(call: &str) -> Result<(&str, callgate_json::Value<'_>), Failure> {
    let (tool, args) = call.split_once('=').unwrap_or((call, "{}"));
    Ok((tool, arguments("--after", args)?))
}

fn as_json(decision: &Decision) -> Value {
    let shadow: Vec<Value> = decision
        .shadow
        .iter()
        .map(|verdict| {
            json!({
                "rule": verdict.rule.as_str(), "outcome": verdict.outcome.as_str(),
                "reason": verdict.reason.as_str(), "message": verdict.message.as_str(),
            })
        })
        .collect();
    json!({
        "outcome": decision.outcome.as_str(), "reason": decision.reason.map(|reason| reason.as_str()),
        "rule": decision.rule.as_str(), "message": decision.message.as_str(),
        "pointer": decision.place.as_ref().map(|place| &*place.pointer), "line": decision.place.as_ref().map(|place| place.line),
        "retryAfterMs": decision.retry_after_ms,
        "charges": decision.charges.iter().map(charge).collect::<Vec<_>>(), "shadow": shadow,
    })
}

fn charge(charge: &Charge) -> Value {
    let counts = match &charge.key.unit {
        Unit::Calls => "calls",
        Unit::Path(path) => path,
    };
    json!({
        "counter": &*charge.key.name, "amount": charge.amount.to_string(), "max": charge.max.to_string(),
        "counts": counts, "rule": charge.rule.as_str(), "pointer": &*charge.place.pointer,
        "line": charge.place.line, "shadow": charge.mode == Mode::Shadow,
    })
}

fn as_text(decision: &Decision, file: &str) -> String {
    let mut lines = vec![decision.outcome.as_str().to_owned()];
    if !decision.rule.as_str().is_empty() {
        lines.push(format!("rule     {}", output::plain(decision.rule.as_str())));
    }
    if let Some(place) = &decision.place {
        lines.push(format!("at       {file}:{} {}", place.line, output::plain(&place.pointer)));
    }
    if let Some(reason) = decision.reason {
        lines.push(format!("because  {}", reason.as_str()));
    }
    if !decision.message.is_empty() {
        lines.push(format!("message  {}", output::plain(&decision.message)));
    }
    for charge in decision.charges.iter().filter(|charge| charge.mode == Mode::Enforce) {
        lines.push(format!(
            "charges  {} to `{}` (at most {})",
            charge.amount,
            output::plain(&charge.key.name),
            charge.max
        ));
    }
    for verdict in &decision.shadow {
        lines.push(format!(
            "shadow   {} would {}: {}",
            verdict.rule,
            verdict.outcome.as_str(),
            output::plain(&verdict.message)
        ));
    }
    lines.join("\n")
}
