//! The answer to `server/discover`, as the answer to `initialize`.

use super::client::extensions;
use crate::bridge::members::Members;
use crate::message::Message;
use crate::revision::Revision;
use crate::write::result_response;
use callgate_json::{Value, write_string};

/// The `_meta` key under which a modern server names itself.
const META_SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Members of a DiscoverResult that an InitializeResult has not, or that are written anew.
const OWN: [&str; 7] =
    ["resultType", "supportedVersions", "ttlMs", "cacheScope", "capabilities", "serverInfo", "protocolVersion"];

/// What a modern server said of itself.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// JSON, in legacy terms.
    capabilities: Box<[u8]>,
    /// JSON; none where the server did not name itself.
    info: Option<Box<[u8]>>,
    /// The other members of the result.
    rest: Box<[u8]>,
    /// What of it needs the gateway's help.
    pub offers: Offers,
}

/// What a server offers that a legacy client asks for in another way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// It tells when its list of tools changed.
    pub tools_changed: bool,
    /// It tells when its list of prompts changed.
    pub prompts_changed: bool,
    /// It tells when its list of resources changed.
    pub resources_changed: bool,
    /// It tells when a resource changed.
    pub subscribe: bool,
    /// It sends log messages.
    pub logging: bool,
}

/// Why no session can be made of the answer to `server/discover`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The server refused.
    #[error("it refuses `server/discover` ({0})")]
    Refused(String),
    /// The server does not speak the modern revision.
    #[error("it speaks {0}, and not 2026-07-28")]
    Versions(String),
    /// The result is none.
    #[error("its answer to `server/discover` has no readable `{0}`")]
    Malformed(&'static str),
}

impl Discovered {
    /// Reads the response to `server/discover`.
    pub fn read(response: &Message<'_>) -> Result<Self, DiscoverError> {
        let Some(result) = response.result() else {
            let message = response.error().and_then(|error| error.get("message")).and_then(Value::as_str);
            return Err(DiscoverError::Refused(message.unwrap_or("no result").to_owned()));
        };
        let versions = result.get("supportedVersions").and_then(Value::as_array);
        let versions = versions.ok_or(DiscoverError::Malformed("supportedVersions"))?;
        let modern = Revision::V2026_07_28.as_str();
        if !versions.iter().any(|version| version.as_str() == Some(modern)) {
            let names: Vec<_> = versions.iter().filter_map(Value::as_str).take(8).collect();
            return Err(DiscoverError::Versions(names.join(", ").chars().take(120).collect()));
        }
        let declared = result.get("capabilities").filter(|value| value.is_object());
        let declared = declared.ok_or(DiscoverError::Malformed("capabilities"))?;
        let body = response.body();
        Ok(Self {
            capabilities: Members::new()
                .take(Some(declared), body, |key| !matches!(key, "tasks" | "extensions"))
                .add_some("extensions", extensions(declared.get("extensions"), body).as_deref())
                .finish()
                .into(),
            info: server_info(result).map(|info| response.bytes_of(info).into()),
            rest: Members::new().take(Some(result), body, |key| !OWN.contains(&key)).finish().into(),
            offers: Offers::of(declared),
        })
    }

    /// The response to `initialize`: of this `revision`, with the request's `id`. A server that does not name itself
    /// gets `name`.
    pub fn initialize_response(&self, id: &[u8], revision: Revision, name: &str) -> Vec<u8> {
        let mut named = String::from("{\"name\":");
        write_string(name, &mut named);
        named.push_str(",\"version\":\"unknown\"}");
        let head = Members::new()
            .add("protocolVersion", format!("\"{revision}\"").as_bytes())
            .add("capabilities", &self.capabilities)
            .add("serverInfo", self.info.as_deref().unwrap_or(named.as_bytes()))
            .finish();
        result_response(id, &joined(head, &self.rest))
    }
}

impl Offers {
    fn of(declared: &Value<'_>) -> Self {
        let says = |feature: &str, what: &str| {
            declared.get(feature).and_then(|feature| feature.get(what)).and_then(Value::as_bool) == Some(true)
        };
        Self {
            tools_changed: says("tools", "listChanged"),
            prompts_changed: says("prompts", "listChanged"),
            resources_changed: says("resources", "listChanged"),
            subscribe: says("resources", "subscribe"),
            logging: declared.get("logging").is_some_and(Value::is_object),
        }
    }
}

/// Name and version of the server, where it gives both.
fn server_info<'v, 'a>(result: &'v Value<'a>) -> Option<&'v Value<'a>> {
    let in_meta = result.get("_meta").and_then(|meta| meta.get(META_SERVER_INFO));
    let has = |info: &Value<'_>, key| info.get(key).and_then(Value::as_str).is_some();
    in_meta.or_else(|| result.get("serverInfo")).filter(|info| has(info, "name") && has(info, "version"))
}

/// One object of the members of both; `rest` is an object, too.
fn joined(mut head: Vec<u8>, rest: &[u8]) -> Vec<u8> {
    if rest.len() > 2 {
        head.pop();
        head.push(b',');
        head.extend_from_slice(rest.get(1..).unwrap_or_default());
    }
    head
}
