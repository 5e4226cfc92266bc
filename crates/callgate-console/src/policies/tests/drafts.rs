//! What a page begins with, what its clicks write, and what stands at its parts.

use super::*;
use crate::builder::{Action, Draft, NEW, ToolFacts};

/// The text behind what a page has escaped.
fn plain(html: &str) -> String {
    let escaped = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    escaped.iter().fold(html.to_owned(), |text, (html, sign)| text.replace(html, sign))
}

/// What stands between two marks of a page.
fn between(page: &str, start: &str, end: &str) -> String {
    let rest = page.split(start).nth(1).unwrap_or_else(|| panic!("{start} in {page}"));
    plain(rest.split(end).next().unwrap())
}

/// The text of the editor.
fn editor(answer: &Answer) -> String {
    between(&answer.text, "<textarea id=\"text\"", "</textarea>").split_once(">\n").unwrap().1.to_owned()
}

/// The text after a click.
fn next(answer: &Answer) -> String {
    assert!(answer.text.contains("data-new>"), "nothing new: {}", between(&answer.text, "id=\"said\"", "</span>"));
    between(&answer.text, "data-new>\n", "</textarea>")
}

/// The click of a page, or the group in its choice, that has this in it.
fn click_with(answer: &Answer, part: &str) -> String {
    let quoted = answer.text.split('"').map(plain);
    let mut found = quoted.filter(|value| value.contains("action=") && value.contains(part));
    found.next().unwrap_or_else(|| panic!("no click with {part} in {}", answer.text))
}

fn recommended(text: &str, tools: &[Value]) -> String {
    let facts: Vec<ToolFacts> =
        tools.iter().map(|tool| ToolFacts::read(tool["definition"].as_str().unwrap()).unwrap()).collect();
    Draft::read(text).apply(&Action::Recommended { tool: None }, &facts).unwrap().text
}

#[tokio::test]
async fn a_page_can_begin_with_what_is_recommended() {
    let tools = [tool("exec_command", "Runs a shell command."), tool("ls", "Lists files.")];
    let fake = kernel(TEXT, &[]);
    let new = fake.get("/servers/kernel/policies/new?recommended").await;
    assert_eq!(editor(&new), recommended(NEW, &tools));
    assert!(editor(&new).contains("\"ls\"") && new.text.contains("Nothing is published yet"), "{}", new.text);
    assert!(new.text.contains("The recommended policy for these tools: nothing of it is in force until"));
    // Into what is published it is put as one click does it; nothing is published by that.
    let own = TEXT.replace("\"tools\"", "\"name\": \"mine\",\n  \"tools\"");
    let fake = kernel(&own, &[]);
    let put = fake.get(&format!("{PAGE}?recommended")).await;
    assert_eq!(editor(&put), recommended(&own, &tools));
    assert!(editor(&put) != own && editor(&put).contains("\"mine\""));
    assert!(put.text.contains("put into what was published: nothing of it is in force until you publish it."));
    assert!(fake.asked().iter().all(|asked| asked.line.starts_with("GET ")));
    assert_eq!(editor(&fake.get(PAGE).await), own);
    let fake = kernel(&recommended(&own, &tools), &[]);
    assert!(fake.get(&format!("{PAGE}?recommended")).await.text.contains("Every tool is as recommended already."));
}

#[tokio::test]
async fn where_no_tool_is_known_nothing_is_recommended() {
    let unknown = ("GET /servers/kernel/definitions", 500, problem(500, "CG1", json!([])));
    let page = kernel(TEXT, &[unknown]).get(&format!("{PAGE}?recommended")).await;
    assert_eq!(editor(&page), TEXT);
    assert!(page.text.contains("Nothing is recommended: the tools are not known."), "{}", page.text);
    check_inert(&page);
    let fake = kernel(TEXT, &[("GET /baseline", 200, shown(4, TEXT))]);
    assert!(fake.get("/baseline?recommended").await.text.contains("Nothing is recommended: choose a server"));
}

#[tokio::test]
async fn line_ends_are_kept_where_all_are_of_one_kind() {
    for (document, newline) in [
        (TEXT.to_owned(), ""),
        (TEXT.replacen('\n', "\r\n", 1), ""),
        (TEXT.replace('\n', "\r\n"), "crlf"),
        ("{}".to_owned(), ""),
    ] {
        let page = kernel(&document, &[]).get(PAGE).await;
        assert_eq!(between(&page.text, "name=\"newline\" value='", "'"), newline, "{document:?}");
        assert_eq!(editor(&page), document.replace("\r\n", "\n"));
    }
}

#[tokio::test]
async fn advice_on_the_tools_stands_at_the_rule_and_in_the_list() {
    let rule = "\"deny_if\": [{ \"conditions\": [{ \"path\": \"args.nope\", \"op\": \"eq\", \"value\": 1 }] }]";
    let text = TEXT.replace("\"ls\": {}", &format!("\n\"ls\": {{ {rule} }}\n"));
    let part = kernel(TEXT, &[]).post(&format!("{PAGE}/draft"), true, &[("text", &text), ("open", "tool:ls")]).await;
    let list = between(&part.text, "id=\"problems\"", "</div>");
    assert!(list.contains("data-flaw=\"warning\" data-line=\"5\"") && list.contains("CG1202"), "{list}");
    assert!(!list.contains("data-flaw=\"error\""));
    let card = between(&part.text, "<li class=\"tool\" id=\"t1\">", "<li class=\"tool\"");
    assert!(card.contains("1 warning</span>") && card.contains("flaw-warning\">Warning, "), "{card}");
    assert!(card.contains("has no argument `nope`"), "{card}");
}

#[tokio::test]
async fn the_document_itself_is_changed_by_clicks() {
    let own = "{ \"name\": \"c\", \"regex\": \"C-1\" }";
    let text = TEXT
        .replace("{ \"ls\": {} }", &format!("{{}},\n  \"results\": {{ \"redact\": [\"email\", {own}, \"nope\"] }}"));
    let (fake, draft) = (kernel(TEXT, &[]), format!("{PAGE}/draft"));
    let closed = fake.post(&draft, true, &[("text", &text)]).await;
    let card = between(&closed.text, "<li class=\"tool\" id=\"doc\">", "</li>");
    assert!(card.contains("1 error</span>") && card.contains("value=\"document\" disabled"), "{card}");
    let open = fake.post(&draft, true, &[("text", &text), ("open", "document")]).await;
    let card = between(&open.text, "<li class=\"tool\" id=\"doc\">", "<li class=\"tool\"");
    assert!(card.contains("flaw-error\">Error, ") && card.contains("value=\"email\""), "{card}");
    assert!(
        card.contains("<li>c <code>C-1</code></li>") && card.contains("<legend>The result is withheld if"),
        "{card}"
    );
    let line = |name: &str, value: &str| format!("  \"version\": \"1\",\n  \"{name}\": {value},\n");
    for (part, typed, before, after) in [
        (
            "action=about",
            &[("doc.name", "mine"), ("doc.description", "")][..],
            "  \"version\": \"1\",\n",
            line("name", "\"mine\""),
        ),
        ("action=about", &[("doc.description", "a\r\nb")], "  \"version\": \"1\",\n", line("description", "\"a\\nb\"")),
        (
            "action=list",
            &[("doc.list", "callable")],
            "  \"default\": \"deny\",\n",
            "  \"default\": \"deny\",\n  \"list\": \"callable\",\n".to_owned(),
        ),
        (
            "action=results",
            &[("doc.results.redact", "secrets"), ("doc.results.redact", "email")],
            "\"nope\"]",
            "\"secrets\"]".to_owned(),
        ),
    ] {
        let click = click_with(&open, part);
        let click = if part == "action=results" { click_with(&open, "entry=document&own_name") } else { click };
        let fields = [&[("text", text.as_str()), ("do", &click), ("open", "document")], typed].concat();
        assert_eq!(next(&fake.post(&draft, true, &fields).await), text.replace(before, &after), "{part}");
    }
}

#[tokio::test]
async fn tools_of_one_category_or_risk_are_set_at_once() {
    let listed = [
        tool("delete_file", "Deletes a file for good."),
        tool("list_files", "Lists the files of a folder."),
        tool("read_file", "Reads a file."),
    ];
    let of = |tool: &Value| ToolFacts::read(tool["definition"].as_str().unwrap()).unwrap();
    let risk = of(&listed[0]).risk_word();
    assert!(listed[1..].iter().all(|tool| of(tool).risk_word() != risk), "{risk}");
    let fake = kernel(TEXT, &[("GET /servers/kernel/definitions", 200, list(&listed))]);
    let text = TEXT.replace("{ \"ls\": {} }", "{\n    \"delete_file\": { \"validate_arguments\": true }\n  }");
    let own = "    \"delete_file\": { \"validate_arguments\": true }";
    let draft = format!("{PAGE}/draft");
    let page = fake.post(&draft, true, &[("text", &text)]).await;
    for (group, choice, after) in [
        (
            "group=category%3Aread",
            "allow",
            text.replace(own, &format!("{own},\n    \"list_files\": {{}},\n    \"read_file\": {{}}")),
        ),
        (
            &format!("group=risk%3A{risk}"),
            "hide",
            text.replace("  \"tools\"", "  \"hide\": [\"delete_file\"],\n  \"tools\""),
        ),
        ("group=category%3Adestructive", "inherit", text.replace(&format!("{{\n{own}\n  }}"), "{}")),
    ] {
        let group = click_with(&page, group);
        let fields = [("text", text.as_str()), ("do", "from=group"), ("group", &group), ("bulk.choice", choice)];
        assert_eq!(next(&fake.post(&draft, true, &fields).await), after, "{group}");
    }
}

#[tokio::test]
async fn a_tool_is_set_by_buttons_that_nothing_but_a_press_presses() {
    let (fake, draft) = (kernel(TEXT, &[]), format!("{PAGE}/draft"));
    let page = fake.post(&draft, true, &[("text", TEXT)]).await;
    assert!(!page.text.contains("type=\"radio\"") && page.text.contains("<fieldset class=\"tool-choices\">\n"));
    for (tool, choice, pressed) in [("t0", "deny", "true"), ("t0", "allow", "false"), ("t1", "allow", "true")] {
        let button = between(&page.text, &format!("type=\"submit\" id=\"{tool}.{choice}\" name=\"do\""), ">");
        assert!(button.contains(&format!("aria-pressed=\"{pressed}\"")), "{tool} {choice}: {button}");
    }
    let click = between(&page.text, "id=\"t1.hide\" name=\"do\" value=\"", "\"");
    let hidden = fake.post(&draft, true, &[("text", TEXT), ("do", &click)]).await;
    assert_eq!(next(&hidden), TEXT.replace("  \"tools\"", "  \"hide\": [\"ls\"],\n  \"tools\""));
}
