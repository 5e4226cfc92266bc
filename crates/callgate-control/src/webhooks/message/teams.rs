//! An adaptive card, for Workflows of Microsoft Teams ("When a Teams webhook request is received"). Values are text runs,
//! which no client reads as Markdown: a name must not become a link.

use super::Notice;
use serde_json::{Value, json};

pub(super) fn message(notice: &Notice) -> Value {
    let run = |text: &str, weight: &str| json!({ "type": "TextRun", "text": text, "weight": weight });
    let block = |inlines: Vec<Value>| json!({ "type": "RichTextBlock", "inlines": inlines });
    let mut body = vec![block(vec![json!({
        "type": "TextRun", "text": notice.title, "weight": "Bolder", "size": "Medium"
    })])];
    for (label, value) in &notice.facts {
        body.push(block(vec![run(&format!("{label}: "), "Bolder"), run(value, "Default")]));
    }
    let link = notice.link.iter();
    let actions: Vec<Value> =
        link.map(|(called, url)| json!({ "type": "Action.OpenUrl", "title": called, "url": url })).collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "body": body, "actions": actions,
    });
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}
