//! The catalogue at its size: how fast it is fed, how large it gets, and how long a search takes.

use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use callgate_catalog::Tool;
use callgate_control::catalogue::{CatalogueTerms, Import};
use callgate_control::listing::Part;
use callgate_control::vault::{KeySource, Vault};
use callgate_control::webhooks::{Outgoing, Post, Posted};
use callgate_control::{Caller, ChangeLog, Control, Parts, Target, TokenKey, Upstreams, Who};
use callgate_store::{Role, Roles, Store};

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) servers: usize,
    pub(crate) tools: usize,
    /// Of reading, classifying, grading and writing all of them.
    pub(crate) import: Duration,
    /// Bytes on the disk; none where the database is elsewhere.
    pub(crate) size: Option<u64>,
    /// Of all searches, sorted.
    pub(crate) searches: Vec<(Duration, String)>,
    /// Of classifying one tool, and of looking for what is wrong with its definition.
    pub(crate) classified: Duration,
    pub(crate) checked: Duration,
}

/// So many servers stand in one document.
const AT_ONCE: usize = 500;

/// So many tools are classified to time it.
const CLASSIFIED: usize = 1_000;

/// So many searches are timed.
const SEARCHES: usize = 2_000;

const VERBS: [&str; 24] = [
    "get", "list", "search", "create", "update", "delete", "send", "read", "write", "run", "execute", "fetch", "find",
    "add", "remove", "query", "set", "upload", "download", "export", "import", "start", "stop", "check",
];

const NOUNS: [&str; 60] = [
    "file",
    "issue",
    "message",
    "user",
    "page",
    "document",
    "table",
    "record",
    "event",
    "task",
    "project",
    "repository",
    "branch",
    "commit",
    "email",
    "channel",
    "calendar",
    "contact",
    "customer",
    "invoice",
    "payment",
    "order",
    "product",
    "image",
    "video",
    "note",
    "comment",
    "ticket",
    "database",
    "query",
    "index",
    "container",
    "pod",
    "cluster",
    "bucket",
    "object",
    "secret",
    "key",
    "token",
    "report",
    "chart",
    "dashboard",
    "alert",
    "metric",
    "log",
    "trace",
    "job",
    "pipeline",
    "build",
    "release",
    "package",
    "model",
    "prompt",
    "embedding",
    "vector",
    "workflow",
    "webhook",
    "domain",
    "certificate",
    "weather",
];

const WORDS: [&str; 40] = [
    "the",
    "a",
    "of",
    "and",
    "by",
    "with",
    "for",
    "in",
    "from",
    "to",
    "returns",
    "optional",
    "given",
    "all",
    "new",
    "current",
    "specific",
    "details",
    "information",
    "using",
    "name",
    "identifier",
    "results",
    "data",
    "api",
    "service",
    "workspace",
    "account",
    "external",
    "filter",
    "limit",
    "number",
    "text",
    "content",
    "available",
    "format",
    "status",
    "time",
    "local",
    "remote",
];

/// Always the same numbers.
struct Numbers(u64);

struct Nothing;

impl ChangeLog for Nothing {
    fn append_change(&self, _at: i64, _body: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

impl Upstreams for Nothing {
    fn check(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    fn tools<'a>(
        &'a self,
        _target: &'a Target,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(std::future::ready(Err("no servers here".to_owned())))
    }
}

impl Outgoing for Nothing {
    fn post<'a>(
        &'a self,
        _post: &'a Post,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Posted, String>> + Send + 'a>> {
        Box::pin(std::future::ready(Err("nobody is told here".to_owned())))
    }
}

/// Measures with so many servers and tools, in a SQLite database of its own, or in the one at this address.
pub(crate) fn measure(servers: usize, tools: usize, database: Option<&str>) -> Result<Measured> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("callgate.db");
        let url = database.map_or_else(|| format!("sqlite:{}", file.display()), str::to_owned);
        let control = open(&url, directory.path()).await?;
        let mut numbers = Numbers(7);
        let start = Instant::now();
        let (mut done, mut listed) = (0, 0);
        while done < servers {
            let some = AT_ONCE.min(servers - done);
            let upto = tools * (done + some) / servers;
            let document = document(&mut numbers, done, some, upto - listed);
            let import =
                Import { source: "bench".to_owned(), origin: "import".to_owned(), public: true, ..Import::default() };
            control.import_catalogue(&caller(), import, document.as_bytes()).await.context("import")?;
            (done, listed) = (done + some, upto);
        }
        let import = start.elapsed();
        let mut searches = Vec::with_capacity(SEARCHES);
        for number in 0..SEARCHES {
            searches.push(search(&control, &mut numbers, number).await?);
        }
        searches.sort_unstable();
        drop(control);
        let size = database.is_none().then(|| weight(&file)).transpose()?;
        let known = Tool::from_list(tool_list(CLASSIFIED).as_bytes()).context("the made-up tools")?;
        let classified = each(&known, |tool| drop(black_box(callgate_catalog::classify(tool))));
        let checked = each(&known, |tool| drop(black_box(callgate_catalog::findings(tool))));
        Ok(Measured { servers, tools, import, size, searches, classified, checked })
    })
}

impl Measured {
    /// The figures as a table.
    pub(crate) fn table(&self) -> String {
        let seconds = self.import.as_secs_f64();
        let microseconds = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
        let mut rows = vec![
            (
                "import: reading, classifying, grading, writing".to_owned(),
                format!("{seconds:.0} s, {:.0} tools/s", self.tools as f64 / seconds),
            ),
            ("classifying one tool".to_owned(), microseconds(self.classified)),
            ("looking for what is wrong with its definition".to_owned(), microseconds(self.checked)),
        ];
        rows.extend(self.size.map(|size| ("database".to_owned(), format!("{} MiB", size >> 20))));
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("longest", 1.0)] {
            let place = ((self.searches.len() as f64 - 1.0) * share) as usize;
            let (time, what) = self.searches.get(place).cloned().unwrap_or_default();
            rows.push((
                format!("search, {name} of {}", self.searches.len()),
                format!("{:.2} ms ({})", time.as_secs_f64() * 1e3, what.trim()),
            ));
        }
        let mut text = format!("{} servers with {} tools, made up.\n\n| | |\n|---|---|", self.servers, self.tools);
        for (what, figure) in rows {
            let _ = write!(text, "\n| {what} | {figure} |");
        }
        text
    }
}

/// How long the work takes for one of these, all of them several times.
fn each(tools: &[Tool], work: impl Fn(&Tool)) -> Duration {
    const TIMES: u32 = 10;
    tools.iter().for_each(&work);
    let start = Instant::now();
    for _ in 0..TIMES {
        tools.iter().for_each(&work);
    }
    let count = u32::try_from(tools.len()).unwrap_or(u32::MAX).saturating_mul(TIMES);
    start.elapsed() / count.max(1)
}

impl Numbers {
    /// Below `end`; small ones more often where `often` is said.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % end.max(1) as u64).unwrap_or_default()
    }

    /// As words are: the first ones most often.
    fn word<'w>(&mut self, words: &[&'w str]) -> &'w str {
        let end = self.below(words.len()) + 1;
        let at = self.below(end);
        words.get(at).copied().unwrap_or_default()
    }
}

async fn open(url: &str, directory: &Path) -> Result<Control> {
    let store = Store::open(url).await?;
    if store.organisations().await?.is_empty() {
        store.add_organisation("default", 1, None).await?;
    }
    let parts = Parts {
        store,
        changes: Arc::new(Nothing),
        upstreams: Arc::new(Nothing),
        outgoing: Arc::new(Nothing),
        tokens: TokenKey::new([7; 32]),
        vault: Vault::load(KeySource::File(directory.join("secrets.key"))).await?,
        clock: || 1_700_000_000_000,
        anyway: callgate_control::ANYWAY,
    };
    Ok(Control::open(parts).await?)
}

fn caller() -> Caller {
    let who = Who::Token { id: "c_0".to_owned(), label: "bench".to_owned() };
    Caller::new("default", who, Roles { organisation: Some(Role::Admin), ..Roles::default() }, true)
}

/// The result of a `tools/list` with so many tools, always the same ones.
pub(crate) fn tool_list(tools: usize) -> String {
    let mut numbers = Numbers(7);
    let tools: Vec<String> = (0..tools).map(|number| definition(&mut numbers, number)).collect();
    format!("{{\"tools\":[{}]}}", tools.join(","))
}

/// A registry's list of servers with their tools.
fn document(numbers: &mut Numbers, first: usize, servers: usize, tools: usize) -> String {
    let mut text = String::from("{\"servers\":[");
    let mut listed = 0;
    for at in 0..servers {
        let upto = tools * (at + 1) / servers;
        let (noun, number) = (numbers.word(&NOUNS), first + at);
        let comma = if at == 0 { "" } else { "," };
        let said = sentence(numbers, 10);
        let _ = write!(
            text,
            "{comma}{{\"server\":{{\"name\":\"io.example.u{number}/{noun}-server-{number}\",\"description\":\"{said}\",\
             \"version\":\"1.0.{number}\"}},\"tools\":["
        );
        for tool in listed..upto {
            let comma = if tool == listed { "" } else { "," };
            let _ = write!(text, "{comma}{}", definition(numbers, tool));
        }
        text.push_str("]}");
        listed = upto;
    }
    text.push_str("]}");
    text
}

fn definition(numbers: &mut Numbers, number: usize) -> String {
    let (verb, noun) = (numbers.word(&VERBS), numbers.word(&NOUNS));
    let length = 15 + numbers.below(25);
    let said = sentence(numbers, length);
    let mut properties = String::new();
    for at in 0..1 + numbers.below(5) {
        let comma = if at == 0 { "" } else { "," };
        let (name, said) = (numbers.word(&NOUNS), sentence(numbers, 6));
        let _ = write!(properties, "{comma}\"{name}_{at}\":{{\"type\":\"string\",\"description\":\"{said}\"}}");
    }
    format!(
        "{{\"name\":\"{verb}_{noun}_{number}\",\"description\":\"{verb} {noun} {said}\",\"inputSchema\":{{\"type\":\"object\",\
         \"properties\":{{{properties}}}}}}}"
    )
}

fn sentence(numbers: &mut Numbers, length: usize) -> String {
    let mut words = Vec::with_capacity(length);
    for at in 0..length {
        // Every text has a word that hardly another has.
        words.push(match at % 9 {
            3 => numbers.word(&NOUNS).to_owned(),
            7 => format!("w{}", numbers.below(50_000)),
            _ => numbers.word(&WORDS).to_owned(),
        });
    }
    words.join(" ")
}

/// One search, and how long it took.
async fn search(control: &Control, numbers: &mut Numbers, number: usize) -> Result<(Duration, String)> {
    let (verb, noun, word) = (numbers.word(&VERBS), numbers.word(&NOUNS), numbers.word(&WORDS));
    let words = match number % 8 {
        0 => noun.to_owned(),
        1 => format!("{verb} {noun}"),
        2 => format!("{noun} {word}"),
        3 => format!("{}*", noun.get(..3).unwrap_or(noun)),
        4 => format!("{word} {noun} {verb}"),
        5 => format!("w{} {noun}", numbers.below(50_000)),
        6 => format!("{verb} {}*", noun.get(..2).unwrap_or(noun)),
        _ => String::new(),
    };
    let mut terms = CatalogueTerms { words, ..CatalogueTerms::default() };
    match number % 5 {
        1 => terms.category = Some("execute,destructive".to_owned()),
        2 => terms.risk = Some("critical".to_owned()),
        3 => terms.grade = Some("A".to_owned()),
        _ => {}
    }
    let part = Part { limit: 20, after: None };
    let servers = number.is_multiple_of(3);
    let start = Instant::now();
    match servers {
        true => drop(control.search_servers(&caller(), &terms, &part).await?),
        false => drop(control.search_tools(&caller(), &terms, &part).await?),
    }
    let what = if servers { "servers" } else { "tools" };
    let filter = terms.category.or(terms.risk).or(terms.grade).unwrap_or_default();
    Ok((start.elapsed(), format!("{what} `{}` {filter}", terms.words)))
}

/// What a database and its log weigh.
fn weight(file: &Path) -> Result<u64> {
    let log = file.with_extension("db-wal");
    Ok(std::fs::metadata(file)?.len() + std::fs::metadata(log).map_or(0, |found| found.len()))
}
