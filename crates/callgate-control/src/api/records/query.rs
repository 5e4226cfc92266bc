//! The parameters of searches and exports, as the OpenAPI document has them.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A moment: how long ago (`1h`), or RFC 3339 (fractions of a second and offsets are understood, too).
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    pattern = "^([0-9]{1,6}[smhdw]|2[0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)$",
    example = "1h"
)]
pub(super) struct Moment(pub(super) String);

/// What decisions are searched by. All have to be true.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `terms` reads them")]
pub(super) struct DecisionQuery {
    /// The conditions as one text: words, `"texts"` and qualifiers as below. Of one qualifier given twice, either.
    #[param(max_length = 1000, example = "tool:exec_command outcome:deny since:1h")]
    q: Option<String>,
    /// The name of the server.
    #[param(min_length = 1)]
    server: Option<String>,
    /// The label or identity of the grant.
    #[param(min_length = 1)]
    grant: Option<String>,
    /// The tool.
    #[param(min_length = 1)]
    tool: Option<String>,
    /// The JSON-RPC method.
    #[param(min_length = 1)]
    method: Option<String>,
    /// The outcome.
    #[param(inline)]
    outcome: Option<OutcomeWord>,
    /// The rule that decided.
    #[param(min_length = 1)]
    rule: Option<String>,
    /// Why it was refused.
    #[param(min_length = 1)]
    reason: Option<String>,
    /// The policy's name.
    #[param(min_length = 1)]
    policy: Option<String>,
    /// The policy's version.
    #[param(minimum = 0, maximum = 4_294_967_295_u32)]
    version: Option<u32>,
    /// The MCP session.
    #[param(min_length = 1)]
    session: Option<String>,
    /// What the client calls itself.
    #[param(min_length = 1)]
    client: Option<String>,
    /// What became of the call.
    #[param(inline)]
    result: Option<ResultWord>,
    /// The upstream's HTTP status.
    #[param(minimum = 0, maximum = 4_294_967_295_u32)]
    status: Option<u32>,
    /// From then on: how long ago (`1h`), or RFC 3339.
    #[param(inline)]
    since: Option<Moment>,
    /// Before then.
    #[param(inline)]
    until: Option<Moment>,
}

/// What a summary is about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SummaryQuery {
    /// From then on: how long ago (`1h`), or RFC 3339. An hour before the end where it is left out.
    #[param(inline)]
    pub(super) since: Option<Moment>,
    /// Before then; now where it is left out.
    #[param(inline)]
    pub(super) until: Option<Moment>,
    /// Only this server: its name.
    #[param(min_length = 1)]
    pub(super) server: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeWord {
    Allow,
    Deny,
    Approve,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ResultWord {
    Result,
    Unread,
    ToolError,
    Error,
    InputRequired,
    Task,
    Accepted,
    Unreachable,
    Timeout,
    Broken,
    Cancelled,
    NotForwarded,
}

/// What changes are searched by. All have to be true.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `terms` reads them")]
pub(super) struct ChangeQuery {
    /// The conditions as one text: words, `"texts"` and qualifiers as below.
    #[param(max_length = 1000, example = "what:\"grant mint\" since:7d")]
    q: Option<String>,
    /// Who: `member:ada`, `token:ci`, …
    #[param(min_length = 1)]
    who: Option<String>,
    /// What: `server add`, `policy publish`, …
    #[param(min_length = 1)]
    what: Option<String>,
    /// To what: `server/kernel`, …
    #[param(min_length = 1)]
    object: Option<String>,
    /// From then on: how long ago (`7d`), or RFC 3339.
    #[param(inline)]
    since: Option<Moment>,
    /// Before then.
    #[param(inline)]
    until: Option<Moment>,
}

/// What refusals are searched by. All have to be true.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `terms` reads them")]
pub(super) struct RefusalQuery {
    /// The conditions as one text: words, `"texts"` and qualifiers as below.
    #[param(max_length = 1000, example = "kind:early since:1h")]
    q: Option<String>,
    /// Refused before a grant was known, or withheld from a client.
    #[param(inline)]
    kind: Option<KindWord>,
    /// Where they came from.
    #[param(min_length = 1)]
    source: Option<String>,
    /// Why they were refused.
    #[param(min_length = 1)]
    reason: Option<String>,
    /// The name of the server.
    #[param(min_length = 1)]
    server: Option<String>,
    /// The label or identity of the grant.
    #[param(min_length = 1)]
    grant: Option<String>,
    /// From then on: how long ago (`7d`), or RFC 3339.
    #[param(inline)]
    since: Option<Moment>,
    /// Before then.
    #[param(inline)]
    until: Option<Moment>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindWord {
    Early,
    Withheld,
}

/// What is exported.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// JSON Lines with the fields of the records, or OCSF events, one a line.
    #[param(inline)]
    pub(super) format: FormatWord,
    /// From then on: how long ago (`7d`), or RFC 3339.
    #[param(inline)]
    pub(super) since: Option<Moment>,
    /// Before then.
    #[param(inline)]
    pub(super) until: Option<Moment>,
    /// Only what is about the server of this name.
    #[param(min_length = 1)]
    pub(super) server: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum FormatWord {
    Jsonl,
    Ocsf,
}

#[cfg(test)]
mod tests {
    use super::ResultWord;

    #[test]
    fn every_fate_that_is_searched_by_is_documented() {
        for fate in crate::records::FATES {
            let word: Result<ResultWord, _> = serde_json::from_value((*fate).into());
            assert!(word.is_ok(), "`{fate}` is not in the document");
        }
    }
}
