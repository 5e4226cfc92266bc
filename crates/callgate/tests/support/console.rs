//! A gateway with a browser at its console: people who are signed in, and what the API says beside them.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use testkit::{Browser, Callgate, Connection, Fixture, Gateway, Person};

#[path = "pages.rs"]
pub(crate) mod pages;

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");

/// The running gateway, and the browser on it.
pub(crate) struct Site {
    pub(crate) callgate: Callgate,
    pub(crate) gateway: Gateway,
    browser: Browser,
    /// The path of the link that signs the admin in, once.
    link: String,
    folder: tempfile::TempDir,
}

impl Site {
    /// Starts both, on a data directory of its own.
    pub(crate) fn open() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callgate = Callgate::new(BINARY, folder.path().join("data"));
        let (gateway, seen) = callgate.up_seeing("sign in as `admin`")?;
        let link = path_of(&seen)?;
        let browser = Browser::start(gateway.address)?;
        Ok(Self { callgate, gateway, browser, link, folder })
    }

    /// The admin, signed in through the first link.
    pub(crate) fn admin(&self) -> Result<Person<'_>> {
        let admin = self.browser.person("admin");
        admin.view(1440, false)?;
        admin.sign_in(&self.link)?;
        Ok(admin)
    }

    /// A new member with this role in the organisation, signed in.
    pub(crate) fn member(&self, name: &'static str, role: &str) -> Result<Person<'_>> {
        let added = self.callgate.json(["member", "add", name, "--role", role, "--json"])?;
        let person = self.browser.person(name);
        person.view(1440, false)?;
        person.sign_in(added["link"]["path"].as_str().context("a link")?)?;
        Ok(person)
    }

    /// A path in the site's own folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server of these tools, running and registered under this name.
    pub(crate) fn serve(&self, name: &str, tools: &str) -> Result<Fixture> {
        let fixture = Fixture::start(&self.callgate, tools, &self.file(&format!("{name}.log")))?;
        self.callgate.add_url(name, &fixture.url())?;
        Ok(fixture)
    }

    /// Asks the API with the credential of the data directory; the status and the answer. What is there already is
    /// changed whatever its revision.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let first = self.ask(method, path, body, "")?;
        if first.0 == 428 { self.ask(method, path, body, "if-match: *\r\n") } else { Ok(first) }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>, condition: &str) -> Result<(u16, Value)> {
        let token = std::fs::read_to_string(self.callgate.data().join("admin.token"))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n{condition}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            token.trim(),
            body.len()
        );
        let mut connection = Connection::open(self.gateway.address)?;
        connection.send(request.as_bytes())?;
        let response = connection.response()?;
        Ok((response.status, serde_json::from_slice(&response.body).unwrap_or(json!(null))))
    }

    /// The same, where it has to succeed.
    pub(crate) fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.api(method, path, body)?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    /// The document in force for a server.
    pub(crate) fn document(&self, server: &str, policy: &str) -> Result<String> {
        let shown = self.done("GET", &format!("/servers/{server}/policies/{policy}"), None)?;
        Ok(shown["document"].as_str().context("a document")?.to_owned())
    }
}

fn path_of(line: &str) -> Result<String> {
    let at = line.find("/sign-in").with_context(|| format!("no link in `{line}`"))?;
    Ok(line[at..].trim().to_owned())
}

/// The folder that keeps the pictures of the pages.
pub(crate) fn pictures() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("a target folder")?;
    let folder = target.join("console-screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Goes to every page that can be reached by links from these, each kind of page at most `each` times; `look` is asked
/// at each. Ids and names in a path don't make another kind. What is wrong with a page is noted, and the next one looked
/// at. Returns the paths in the order they were visited.
pub(crate) fn crawl(
    person: &Person<'_>,
    from: &[String],
    each: usize,
    wrong: &mut Vec<String>,
    mut look: impl FnMut(&str, &mut Vec<String>) -> Result<()>,
) -> Result<Vec<String>> {
    let mut open: VecDeque<String> = from.iter().cloned().collect();
    let mut known: BTreeSet<String> = from.iter().cloned().collect();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut visited = Vec::new();
    while let Some(path) = open.pop_front() {
        let count = kinds.entry(kind(&path)).or_default();
        *count += 1;
        if *count > each {
            continue;
        }
        let looked = person.look(&path).and_then(|seen| {
            // A server that is registered needn't be there.
            ensure!(matches!(seen.status, 200 | 503), "status {}", seen.status);
            look(&path, wrong)
        });
        wrong.extend(looked.err().map(|error| format!("{path}: {error:#}")));
        // What the page before did late is told here.
        let links = person.evaluate(LINKS).or_else(|error| {
            wrong.push(format!("{path}: {error:#}"));
            person.evaluate(LINKS)
        })?;
        visited.push(path);
        for link in links.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if known.insert(link.to_owned()) {
                open.push_back(link.to_owned());
            }
        }
    }
    Ok(visited)
}

/// The links of a page that lead to pages of ours.
const LINKS: &str = "[...document.querySelectorAll('a[href]')].filter(a => a.origin === location.origin && \
     !a.pathname.startsWith('/api/') && !a.hasAttribute('download')).map(a => a.pathname + a.search)";

/// `/servers/kernel/tools/exec?x=1` → `/servers/*/tools/*?x`.
pub(crate) fn kind(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kind = pages::kind(path);
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    if query.is_empty() { kind } else { format!("{kind}?{}", names.join("&")) }
}
