//! What is said about a server beside its tools.

use super::super::document::ServerDocument;
use super::Fact;
use serde_json::Value;

/// The facts that are there.
pub(super) fn facts(document: &ServerDocument) -> Vec<Fact> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| document.about.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let about = &document.about;
    let origin = match document.origin.as_str() {
        "registry" => "a registry of MCP servers",
        "gateway" => "this gateway, which fronts it",
        "scan" => "the server itself, which was scanned",
        _ => "an imported document",
    };
    let mut facts = vec![
        Fact { name: "Name", text: document.name.clone(), href: None },
        Fact { name: "Version", text: document.version.clone(), href: None },
        Fact { name: "Known from", text: origin.to_owned(), href: None },
        linked("Repository", text(about, "repository")),
        linked("Website", text(about, "website")),
    ];
    for package in list("packages") {
        let version = text(&package, "version");
        let version = if version.is_empty() { version } else { format!(" {version}") };
        let said = format!("{} {}{version}", text(&package, "registry"), text(&package, "identifier"));
        facts.push(Fact { name: "Package", text: said.trim().to_owned(), href: None });
    }
    facts.extend(list("remotes").iter().map(|remote| Fact { name: "Remote", text: text(remote, "url"), href: None }));
    facts.retain(|fact| !fact.text.is_empty());
    facts
}

/// A fact that leads somewhere, if it is the web: other schemes could run something.
fn linked(name: &'static str, text: String) -> Fact {
    let lower = text.to_ascii_lowercase();
    let is_web = lower.starts_with("https://") || lower.starts_with("http://");
    let href = is_web.then(|| text.clone());
    Fact { name, text, href }
}
