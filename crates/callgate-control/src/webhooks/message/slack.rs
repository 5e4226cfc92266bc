//! Slack's incoming webhooks: blocks, with values as plain text, which Slack neither formats nor links.

use super::Notice;
use serde_json::{Value, json};

/// The longest header that Slack takes, in characters.
const HEADER: usize = 150;

/// So many fields stand in one section at most.
const FIELDS: usize = 10;

pub(super) fn message(notice: &Notice) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let header: String = notice.title.chars().take(HEADER).collect();
    let mut blocks = vec![json!({ "type": "header", "text": plain(&header) })];
    for facts in notice.facts.chunks(FIELDS) {
        let fields: Vec<Value> = facts.iter().map(|(label, value)| plain(&format!("{label}: {value}"))).collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    if let Some((called, url)) = &notice.link {
        let button = json!({ "type": "button", "action_id": "open", "text": plain(called), "url": url });
        blocks.push(json!({ "type": "actions", "elements": [button] }));
    }
    // For notifications. Here Slack formats, so its three signs are escaped.
    let text = notice.title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text, "blocks": blocks })
}
