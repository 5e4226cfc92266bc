//! What is read off documents, and what is said about those that are none.

use super::*;

fn names(text: &str, name: Option<&str>) -> Vec<(String, bool, Option<usize>)> {
    let read = read(text.as_bytes(), name).unwrap();
    assert_eq!(read.flaws, [], "{text}");
    let row = |entry: Entry| (entry.name, entry.about.is_some(), entry.tools.map(|tools| tools.len()));
    read.entries.into_iter().map(row).collect()
}

#[test]
fn every_kind_of_document_is_read() {
    let tool = r#"{"name":"t","inputSchema":{"type":"object"}}"#;
    let plain = r#"{"name":"com.example/x","description":"d","version":"1"}"#;
    for (text, name, expected) in [
        (
            format!(r#"{{"servers":[{{"server":{plain}}}],"metadata":{{"count":1}}}}"#),
            None,
            ("com.example/x", true, None),
        ),
        (format!(r#"{{"servers":[{plain}]}}"#), None, ("com.example/x", true, None)),
        (plain.to_owned(), None, ("com.example/x", true, None)),
        (format!("[{plain}]"), None, ("com.example/x", true, None)),
        (format!(r#"{{"tools":[{tool}]}}"#), Some("mine"), ("mine", false, Some(1))),
        (
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tool}]}}}}"#),
            Some("mine"),
            ("mine", false, Some(1)),
        ),
        (format!("[{tool}]"), Some("mine"), ("mine", false, Some(1))),
        (format!(r#"{{"server":{plain},"tools":[{tool},{{"name":"u"}}]}}"#), None, ("com.example/x", true, Some(2))),
    ] {
        let (name_found, about, tools) = expected;
        assert_eq!(names(&text, name), [(name_found.to_owned(), about, tools)], "{text}");
    }
}

#[test]
fn an_old_version_that_is_touched_or_taken_away_later_does_not_count() {
    let entry = |version: &str, updated: &str, status: &str, latest: &str| {
        let meta = format!(r#"{{"{OFFICIAL}":{{"updatedAt":"{updated}","status":"{status}"{latest}}}}}"#);
        format!(r#"{{"server":{{"name":"a/b","version":"{version}"}},"_meta":{meta}}}"#)
    };
    for (status, of_old, of_new) in [
        ("deleted", r#","isLatest":false"#, r#","isLatest":true"#),
        ("active", r#","isLatest":false"#, r#","isLatest":true"#),
        // An older registry does not say which is the latest.
        ("deleted", "", ""),
    ] {
        let old = entry("1", "2026-05-01T00:00:00Z", status, of_old);
        let new = entry("2", "2026-02-01T00:00:00Z", "active", of_new);
        for both in [format!("{old},{new}"), format!("{new},{old}")] {
            let read = read(format!(r#"{{"servers":[{both}]}}"#).as_bytes(), None).unwrap();
            let [entry] = read.entries.as_slice() else { panic!("{read:?}") };
            assert_eq!((entry.version.as_str(), entry.deleted), ("2", false), "{both}");
        }
    }
}

#[test]
fn of_several_versions_the_one_updated_last_counts() {
    let entry = |version: &str, updated: &str, status: &str| {
        let meta = format!(r#"{{"{OFFICIAL}":{{"updatedAt":"{updated}","status":"{status}"}}}}"#);
        format!(r#"{{"server":{{"name":"a/b","version":"{version}"}},"_meta":{meta}}}"#)
    };
    let text = format!(
        r#"{{"servers":[{},{}],"metadata":{{"nextCursor":"c2"}}}}"#,
        entry("2", "2026-02-01T00:00:00Z", "active"),
        entry("1", "2026-01-01T00:00:00Z", "deleted")
    );
    let read = read(text.as_bytes(), None).unwrap();
    assert_eq!(read.next, "c2");
    let [entry] = read.entries.as_slice() else { panic!("{read:?}") };
    assert!(!entry.deleted && entry.about.as_deref().unwrap().contains(r#""version":"2""#));
}

#[test]
fn what_is_wrong_has_a_place_and_a_reason() {
    for (text, expected) in [
        ("{", "1:2  it is no JSON"),
        (r#"{"servers":[],"servers":[]}"#, "it is no JSON as it has to be"),
        ("7", "it is neither"),
        (r#"[1]"#, "it is neither"),
    ] {
        let flaw = read(text.as_bytes(), None).unwrap_err();
        let shown = format!("{}:{} {} {}", flaw.line.0, flaw.line.1, flaw.place, flaw.why);
        assert!(shown.contains(expected), "{text}: {shown}");
    }
    for (text, place, why) in [
        (r#"{"tools":[]}"#, "", "does not say whose"),
        (r#"{"servers":[{"name":"a"},{"name":7},{"name":""},3]}"#, "/servers/1/name", "a string, found"),
        ("{\"servers\":[\n{\"server\":{\"description\":\"x\"}}]}", "/servers/0/server", "no `name`"),
        (r#"{"servers":[{"name":"a","tools":[{"name":"x"},{"name":"x"}]}]}"#, "/servers/0/tools/1", "second time"),
        (r#"{"servers":[{"name":"a","tools":[{"title":"x"}]}]}"#, "/servers/0/tools/0", "no tool"),
        (r#"{"servers":[{"name":"a","description":7}]}"#, "/servers/0/description", "is a string"),
        (r#"{"servers":[{"name":"a\u0000b"}]}"#, "/servers/0/name", "control character"),
        (r#"{"servers":[{"name":"a","description":"\u0000"}]}"#, "/servers/0/description", "U+0000"),
    ] {
        let read = read(text.as_bytes(), None).unwrap();
        let flaw = &read.flaws[0];
        assert!(flaw.place == place && flaw.why.contains(why), "{text}: {flaw:?}");
    }
    let many = read(br#"{"servers":[{"name":"a"},{"name":7},{"name":""},3]}"#, None).unwrap();
    assert_eq!((many.entries.len(), many.flaws.len()), (1, 3));
}
