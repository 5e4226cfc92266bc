//! Entries in TOML, `[mcp_servers.NAME]`: found by their spans, so that every byte around an edit stays as it is.

use super::{Broken, Fields, Found};
use serde_json::Value;
use std::ops::Range;
use toml_edit::{Document, Item, Key, Table};

/// The one place: a table of tables.
pub(super) const PLACE: &str = "mcp_servers";

/// The part of the file that one table header opens, from the header to the end of its last line.
struct Section {
    path: Vec<String>,
    span: Range<usize>,
}

/// Where an entry stands.
enum Spot {
    /// In sections of its own: its ranges, in order. Neighbours are one range.
    Sections(Vec<Range<usize>>),
    /// As an inline table under `[mcp_servers]`.
    Inline(Range<usize>),
}

/// The entries, in order.
pub(super) fn entries(text: &str) -> Result<Vec<Found>, Broken> {
    let document = parse(text)?;
    let Some(servers) = servers(&document, text)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (name, item) in servers.iter() {
        let spot = spot(&document, text, name)?;
        let source = match &spot {
            Spot::Inline(span) => slice(text, span).to_owned(),
            Spot::Sections(spans) => spans.iter().map(|span| slice(text, span)).collect(),
        };
        let at = match &spot {
            Spot::Inline(span) => span.start,
            Spot::Sections(spans) => spans.first().map_or(0, |span| span.start),
        };
        let Some(table) = item.as_table_like() else {
            return Err(broken(text, at, format!("`{name}` is no table")));
        };
        let fields = table.iter().map(|(key, item)| (key.to_owned(), value(item))).collect();
        found.push((at, Found { place: vec![PLACE.to_owned()], name: name.to_owned(), fields, source }));
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// Writes other fields into an entry.
pub(super) fn replace(text: &str, name: &str, fields: &Fields) -> Result<String, Broken> {
    let new = match find(text, name)? {
        Spot::Sections(_) => section(name, fields, newline(text)),
        Spot::Inline(_) => inline(fields),
    };
    put(text, name, &new)
}

/// Puts the text of an entry in place of the one that is there.
pub(super) fn put(text: &str, name: &str, source: &str) -> Result<String, Broken> {
    let spans = match find(text, name)? {
        Spot::Inline(span) => vec![span],
        Spot::Sections(spans) => spans,
    };
    let mut out = String::with_capacity(text.len() + source.len());
    let mut from = 0;
    for (index, span) in spans.iter().enumerate() {
        out.push_str(slice(text, &(from..span.start)));
        out.push_str(if index == 0 { source } else { "" });
        from = span.end;
    }
    out.push_str(slice(text, &(from..text.len())));
    parse(&out)?;
    Ok(out)
}

/// Adds an entry at the end.
pub(super) fn add(text: &str, name: &str, fields: &Fields) -> Result<String, Broken> {
    parse(text)?;
    let newline = newline(text);
    let gap = match text {
        "" => "".to_owned(),
        text if text.ends_with('\n') => newline.to_owned(),
        _ => newline.repeat(2),
    };
    let out = format!("{text}{gap}{}", section(name, fields, newline));
    parse(&out)?;
    Ok(out)
}

/// Removes an entry, with the blank line before it.
pub(super) fn remove(text: &str, name: &str) -> Result<String, Broken> {
    if !entries(text)?.iter().any(|found| found.name == name) {
        return Ok(text.to_owned());
    }
    let at = match find(text, name)? {
        Spot::Inline(span) => return Err(broken(text, span.start, format!("`{name}` was written in another form"))),
        Spot::Sections(spans) => spans.first().map_or(0, |span| span.start),
    };
    let out = put(text, name, "")?;
    let newline = newline(text);
    let blank = newline.repeat(2);
    match out.get(..at) {
        Some(before) if before.ends_with(&blank) => {
            Ok(format!("{}{}", slice(&out, &(0..at - newline.len())), slice(&out, &(at..out.len()))))
        }
        _ => Ok(out),
    }
}

fn parse(text: &str) -> Result<Document<String>, Broken> {
    Document::parse(text.to_owned()).map_err(|error| {
        // Its first line names what was expected; the rest can quote values.
        let why = error.message().lines().next().unwrap_or("it is no TOML").to_owned();
        broken(text, error.span().map_or(0, |span| span.start), why)
    })
}

fn servers<'d>(document: &'d Document<String>, text: &str) -> Result<Option<&'d Table>, Broken> {
    match document.as_table().get(PLACE) {
        None => Ok(None),
        Some(Item::Table(table)) if !table.is_dotted() => Ok(Some(table)),
        Some(item) => {
            let why = format!("`{PLACE}` is written in a form that can't be edited: write `[{PLACE}.NAME]` tables");
            Err(broken(text, item.span().map_or(0, |span| span.start), why))
        }
    }
}

fn find(text: &str, name: &str) -> Result<Spot, Broken> {
    spot(&parse(text)?, text, name)
}

fn spot(document: &Document<String>, text: &str, name: &str) -> Result<Spot, Broken> {
    let item = servers(document, text)?.and_then(|servers| servers.get(name));
    match item {
        Some(Item::Value(value)) => value.span().map(Spot::Inline),
        Some(Item::Table(table)) if !table.is_dotted() => Some(Spot::Sections(ranges(document, text, name))),
        Some(_) => {
            let why = format!("`{name}` is written in a form that can't be edited: write a `[{PLACE}.{name}]` table");
            return Err(broken(text, 0, why));
        }
        None => None,
    }
    .ok_or_else(|| broken(text, 0, format!("there is no `{name}`")))
}

/// The ranges of an entry's sections. Between neighbours, comments and blank lines are theirs.
fn ranges(document: &Document<String>, text: &str, name: &str) -> Vec<Range<usize>> {
    let mut sections = Vec::new();
    collect(document.as_table(), &mut Vec::new(), text, &mut sections);
    sections.sort_by_key(|section| section.span.start);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut neighbour = false;
    for section in sections {
        let ours = matches!(section.path.as_slice(), [place, entry, ..] if place == PLACE && entry == name);
        match ranges.last_mut().filter(|_| ours && neighbour) {
            Some(last) => last.end = section.span.end,
            None if ours => ranges.push(section.span),
            None => {}
        }
        neighbour = ours;
    }
    ranges
}

fn collect(table: &Table, path: &mut Vec<String>, text: &str, sections: &mut Vec<Section>) {
    if let Some(header) = table.span().filter(|_| !path.is_empty() && !table.is_implicit() && !table.is_dotted()) {
        let end = last(table).map_or(header.end, |end| end.max(header.end));
        let line = slice(text, &(end..text.len())).find('\n').map_or(text.len(), |at| end + at + 1);
        sections.push(Section { path: path.clone(), span: header.start..line });
    }
    for (key, item) in table.iter() {
        path.push(key.to_owned());
        match item {
            Item::Table(inner) => collect(inner, path, text, sections),
            Item::ArrayOfTables(array) => array.iter().for_each(|inner| collect(inner, path, text, sections)),
            _ => {}
        }
        path.pop();
    }
}

/// Where a table's own last value ends.
fn last(table: &Table) -> Option<usize> {
    let end = |item: &Item| match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(inner) if inner.is_dotted() => last(inner),
        _ => None,
    };
    table.iter().filter_map(|(_, item)| end(item)).max()
}

fn section(name: &str, fields: &Fields, newline: &str) -> String {
    let mut out = format!("[{PLACE}.{}]{newline}", Key::new(name).display_repr());
    for (key, value) in fields {
        out.push_str(&format!("{} = {}{newline}", Key::new(key).display_repr(), toml(value)));
    }
    out
}

fn inline(fields: &Fields) -> String {
    let items = fields.iter().map(|(key, value)| format!("{} = {}", Key::new(key).display_repr(), toml(value)));
    format!("{{ {} }}", items.collect::<Vec<_>>().join(", "))
}

fn toml(value: &Value) -> String {
    match value {
        // TOML has no null; nothing that was read from it is one.
        Value::Null => "\"\"".to_owned(),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => toml_edit::Value::from(text.as_str()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let fields = members.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            inline(&fields)
        }
    }
}

fn value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(found) => of_value(found),
        Item::Table(table) => {
            table.iter().map(|(key, item)| (key.to_owned(), value(item))).collect::<serde_json::Map<_, _>>().into()
        }
        Item::ArrayOfTables(array) => {
            let table = |table: &Table| {
                table.iter().map(|(key, item)| (key.to_owned(), value(item))).collect::<serde_json::Map<_, _>>().into()
            };
            Value::Array(array.iter().map(table).collect())
        }
    }
}

fn of_value(found: &toml_edit::Value) -> Value {
    match found {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => (*number.value()).into(),
        toml_edit::Value::Float(number) => (*number.value()).into(),
        toml_edit::Value::Boolean(bool) => (*bool.value()).into(),
        toml_edit::Value::Datetime(moment) => Value::String(moment.value().to_string()),
        toml_edit::Value::Array(items) => Value::Array(items.iter().map(of_value).collect()),
        toml_edit::Value::InlineTable(table) => {
            table.iter().map(|(key, value)| (key.to_owned(), of_value(value))).collect::<serde_json::Map<_, _>>().into()
        }
    }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn slice<'t>(text: &'t str, span: &Range<usize>) -> &'t str {
    text.get(span.clone()).unwrap_or_default()
}

fn broken(text: &str, at: usize, why: String) -> Broken {
    let (line, column) = callgate_json::line_column(text.as_bytes(), at);
    Broken { line, column, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "model = \"gpt\"\n\n# files\n[mcp_servers.files]\ncommand = \"npx\"  # node\nargs = [\n  \"-y\",\n  \"x\",\n]\n\n# its variables\n[mcp_servers.files.env]\nKEY = \"v\"\n\n# the web\n[mcp_servers.\"my web\"]\nurl = \"https://h/mcp\"\n\n[tui]\ntheme = \"x\"\n\n[mcp_servers.late]\ncommand = \"y\"\n[profiles.a]\nmodel = \"b\"\n[mcp_servers.late.env]\nA = \"b\"\n";

    fn fields() -> Fields {
        vec![("url".into(), json!("http://h/")), ("http_headers".into(), json!({ "Authorization": "Bearer \"x\"" }))]
    }

    #[test]
    fn the_entries_are_found_in_their_order() {
        let found = entries(FILE).unwrap();
        let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["files", "my web", "late"]);
        assert_eq!(found[0].fields.last().unwrap(), &("env".to_owned(), json!({ "KEY": "v" })));
        assert!(found[0].source.contains("# its variables") && !found[0].source.contains("# the web"));
    }

    #[test]
    fn an_entry_is_replaced_and_put_back() {
        let inline = "[mcp_servers]\na = { command = \"x\" } # why\nb = {url=\"y\"}\n";
        for (file, name, whole) in
            [(FILE, "files", true), (FILE, "my web", true), (FILE, "late", false), (inline, "a", true)]
        {
            let before = entries(file).unwrap();
            let source = &before.iter().find(|found| found.name == name).unwrap().source;
            let replaced = replace(file, name, &fields()).unwrap();
            let after = entries(&replaced).unwrap();
            assert_eq!(after.iter().find(|found| found.name == name).unwrap().fields, fields(), "{replaced}");
            let back = put(&replaced, name, source).unwrap();
            assert_eq!(entries(&back).unwrap(), before);
            assert_eq!(back == file, whole, "{back}");
        }
    }

    #[test]
    fn an_entry_is_added_and_removed_byte_for_byte() {
        for before in [FILE, "", "model = \"x\"\n", "[mcp_servers]\r\na = {command=\"x\"}\r\n"] {
            let after = add(before, "a new.one", &fields()).unwrap();
            assert_eq!(entries(&after).unwrap().last().unwrap().fields, fields(), "{after}");
            assert_eq!(remove(&after, "a new.one").unwrap(), before);
        }
    }

    #[test]
    fn forms_that_cannot_be_edited_are_refused() {
        for (text, line, why) in [
            ("a = 1\nmcp_servers = { a = { command = \"x\" } }", 2, "can't be edited"),
            ("mcp_servers.a.command = \"x\"", 1, "can't be edited"),
            ("[mcp_servers]\na.command = \"x\"", 1, "can't be edited"),
            ("[mcp_servers]\na = 1", 2, "is no table"),
            ("x = \n", 1, ""),
        ] {
            let broken = entries(text).unwrap_err();
            assert!(broken.why.contains(why), "{text}: {}", broken.why);
            assert_eq!(broken.line, line, "{text}");
        }
    }
}
