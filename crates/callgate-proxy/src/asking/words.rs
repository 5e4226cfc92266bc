//! What the caller of a call that needs a person's yes is told.

use crate::judge::Asked;
use callgate_decision::{Approval, Desk};
use callgate_json::visible::visible;
use callgate_json::{canonical, write_string};
use callgate_mcp::{Message, RequestId, notification, request};
use callgate_policy::{Reason, Timestamp};
use std::borrow::Cow;

/// How much of the arguments a form shows, in characters.
const SHOWN: usize = 2_000;
/// A step of progress while nothing happens: small, so that what the server reports afterwards is more.
const STEP: f64 = 1e-6;

/// What the model reads. It has to know what to do next.
pub(crate) fn told(asked: &Asked) -> String {
    let Approval { id, at, expires } = &asked.approval;
    let (why, end) = (sentence(&asked.refused.decision.message), moment(*expires));
    if asked.is_open() {
        let why = if why.is_empty() { "This call needs the approval of a person." } else { &*why };
        return format!(
            "[APPROVAL REQUIRED] {why} The call has not run. A person was asked to approve it: {at} (approval {id}, \
             open until {end}). Tell your user, wait for the approval, and then repeat exactly the same call with the \
             same arguments: it passes once. A call with other arguments needs an approval of its own."
        );
    }
    match asked.refused.decision.reason {
        Some(Reason::ApprovalRefused) => format!(
            "[POLICY DENIED] {why} The same call stays refused until {end}; don't repeat it before, and don't try to \
             reach the same end by another way without asking your user (approval {id})."
        ),
        Some(Reason::ApprovalExpired) => {
            format!("[POLICY DENIED] {why} The call has not run; repeat it to ask again (approval {id}).")
        }
        _ => format!("[POLICY DENIED] {why}"),
    }
}

/// What a rule says, as a sentence of its own: another one follows.
fn sentence(words: &str) -> Cow<'_, str> {
    let words = words.trim_end();
    let is_whole = words.is_empty() || words.ends_with(['.', '!', '?', ':', ';', '…', '。', '！', '？']);
    if is_whole { Cow::Borrowed(words) } else { Cow::Owned(format!("{words}.")) }
}

/// The approval as data.
pub(crate) fn approval_json(approval: &Approval, out: &mut String) {
    out.push_str("{\"id\":");
    write_string(&approval.id.0, out);
    let (key, place) = match &approval.at {
        Desk::Page(url) => ("url", url),
        Desk::Command(command) => ("command", command),
    };
    out.push_str(",\"");
    out.push_str(key);
    out.push_str("\":");
    write_string(place, out);
    out.push_str(",\"expiresAt\":");
    write_string(&moment(approval.expires), out);
    out.push('}');
}

/// The note that a call still waits, for the progress token (JSON) of its request. `count` is from 1 on.
pub(crate) fn progress(token: &[u8], count: u32, asked: &Asked) -> Vec<u8> {
    let mut params = b"{\"progressToken\":".to_vec();
    params.extend_from_slice(token);
    let mut text = format!(",\"progress\":{:.6},\"message\":", f64::from(count) * STEP);
    let Approval { id, at, expires } = &asked.approval;
    let message =
        format!("Waiting for a person to approve this call: {at} (approval {id}, until {})", moment(*expires));
    write_string(&message, &mut text);
    text.push('}');
    params.extend_from_slice(text.as_bytes());
    notification("notifications/progress", Some(&params))
}

/// Whether all of these arguments (JSON) fit into a form: nobody says yes there to what is not shown.
pub(crate) fn fits(arguments: &str) -> bool {
    visible(arguments).chars().nth(SHOWN).is_none()
}

/// The parameters of `elicitation/create` that ask the caller's own user, as JSON.
pub(crate) fn form(asked: &Asked, message: &Message<'_>) -> String {
    let call = message.tool_call();
    let tool = call.map(|call| call.name).unwrap_or_default();
    let arguments = call.and_then(|call| call.arguments).map_or_else(|| "{}".to_owned(), canonical);
    let why = match asked.refused.decision.message.as_str() {
        "" => "This call needs your approval.",
        why => why,
    };
    let text = format!("{}\n\nTool: {}\nArguments: {}", visible(why), visible(tool), visible(&arguments));
    let mut json = String::from("{\"mode\":\"form\",\"message\":");
    write_string(&text, &mut json);
    json.push_str(
        ",\"requestedSchema\":{\"type\":\"object\",\"properties\":{\"approve\":{\"type\":\"boolean\",\
         \"title\":\"Approve this call\",\"description\":\"Let exactly this call run, once.\",\"default\":false}},\
         \"required\":[\"approve\"]}}",
    );
    json
}

/// The request that asks a legacy client's user.
pub(crate) fn question(id: &RequestId, asked: &Asked, message: &Message<'_>) -> Vec<u8> {
    request(id.to_json().as_bytes(), "elicitation/create", Some(form(asked, message).as_bytes()))
}

/// RFC 3339, in UTC.
fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, fits, sentence};

    #[test]
    fn a_form_shows_all_that_a_yes_covers_or_is_none() {
        assert!(fits("{}") && fits(&"x".repeat(SHOWN)) && !fits(&"x".repeat(SHOWN + 1)));
        // What can't be seen is spelled out, and has to fit like that.
        assert!(!fits(&"\u{200b}".repeat(SHOWN / 2)));
    }

    #[test]
    fn what_a_rule_says_ends_before_the_next_sentence_begins() {
        for (words, expected) in [
            ("", ""),
            ("ask", "ask."),
            ("Ask. ", "Ask."),
            ("Why not?", "Why not?"),
            ("Wait…", "Wait…"),
            ("(see the wiki)", "(see the wiki)."),
        ] {
            assert_eq!(sentence(words), expected);
        }
    }
}
