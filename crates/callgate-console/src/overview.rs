//! The first page: what happens now. Each part asks the API by itself, and says so where it gets no answer.

mod part;

use crate::Console;
use crate::api::{Part, Problem, path};
use crate::approvals::ask::{Ask, Question};
use crate::chart::{self, Bucket, Chart, Stretch};
use crate::limits::counter::{Counter, Row as LimitRow};
use crate::shell::{self, Section, Shell};
use crate::visit::Visit;
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use part::{Early, Health, Named, Refusal, RuleRow, ServerRow, TopRule, Totals};
use serde::Deserialize;

/// The spans that can be looked at, and what they are called.
const SPANS: [(&str, &str); 3] = [("1h", "last hour"), ("24h", "last day"), ("7d", "last week")];

/// So many servers are shown, those that need a look before all others; the page of the servers has all.
const SERVERS: usize = 25;

/// So many servers are asked for their health, and so many of them at once.
const ASKED: usize = 2_000;
const AT_ONCE: usize = 16;

/// So many limits, questions and sources of refusals are shown.
const FEW: &str = "5";

/// From then on a limit is worth a look.
const NEAR: f64 = 0.5;

pub(crate) fn routes() -> Router<Console> {
    Router::new().route("/", get(show))
}

async fn show(visit: Visit) -> Response {
    let since = visit.query.text("since");
    let (since, _) = *SPANS.iter().find(|(span, _)| *span == since).unwrap_or(&SPANS[0]);
    let now = Now::read(&visit, since).await;
    if visit.is_part {
        return shell::html(StatusCode::OK, &NowPart { now: &now });
    }
    shell::html(StatusCode::OK, &OverviewPage { now, shell: Shell::new(&visit, Section::Overview) })
}

/// What is to be seen now.
struct Now {
    spans: Vec<Span>,
    /// Where the same is, newer.
    refresh: String,
    calls: Result<Calls, Problem>,
    limits: Result<Vec<LimitRow>, Problem>,
    waiting: Result<Waiting, Problem>,
    servers: Result<Servers, Problem>,
    early: Result<Vec<Early>, Problem>,
}

/// A span that can be looked at.
struct Span {
    name: &'static str,
    href: String,
    is_here: bool,
}

/// The calls of a span.
struct Calls {
    totals: Totals,
    denied_href: String,
    asked_href: String,
    allowed_href: String,
    outcomes: Chart,
    latency: Chart,
    rules: Vec<RuleRow>,
}

/// The questions that wait.
struct Waiting {
    asks: Vec<Ask>,
    /// Whether there are more.
    more: bool,
}

/// The servers with their health.
struct Servers {
    rows: Vec<ServerRow>,
    more: bool,
}

#[derive(Deserialize)]
struct Summary {
    since: String,
    until: String,
    bucket_seconds: u64,
    buckets: Vec<Bucket>,
    #[serde(default)]
    totals: Totals,
    #[serde(default)]
    top_rules: Vec<TopRule>,
}

impl Now {
    async fn read(visit: &Visit, since: &'static str) -> Self {
        let href = |span: &str| path(&[""], &[("since", span)]);
        let span = |(span, name): (&str, &'static str)| Span { name, href: href(span), is_here: span == since };
        Self {
            spans: SPANS.map(span).into(),
            refresh: href(since),
            calls: Calls::read(visit, since).await,
            limits: limits(visit).await,
            waiting: Waiting::read(visit).await,
            servers: Servers::read(visit).await,
            early: early(visit, since).await,
        }
    }

    /// Whether this is the very beginning.
    fn has_no_server(&self) -> bool {
        self.servers.as_ref().is_ok_and(|servers| servers.rows.is_empty())
    }
}

impl Calls {
    async fn read(visit: &Visit, since: &str) -> Result<Self, Problem> {
        let summary: Summary = visit.api.get(&path(&["summary"], &[("since", since)])).await?;
        let Summary { since: from, until, bucket_seconds, buckets, totals, top_rules } = summary;
        let stretch = Stretch { since: &from, until: &until, bucket_seconds };
        let of = |outcome: &str| crate::search::decisions(&[("outcome", outcome), ("since", since)]);
        Ok(Self {
            totals,
            denied_href: of("deny"),
            asked_href: of("approve"),
            allowed_href: of("allow"),
            outcomes: chart::outcomes(&buckets, stretch),
            latency: chart::latency(&buckets, stretch),
            rules: top_rules.into_iter().map(|rule| RuleRow::of(rule, since)).collect(),
        })
    }
}

impl Waiting {
    async fn read(visit: &Visit) -> Result<Self, Problem> {
        let part: Part<Question> =
            visit.api.get(&path(&["approvals"], &[("state", "pending"), ("limit", FEW)])).await?;
        let asks = part.items.iter().map(|question| Ask::of(question, None)).collect();
        Ok(Self { asks, more: part.next.is_some() })
    }
}

impl Servers {
    async fn read(visit: &Visit) -> Result<Self, Problem> {
        let servers: Vec<Named> = visit.api.all(&path(&["servers"], &[]), ASKED).await?;
        let asked = servers.into_iter().map(|server| async move {
            let health: Result<Health, Problem> = visit.api.get(&path(&["servers", &server.name, "health"], &[])).await;
            ServerRow::of(&server.name, health)
        });
        let mut rows: Vec<ServerRow> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        // Those that need a look come first: one that fails is shown however many there are.
        rows.sort_by_key(|row| row.is_well);
        let more = rows.len() > SERVERS;
        rows.truncate(SERVERS);
        Ok(Self { rows, more })
    }
}

/// The limits that are nearest to exhaustion.
async fn limits(visit: &Visit) -> Result<Vec<LimitRow>, Problem> {
    let part: Part<Counter> = visit.api.get(&path(&["limits"], &[("limit", FEW)])).await?;
    let rows = part.items.into_iter().map(LimitRow::of);
    Ok(rows.filter(|row| row.share >= NEAR).collect())
}

/// What was refused before it was known whose it was.
async fn early(visit: &Visit, since: &str) -> Result<Vec<Early>, Problem> {
    let wanted = [("kind", "early"), ("since", since), ("limit", FEW)];
    let part: Part<Refusal> = visit.api.get(&path(&["refusals"], &wanted)).await?;
    Ok(part.items.into_iter().map(Early::of).collect())
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage<'v> {
    shell: Shell<'v>,
    now: Now,
}

#[derive(Template)]
#[template(path = "overview/now.html")]
struct NowPart<'v> {
    now: &'v Now,
}

#[cfg(test)]
mod tests;
