use super::*;
use expect_test::{Expect, expect};

fn asked(body: Value) -> Event {
    Event {
        organisation: "default".to_owned(),
        id: "ev_1".to_owned(),
        kind: "approval.asked".to_owned(),
        server: Some("s1".to_owned()),
        at: 1_700_000_000_000,
        body: body.to_string(),
    }
}

fn check(template: Template, event: &Event, arguments: Option<&str>, expected: Expect) {
    let asked = arguments.map(|arguments| Sealed {
        message: "`args.amount` is 500".to_owned(),
        arguments: serde_json::from_str(arguments).unwrap(),
        include_arguments: true,
    });
    let body = body(template, event, "https://gate.example", asked.as_ref());
    let value: Value = serde_json::from_slice(&body).unwrap();
    expected.assert_eq(&serde_json::to_string_pretty(&value).unwrap());
}

fn payment() -> Event {
    asked(json!({
        "id": "a_1", "server": "bank", "tool": "pay", "argument_names": ["amount", "to"], "grant": "laptop",
        "rule": "/tools/pay/approve_if/0", "expires": "2023-11-14T22:43:20.000Z",
    }))
}

#[test]
fn the_generic_message_is_that_of_standard_webhooks() {
    check(
        Template::Generic,
        &payment(),
        None,
        expect![[r#"
        {
          "data": {
            "argument_names": [
              "amount",
              "to"
            ],
            "expires": "2023-11-14T22:43:20.000Z",
            "grant": "laptop",
            "id": "a_1",
            "organisation": "default",
            "rule": "/tools/pay/approve_if/0",
            "server": "bank",
            "tool": "pay",
            "url": "https://gate.example/approvals/a_1"
          },
          "timestamp": "2023-11-14T22:13:20.000Z",
          "type": "approval.asked"
        }"#]],
    );
}

#[test]
fn slack_gets_blocks_with_a_button() {
    check(
        Template::Slack,
        &payment(),
        Some(r#"{"amount":500,"to":"<!channel> *you*"}"#),
        expect![[r#"
        {
          "blocks": [
            {
              "text": {
                "emoji": false,
                "text": "pay waits for a yes",
                "type": "plain_text"
              },
              "type": "header"
            },
            {
              "fields": [
                {
                  "emoji": false,
                  "text": "Organisation: default",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Server: bank",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Tool: pay",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Grant: laptop",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Rule: /tools/pay/approve_if/0",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Because: `args.amount` is 500",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Until: 2023-11-14T22:43:20.000Z",
                  "type": "plain_text"
                },
                {
                  "emoji": false,
                  "text": "Arguments: {\"amount\":500,\"to\":\"<!channel> *you*\"}",
                  "type": "plain_text"
                }
              ],
              "type": "section"
            },
            {
              "elements": [
                {
                  "action_id": "open",
                  "text": {
                    "emoji": false,
                    "text": "Look and decide",
                    "type": "plain_text"
                  },
                  "type": "button",
                  "url": "https://gate.example/approvals/a_1"
                }
              ],
              "type": "actions"
            }
          ],
          "text": "pay waits for a yes"
        }"#]],
    );
}

#[test]
fn teams_gets_an_adaptive_card() {
    check(
        Template::Teams,
        &payment(),
        None,
        expect![[r#"
        {
          "attachments": [
            {
              "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "actions": [
                  {
                    "title": "Look and decide",
                    "type": "Action.OpenUrl",
                    "url": "https://gate.example/approvals/a_1"
                  }
                ],
                "body": [
                  {
                    "inlines": [
                      {
                        "size": "Medium",
                        "text": "pay waits for a yes",
                        "type": "TextRun",
                        "weight": "Bolder"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Organisation: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "default",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Server: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "bank",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Tool: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "pay",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Grant: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "laptop",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Rule: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "/tools/pay/approve_if/0",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Until: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "2023-11-14T22:43:20.000Z",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  },
                  {
                    "inlines": [
                      {
                        "text": "Arguments: ",
                        "type": "TextRun",
                        "weight": "Bolder"
                      },
                      {
                        "text": "amount, to",
                        "type": "TextRun",
                        "weight": "Default"
                      }
                    ],
                    "type": "RichTextBlock"
                  }
                ],
                "type": "AdaptiveCard",
                "version": "1.4"
              },
              "contentType": "application/vnd.microsoft.card.adaptive",
              "contentUrl": null
            }
          ],
          "type": "message"
        }"#]],
    );
}

#[test]
fn names_can_neither_format_nor_turn_what_stands_around_them() {
    let event = asked(json!({ "id": "a_1", "tool": "<https://evil.example|ok>\u{202e}\n& co", "argument_names": [] }));
    for template in [Template::Slack, Template::Teams] {
        let text = String::from_utf8(body(template, &event, "https://gate.example", None)).unwrap();
        assert!(!text.contains('\u{202e}') && !text.contains("\\n"), "{text}");
    }
    let slack: Value = serde_json::from_slice(&body(Template::Slack, &event, "", None)).unwrap();
    assert_eq!(slack["text"], "&lt;https://evil.example|ok&gt;⟨U+202E⟩⟨U+000A⟩&amp; co waits for a yes");
    assert!(!slack.to_string().contains("mrkdwn"), "{slack}");
    for long in ["x", "\u{202e}"] {
        let event = asked(json!({ "tool": long.repeat(5_000) }));
        for template in [Template::Slack, Template::Teams] {
            assert!(body(template, &event, "", None).len() < 3_000, "{template:?}");
        }
    }
}

#[test]
fn every_kind_has_a_title_of_its_own_and_no_event_fails() {
    let mut titles = std::collections::BTreeSet::new();
    for happening in Happening::ALL.into_iter().chain([Happening::WebhookTest]) {
        let event = Event { kind: happening.word().to_owned(), ..asked(json!({ "server": "bank", "tool": "pay" })) };
        let slack: Value = serde_json::from_slice(&body(Template::Slack, &event, "", None)).unwrap();
        assert!(titles.insert(slack["text"].as_str().unwrap().to_owned()), "{slack}");
    }
    for broken in ["", "[]", "null", "{", r#"{"tool":7,"tools":[{"x":[]}],"id":{}}"#] {
        for template in [Template::Generic, Template::Slack, Template::Teams] {
            let event = Event { body: broken.to_owned(), ..payment() };
            let value: Value = serde_json::from_slice(&body(template, &event, "", None)).unwrap();
            assert!(value.is_object(), "{broken}");
        }
    }
}
