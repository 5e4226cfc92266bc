//! Searches are explained as the API understands them.

use super::*;
use proptest::prelude::*;

fn texts(text: &str) -> Vec<(String, String)> {
    explain(Subject::Decisions, text).into_iter().map(|found| (found.text, found.says)).collect()
}

#[test]
fn every_qualifier_of_the_api_is_explained() {
    for subject in [Subject::Decisions, Subject::Changes] {
        let mut known: Vec<&str> = qualifiers(subject).iter().map(|known| known.key).collect();
        let mut keys = subject.keys().to_vec();
        known.sort_unstable();
        keys.sort_unstable();
        assert_eq!(known, keys);
        // Every value that is suggested is one.
        for known in qualifiers(subject) {
            for value in known.values {
                let text = format!("{}:{value}", known.key);
                assert_eq!(explain(subject, &text).len(), 1, "{text}");
            }
        }
    }
}

#[test]
fn conditions_are_explained_and_can_be_left_out() {
    let text = r#"tool:exec_command outcome:deny since:1h "not: allowed" x"#;
    assert_eq!(
        texts(text),
        [
            ("tool:exec_command", "the tool is `exec_command`"),
            ("outcome:deny", "the outcome is `deny`"),
            ("since:1h", "from then on: 1h ago"),
            ("\"not: allowed\"", "a text has `not: allowed` in it"),
            ("x", "a text has `x` in it"),
        ]
        .map(|(text, says)| (text.to_owned(), says.to_owned()))
    );
    let without = &explain(Subject::Decisions, text)[1].without;
    assert_eq!(without, r#"tool:exec_command since:1h "not: allowed" x"#);
    // What the API will not understand is not explained; its problem is shown.
    for wrong in ["tool:", "no:such", "outcome:maybe", "\"open"] {
        assert_eq!(texts(wrong), [], "{wrong}");
    }
    assert_eq!(texts("tool:\u{202e}x")[0].1, "the tool is `⟨U+202E⟩x`");
}

#[test]
fn words_go_on_as_qualifiers_and_values() {
    let names = [("server", "kernel".to_owned()), ("server", "a b".to_owned()), ("tool", "k".to_owned())];
    for (text, expected) in [
        ("re", vec!["reason:", "result:"]),
        ("x out", vec!["x outcome:"]),
        ("x outcome:", vec!["x outcome:allow", "x outcome:deny", "x outcome:approve"]),
        ("outcome:d", vec!["outcome:deny"]),
        ("outcome:deny", vec![]),
        ("server:", vec!["server:kernel", "server:\"a b\""]),
        ("server:k", vec!["server:kernel"]),
        ("nothing:", vec![]),
        ("zzz", vec![]),
    ] {
        let found: Vec<String> =
            suggest(Subject::Decisions, text, &names).into_iter().map(|found| found.search).collect();
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(suggest(Subject::Decisions, "", &[]).len(), SUGGESTIONS);
}

#[test]
fn qualifiers_are_set_and_taken_away() {
    let text = "tool:a outcome:deny tool:b word";
    let subject = Subject::Decisions;
    assert_eq!(with(subject, text, "tool", "c d"), "outcome:deny word tool:\"c d\"");
    assert_eq!(with(subject, text, "tool", ""), "outcome:deny word");
    assert_eq!(with(subject, "", "outcome", "allow"), "outcome:allow");
    assert_eq!(value_of(subject, text, "outcome").as_deref(), Some("deny"));
    assert_eq!(value_of(subject, text, "server"), None);
    assert_eq!(decisions(&[("tool", "a b"), ("server", "")]), "/decisions?q=tool%3A%22a%20b%22");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in ".{1,40}", other in "[a-z\"\\\\ :]{1,20}") {
        let text = format!("{} {}", condition("tool", &value), quoted(&other));
        let terms = parse(&text).unwrap();
        prop_assert_eq!(terms.len(), 2);
        prop_assert_eq!((terms[0].key, terms[0].value.as_str()), (Some("tool"), value.as_str()));
        prop_assert_eq!((terms[1].key, terms[1].value.as_str()), (None, other.as_str()));
    }
}
