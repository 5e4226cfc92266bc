//! Where a policy is: one of a server, or the organisation's baseline; in the API and among the pages.

use crate::Console;
use crate::api::path;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::convert::Infallible;

/// The policy that a page is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its server, by name or identity; none for the baseline.
    pub(crate) server: Option<String>,
    /// Its name.
    pub(crate) name: String,
}

impl Place {
    /// What the baseline is called.
    pub(crate) const BASELINE: &'static str = "baseline";

    /// A policy of a server; the baseline where there is no server.
    pub(crate) fn new(server: Option<&str>, name: &str) -> Self {
        Self { server: server.map(str::to_owned), name: name.to_owned() }
    }

    /// Its path in the API, and below it.
    pub(crate) fn api(&self, below: &[&str], query: &[(&str, &str)]) -> String {
        self.path(below, query)
    }

    /// Its page, and pages below it.
    pub(crate) fn href(&self, below: &str) -> String {
        self.path(&below.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>(), &[])
    }

    /// The page of one version.
    pub(crate) fn version_href(&self, version: impl Borrow<i64>) -> String {
        self.path(&[], &[("version", &version.borrow().to_string())])
    }

    /// The page that compares two versions.
    pub(crate) fn diff_href(&self, from: impl Borrow<i64>, to: impl Borrow<i64>) -> String {
        self.path(&["diff"], &[("from", &from.borrow().to_string()), ("to", &to.borrow().to_string())])
    }

    /// The page of its server; the list of policies for the baseline.
    pub(crate) fn server_href(&self) -> String {
        self.server.as_ref().map_or_else(|| "/policies".to_owned(), |server| path(&["servers", server], &[]))
    }

    /// As headings call it.
    pub(crate) fn title(&self) -> String {
        match &self.server {
            Some(server) => format!("{} of {server}", self.name),
            None => "Baseline".to_owned(),
        }
    }

    // The API and the pages agree in this.
    fn path(&self, below: &[&str], query: &[(&str, &str)]) -> String {
        let mut segments = match &self.server {
            Some(server) => vec!["servers", server, "policies", &self.name],
            None => vec![Self::BASELINE],
        };
        segments.extend(below);
        path(&segments, query)
    }
}

impl FromRequestParts<Console> for Place {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Infallible> {
        // The route of the baseline has no parameters.
        let named = Path::<HashMap<String, String>>::from_request_parts(parts, console).await;
        let named = named.map(|Path(named)| named).unwrap_or_default();
        let name = named.get("policy").map_or(Self::BASELINE, String::as_str);
        Ok(Self::new(named.get("server").map(String::as_str), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_in_the_api_and_among_the_pages() {
        let place = Place::new(Some("a b"), "x/y");
        assert_eq!(place.api(&["versions", "3"], &[]), "/servers/a%20b/policies/x%2Fy/versions/3");
        assert_eq!(place.href("history"), "/servers/a%20b/policies/x%2Fy/history");
        assert_eq!(place.diff_href(1, 2), "/servers/a%20b/policies/x%2Fy/diff?from=1&to=2");
        assert_eq!(Place::new(None, Place::BASELINE).api(&[], &[("dry_run", "true")]), "/baseline?dry_run=true");
    }
}
