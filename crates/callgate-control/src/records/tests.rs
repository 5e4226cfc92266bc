use super::*;
use callgate_store::{Column, Filter};

fn understood(subject: Subject, text: &str) -> Result<Terms, String> {
    let wrong = |error: QueryError| error.to_string();
    Terms::understand(subject, &parse(text).map_err(wrong)?, 10_000_000).map_err(wrong)
}

fn filter(column: Column, values: &[&str]) -> Filter {
    Filter { column, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

#[test]
fn the_text_of_a_search_is_understood() {
    let cases = [
        ("", Terms::default()),
        ("  \t ", Terms::default()),
        (
            "tool:exec_command outcome:deny since:1h server:kernel",
            Terms {
                filters: vec![
                    filter(Column::Tool, &["exec_command"]),
                    filter(Column::Outcome, &["deny"]),
                    filter(Column::Server, &["kernel"]),
                ],
                since: Some(10_000_000 - 3_600_000),
                ..Terms::default()
            },
        ),
        ("grant:laptop", Terms { filters: vec![filter(Column::Label, &["laptop"])], ..Terms::default() }),
        (
            "grant:g_0123456789abcdef",
            Terms { filters: vec![filter(Column::Grant, &["g_0123456789abcdef"])], ..Terms::default() },
        ),
        ("tool:a tool:b tool:a", Terms { filters: vec![filter(Column::Tool, &["a", "b"])], ..Terms::default() }),
        (
            r#"rule:"a \"b\" \\ c:d" x"#,
            Terms {
                filters: vec![filter(Column::Rule, &[r#"a "b" \ c:d"#])],
                words: vec!["x".to_owned()],
                ..Terms::default()
            },
        ),
        (r#""two words" one"#, Terms { words: vec!["two words".to_owned(), "one".to_owned()], ..Terms::default() }),
        (r#"a"b"#, Terms { words: vec![r#"a"b"#.to_owned()], ..Terms::default() }),
        ("tool:a:b", Terms { filters: vec![filter(Column::Tool, &["a:b"])], ..Terms::default() }),
        ("until:1970-01-01T00:00:01Z until:2h", Terms { until: Some(1_000), ..Terms::default() }),
        (
            "status:502 version:3",
            Terms {
                filters: vec![filter(Column::Status, &["502"]), filter(Column::Version, &["3"])],
                ..Terms::default()
            },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(understood(Subject::Decisions, text), Ok(expected), "{text}");
    }
}

#[test]
fn an_error_names_the_place() {
    let long = "x".repeat(1_001);
    let many = "x ".repeat(21);
    for (subject, text, expected) in [
        (Subject::Decisions, "tool:a tol:b", "`q`, character 8: there is no qualifier `tol`"),
        (Subject::Decisions, "ä ö who:x", "`q`, character 5: there is no qualifier `who`"),
        (Subject::Changes, "tool:x", "`q`, character 1: there is no qualifier `tool`"),
        (Subject::Decisions, ":x", "`q`, character 1: there is no qualifier ``"),
        (Subject::Decisions, "a tool:", "`q`, character 3: a value is missing"),
        (Subject::Decisions, "a \"\"", "`q`, character 3: a value is missing"),
        (Subject::Decisions, "a tool:\"b", "`q`, character 3: its quotes don't end"),
        (Subject::Decisions, "outcome:denied", "`q`, character 1: `denied` is no value of `outcome`"),
        (Subject::Decisions, "x since:yesterday", "`q`, character 3: `yesterday` is no time"),
        (Subject::Decisions, "status:-1", "`q`, character 1: `-1` is no number"),
        (Subject::Refusals, "kind:late", "`q`, character 1: `late` is no value of `kind`"),
        (Subject::Decisions, &long, "`q`: it has 1001 characters"),
        (Subject::Decisions, &many, "`q`, character 41: it has too many conditions"),
    ] {
        assert_eq!(understood(subject, text), Err(expected.to_owned()), "{text}");
    }
    let own = [Term { key: Some("since"), value: "x".to_owned(), at: 0 }];
    let error = Terms::understand(Subject::Changes, &own, 0).unwrap_err();
    assert_eq!(error.to_string(), "`since`: `x` is no time");
    for subject in [Subject::Decisions, Subject::Changes, Subject::Refusals] {
        for key in subject.keys() {
            let value = match *key {
                "outcome" => "deny",
                "result" => "timeout",
                "kind" => "early",
                "since" | "until" => "1h",
                _ => "1",
            };
            assert!(understood(subject, &format!("{key}:{value}")).is_ok(), "{key}");
        }
    }
}
