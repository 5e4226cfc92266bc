//! What stands around every page: the bar with the sections, who is signed in, what went wrong, and the headers.

use crate::api::Problem;
use crate::assets;
use crate::visit::Visit;
use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Each with its value; a page that says something else of its own keeps it.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    // Not `no-referrer`: that would make browsers post the forms with `Origin: null`.
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The sections of the console, in the order of the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Servers,
    Policies,
    Decisions,
    Approvals,
    Limits,
    Grants,
    Catalogue,
    Try,
    Members,
    Changes,
}

/// An entry of the bar.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) href: &'static str,
    pub(crate) is_here: bool,
    /// Why it can't be opened; none where it can.
    pub(crate) why_not: Option<String>,
}

/// What stands around a page: the field `shell` of every page's template.
pub(crate) struct Shell<'v> {
    visit: &'v Visit,
    section: Section,
    /// What was done, said once.
    pub(crate) notice: Option<&'static str>,
    /// What went wrong with what was sent; the page shows it on top.
    pub(crate) problem: Option<Problem>,
}

impl Section {
    const ALL: [Self; 11] = [
        Self::Overview,
        Self::Servers,
        Self::Policies,
        Self::Decisions,
        Self::Approvals,
        Self::Limits,
        Self::Grants,
        Self::Catalogue,
        Self::Try,
        Self::Members,
        Self::Changes,
    ];

    /// Its name, where it is, and the permission without which there is nothing to see.
    fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "/", "read_servers"),
            Self::Servers => ("Servers", "/servers", "read_servers"),
            Self::Policies => ("Policies", "/policies", "read_policies"),
            Self::Decisions => ("Decisions", "/decisions", "read_decisions"),
            Self::Approvals => ("Approvals", "/approvals", "read_decisions"),
            Self::Limits => ("Limits", "/limits", "read_decisions"),
            Self::Grants => ("Grants", "/grants", "read_grants"),
            Self::Catalogue => ("Catalogue", "/catalogue", "read_servers"),
            Self::Try => ("Try", "/try", "read_policies"),
            Self::Members => ("Members", "/members", "manage_members"),
            Self::Changes => ("Changes", "/changes", "read_changes"),
        }
    }
}

/// What was done, by the word in the URL that a form led to (`?done=…`).
fn notice(word: &str) -> Option<&'static str> {
    Some(match word {
        "added" => "Added.",
        "saved" => "Saved.",
        "removed" => "Removed.",
        "published" => "Published: in force from the next call on.",
        "same" => "The same document is in force already: nothing was published.",
        "rolled-back" => "Rolled back: in force from the next call on.",
        "approved" => "Approved.",
        "denied" => "Denied.",
        "revoked" => "Revoked.",
        "reset" => "Reset.",
        "attached" => "Attached: in force from the next call on.",
        "detached" => "Detached: every call of this grant is denied now.",
        _ => return None,
    })
}

impl<'v> Shell<'v> {
    /// Around a page of this section.
    pub(crate) fn new(visit: &'v Visit, section: Section) -> Self {
        Self { visit, section, notice: notice(visit.query.text("done")), problem: None }
    }

    /// The same, with what went wrong.
    pub(crate) fn with(self, problem: Option<Problem>) -> Self {
        Self { problem, ..self }
    }

    /// The entries of the bar.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |section: Section| {
            let (name, href, needs) = section.about();
            let why_not = (!self.visit.me.may.anywhere(needs)).then(|| format!("your role does not have `{needs}`"));
            Entry { name, href, is_here: section == self.section, why_not }
        };
        Section::ALL.into_iter().map(entry).collect()
    }

    /// The token that forms carry.
    pub(crate) fn csrf(&self) -> &str {
        self.visit.csrf()
    }

    /// Who is signed in.
    pub(crate) fn who(&self) -> &str {
        self.visit.me.who.strip_prefix("member:").unwrap_or(&self.visit.me.who)
    }

    /// In which organisation.
    pub(crate) fn organisation(&self) -> &str {
        &self.visit.me.organisation
    }

    /// Where an asset is.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::href(name)
    }
}

/// A page as an answer.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => bare(&Problem::own(&error.to_string())),
    }
}

/// What could not be shown, in the frame of the page that was asked for; without it where only a part was.
pub(crate) fn failed(visit: &Visit, section: Section, problem: Problem) -> Response {
    let status = problem.status();
    if visit.is_part {
        return html(status, &FailedPart { problem: &problem });
    }
    html(status, &FailedPage { shell: Shell::new(visit, section), problem: &problem })
}

/// What could not be shown, before it is known who asks.
pub(crate) fn bare(problem: &Problem) -> Response {
    let text = BarePage { problem }.render().unwrap_or_else(|_| problem.detail.replace(['<', '&'], " "));
    (problem.status(), [(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

/// A page that does nothing but lead on to another one of ours.
pub(crate) fn leading_to(page: &str) -> Response {
    html(StatusCode::OK, &PassingPage { page })
}

/// The headers of every page.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[derive(Template)]
#[template(path = "failed.html")]
struct FailedPage<'v> {
    shell: Shell<'v>,
    problem: &'v Problem,
}

#[derive(Template)]
#[template(source = "{% import \"components.html\" as part %}{{ part::problem(problem) }}", ext = "html")]
struct FailedPart<'v> {
    problem: &'v Problem,
}

#[derive(Template)]
#[template(path = "passing.html")]
struct PassingPage<'v> {
    page: &'v str,
}

#[derive(Template)]
#[template(path = "bare.html")]
struct BarePage<'v> {
    problem: &'v Problem,
}

impl BarePage<'_> {
    fn style(&self) -> String {
        assets::href("style.css")
    }
}
