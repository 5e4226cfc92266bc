//! What the pages of a policy read of it.

use super::Place;
use crate::api::{Problem, Revised, path};
use crate::moment::Moment;
use crate::visit::Visit;
use serde::Deserialize;

/// The code of the API's answer where there is no policy, or no version, of this name.
const NO_POLICY: &str = "CG3043";

/// A policy as the API shows it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shown {
    pub(super) version: i64,
    #[serde(default)]
    pub(super) document: Option<String>,
    pub(super) published: Option<String>,
    pub(super) by: Option<String>,
    pub(super) repeats: Option<i64>,
    pub(super) declared: bool,
}

/// One version of it.
#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) document: String,
}

#[derive(Deserialize)]
struct Server {
    uuid: String,
}

impl Shown {
    /// When it was published.
    pub(super) fn published(&self) -> Option<Moment> {
        Moment::maybe(self.published.as_deref())
    }

    /// Who published it.
    pub(super) fn by(&self) -> &str {
        let by = self.by.as_deref().unwrap_or_default();
        by.strip_prefix("member:").unwrap_or(by)
    }
}

/// The policy as it is in force.
pub(super) async fn shown(visit: &Visit, place: &Place) -> Result<Revised<Shown>, Problem> {
    visit.api.read(&place.api(&[], &[])).await
}

/// The same; none where nothing is published yet.
pub(super) async fn maybe_shown(visit: &Visit, place: &Place) -> Result<Option<Revised<Shown>>, Problem> {
    match shown(visit, place).await {
        Ok(shown) => Ok(Some(shown)),
        Err(problem) if problem.status == 404 && problem.code == NO_POLICY => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The document of one version.
pub(super) async fn version(visit: &Visit, place: &Place, number: &str) -> Result<String, Problem> {
    let version: Version = visit.api.get(&place.api(&["versions", number], &[])).await?;
    Ok(version.document)
}

/// Why the visitor may not publish here; none where they may.
pub(super) async fn why_not(visit: &Visit, place: &Place, shown: Option<&Shown>) -> Option<String> {
    if shown.is_some_and(|shown| shown.declared) {
        return Some("it is declared in the configuration file: edit its file, that applies at once".to_owned());
    }
    let may = &visit.me.may;
    let Some(server) = &place.server else { return may.not("edit_policies", None) };
    // Roles for single servers go by identity.
    let known: Result<Server, Problem> = visit.api.get(&path(&["servers", server], &[])).await;
    may.not("edit_policies", known.ok().as_ref().map(|server| server.uuid.as_str()))
}
