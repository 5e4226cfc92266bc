//! The questions that people ask about a server or a tool, and the answers.

use super::super::document::Judged;
use super::{Question, does, pretty, risk_why, sentence, titled};
use callgate_catalog::{Scanned, Tool};
use serde_json::json;

/// About a server.
pub(super) fn server_questions(judged: &Judged<'_>) -> Vec<Question> {
    let document = judged.document;
    let name = titled(document);
    let mut questions = Vec::new();
    if let Some(grade) = &judged.grade {
        questions.push(Question {
            asks: format!("What does {name} do?"),
            answer: format!("{} It has {} tools.", sentence(&document.description), judged.tools.len()),
            code: None,
        });
        let riskiest = judged.scanned.iter().max_by_key(|tool| tool.risk);
        if let Some(riskiest) = riskiest {
            questions.push(Question {
                asks: format!("How risky is {name}?"),
                answer: format!(
                    "Its grade is {} ({} of 100 points). Its riskiest tool is {}: {}",
                    grade.letter,
                    grade.score,
                    riskiest.tool,
                    risk_why(riskiest)
                ),
                code: None,
            });
        }
    }
    if judged.policy.is_some() {
        questions.push(Question {
            asks: format!("How do I enforce a policy on {name}?"),
            answer:
                "Register the server with the gateway, save the policy above as policy.json, and publish it. From the \
                     next call on nothing else is let through."
                    .to_owned(),
            code: Some(
                "callgate server add NAME --url https://…\ncallgate policy publish policy.json --server NAME\n\
                 callgate grant mint --server NAME --label me --policy default"
                    .to_owned(),
            ),
        });
    }
    questions
}

/// About a tool; `others` servers have one of its name, too.
pub(super) fn tool_questions(
    judged: &Judged<'_>,
    tool: &Tool,
    scanned: &Scanned,
    rule: &str,
    others: usize,
) -> Vec<Question> {
    let (name, server) = (tool.name.as_str(), titled(judged.document));
    // Each is a policy as it stands; what else the server has is let through.
    let limit = json!({ "version": "1", "default": "allow", "tools": { name: { "limits": [
        { "counter": format!("{name}_rate"), "window": "minute", "max": 10, "scope": "grant" }
    ] } } });
    let block = json!({ "version": "1", "default": "allow", "hide": [name] });
    let question = |asks: String, answer: String, code: Option<String>| Question { asks, answer, code };
    let elsewhere = match others {
        0 => "No other server of this catalogue has a tool of this name.".to_owned(),
        1 => "One other server of this catalogue has a tool of this name; a name alone says nothing about who \
              answers."
            .to_owned(),
        more => format!(
            "At least {more} other servers of this catalogue have a tool of this name; a name alone says nothing about \
             who answers."
        ),
    };
    vec![
        question(format!("What does {name} do?"), format!("{} {}", sentence(&tool.description), does(scanned.category)), None),
        question(format!("How do I enforce a policy on {name}?"), format!(
            "Put Callgate between the client and {server}, and publish this policy for the server. What it does not \
             allow does not reach the server."
        ), Some(rule.to_owned())),
        question(format!("Which risk does {name} have?"), risk_why(scanned), None),
        question(
            format!("Can I rate-limit {name}?"),
            "Yes: a limit in the tool's entry counts calls by grant, by session or over all. This one allows ten a minute."
                .to_owned(),
            Some(pretty(&limit)),
        ),
        question(
            format!("How do I block {name}?"),
            "Hide it: clients don't see it in the list of tools, and a call is denied.".to_owned(),
            Some(pretty(&block)),
        ),
        question(format!("Which server provides {name}?"), format!("{server}. {elsewhere}"), None),
    ]
}
