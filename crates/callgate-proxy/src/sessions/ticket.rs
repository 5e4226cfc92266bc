//! What is sealed into the id of a session, so that another process with the same key can go on with it.

use crate::seal::Seal;
use crate::snapshot::GrantEntry;
use crate::upstream::HttpUpstream;
use callgate_mcp::Revision;
use callgate_policy::{Client, Timestamp};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

/// An id that was issued longer ago is not taken up by a process that does not know its session.
pub(super) const MAX_AGE_MS: i64 = 24 * 60 * 60 * 1000;
/// Ids above this would not fit into headers: such a session lives in its process only.
const MAX_TICKET: usize = 3 << 10;

/// What makes a session on an HTTP upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The upstream's own id.
    pub(super) far: Option<HeaderValue>,
    pub(super) revision: Revision,
    pub(super) client: Option<Client>,
    /// When the session began.
    pub(super) issued: Timestamp,
    /// Whether the client's user can be asked with a form.
    pub(super) elicits: bool,
}

/// The same as it is written; names and versions of clients are theirs to choose, and so are the upstream's ids.
#[derive(Serialize, Deserialize)]
struct Written(Option<String>, String, Option<(String, String)>, i64, #[serde(default)] bool);

impl Ticket {
    /// The sealed id; `None` where it can't be one.
    pub(super) fn seal(&self, seal: &Seal, entry: &GrantEntry, upstream: &HttpUpstream) -> Option<String> {
        let far = match &self.far {
            Some(far) => Some(far.to_str().ok()?.to_owned()),
            None => None,
        };
        let client = self.client.as_ref().map(|client| (client.name.clone(), client.version.clone()));
        let written = Written(far, self.revision.as_str().to_owned(), client, self.issued.0, self.elicits);
        let plain = serde_json::to_vec(&written).ok().filter(|plain| plain.len() <= MAX_TICKET)?;
        seal.seal(&bound(entry, &upstream.url()), &plain)
    }

    /// What a sealed id says, where it is this grant's, for this server at this place, and not too old.
    pub(super) fn open(
        seal: &Seal,
        entry: &GrantEntry,
        upstream: &HttpUpstream,
        id: &[u8],
        now: Timestamp,
    ) -> Option<Self> {
        let plain = seal.open(&bound(entry, &upstream.url()), id)?;
        let Written(far, revision, client, issued, elicits) = serde_json::from_slice(&plain).ok()?;
        if now.0.saturating_sub(issued) > MAX_AGE_MS {
            return None;
        }
        let far = match far {
            Some(far) => Some(HeaderValue::try_from(far).ok()?),
            None => None,
        };
        let client = client.map(|(name, version)| Client { name, version });
        Some(Self { far, revision: Revision::parse(&revision)?, client, issued: Timestamp(issued), elicits })
    }
}

/// An id is good for one grant, one server, and the place where the upstream's half of the session is.
fn bound<'a>(entry: &'a GrantEntry, url: &'a str) -> [&'a str; 3] {
    [entry.grant.id.as_str(), &entry.server.uuid, url]
}
