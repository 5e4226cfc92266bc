//! What several pages need of the API.

use crate::api::Api;
use serde::Deserialize;

/// So many servers are offered as suggestions.
const SUGGESTED: usize = 200;

/// The names of the servers that the visitor may see; none where they can't be read.
pub(crate) async fn servers(api: &Api) -> Vec<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let found: Vec<Named> = api.all("/servers", SUGGESTED).await.unwrap_or_default();
    let mut names: Vec<String> = found.into_iter().map(|server| server.name).collect();
    names.sort_unstable();
    names
}

/// The class of an outcome: only of words that are known.
pub(crate) fn outcome_class(word: &str) -> &'static str {
    match word {
        "allow" => "outcome-allow",
        "deny" => "outcome-deny",
        "approve" => "outcome-approve",
        _ => "",
    }
}

/// An outcome as people say it.
pub(crate) fn outcome_word(word: &str) -> &'static str {
    match word {
        "allow" => "allowed",
        "deny" => "denied",
        "approve" => "asked",
        _ => "unknown",
    }
}
