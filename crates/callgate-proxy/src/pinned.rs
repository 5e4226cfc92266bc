//! What the tools of a server are pinned as: compared with every list that passes, and known before a call is decided.

use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::Failure;
use crate::gate::Gate;
use crate::judge::Caller;
use crate::mirrored::{self, Listing};
use crate::snapshot::{GrantEntry, Pinning, ServerConfig};
use callgate_catalog::fingerprint;
use callgate_decision::{ListOf, Listed};
use callgate_mcp::{CacheScope, ListKind, Message, filter_lists};
use callgate_policy::Definition;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// What stands for a tool that nobody has approved, where somebody has to.
static UNAPPROVED: LazyLock<Arc<Definition>> =
    LazyLock::new(|| Arc::new(Definition { quarantined: true, ..Definition::default() }));

/// The tools of one list, in its order, and what of them is news to whoever pins.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) tools: Vec<Surveyed>,
    pub(crate) news: Vec<Listed>,
}

/// One tool of a list.
#[derive(Debug)]
pub(crate) struct Surveyed {
    pub(crate) definition: Option<Arc<Definition>>,
    /// It is listed as what it is pinned as.
    pub(crate) is_as_pinned: bool,
}

impl Gate {
    /// What a tool is pinned as. Where somebody has to approve tools first, one that nobody did is set aside.
    pub(crate) fn definition(&self, server: &ServerConfig, tool: &str) -> Option<Arc<Definition>> {
        let known = self.snapshots.borrow().definitions(&server.uuid).and_then(|known| known.of(tool).cloned());
        known.or_else(|| (server.pinning == Pinning::Approval).then(|| Arc::clone(&UNAPPROVED)))
    }

    /// Compares the tools of a list with what they are pinned as. Fails where the list says two things about one tool.
    pub(crate) fn survey(&self, server: &ServerConfig, list: &Message<'_>) -> Result<Survey, String> {
        let snapshot = self.snapshot();
        let known = snapshot.definitions(&server.uuid);
        let mut survey = Survey::default();
        // The same bytes again are no news; other ones under the same name are a list that can be read in two ways.
        let mut listed: HashMap<String, usize> = HashMap::new();
        let mut twice = None;
        let looked = filter_lists(list, &[ListKind::Tools], CacheScope::AsIs, |entry| {
            let (name, fingerprint) = (entry.name(), fingerprint(entry.definition()));
            let pinned = known.and_then(|known| known.pinned(name));
            let surveyed = match pinned {
                Some(pinned) => Surveyed {
                    is_as_pinned: !pinned.definition.quarantined && pinned.definition.fingerprint == fingerprint,
                    definition: Some(Arc::clone(&pinned.definition)),
                },
                None => Surveyed { definition: None, is_as_pinned: server.pinning == Pinning::FirstSight },
            };
            survey.tools.push(surveyed);
            if pinned.is_none_or(|pinned| pinned.listed() != fingerprint) {
                let definition = String::from_utf8_lossy(entry.bytes()).into_owned();
                let news = Listed { name: name.to_owned(), definition, fingerprint };
                match listed.get(name).and_then(|index| survey.news.get(*index)) {
                    Some(before) if before.fingerprint != news.fingerprint => twice = Some(news.name),
                    Some(_) => {}
                    None => {
                        listed.insert(news.name.clone(), survey.news.len());
                        survey.news.push(news);
                    }
                }
            }
            true
        });
        looked.map_err(|error| error.to_string())?;
        match twice {
            Some(name) => Err(format!("it lists the tool `{name}` twice, and not alike")),
            None => Ok(survey),
        }
    }

    /// Tells whoever pins what was listed; when this is done, it is in force.
    pub(crate) async fn pin(&self, entry: &GrantEntry, news: Vec<Listed>) -> Result<(), Cause> {
        let ServerConfig { organisation, uuid, name, .. } = &*entry.server;
        let saw = self.pins.saw(ListOf { organisation, server: uuid, name }, news).await;
        saw.map_err(|why| Cause::Unpinned { server: name.as_str().to_owned(), why })
    }

    /// Whether the server's list has to be asked for before this message is decided about: the policy looks at
    /// definitions and the tool's is not known, or the server said that its list has changed.
    pub(crate) fn wants_list(&self, entry: &GrantEntry, message: &Message<'_>) -> bool {
        let (Some(call), Some(policy)) = (message.tool_call(), &entry.policy) else { return false };
        let server = &entry.server;
        let snapshot = self.snapshots.borrow();
        let known = snapshot.definitions(&server.uuid);
        let standing = self.standings.of(server);
        if standing.list.is_stale() && known.is_some() {
            return true;
        }
        if known.is_some_and(|known| known.of(call.name).is_some()) {
            return false;
        }
        let policies = [Some(policy), entry.baseline.as_ref()];
        let looks = policies.into_iter().flatten().any(|attached| attached.policy.needs_definitions());
        (looks || server.pinning == Pinning::Approval) && !standing.list.was_seen_lately()
    }
}

/// Has the server's list pass by, where it has to be known before this call is decided about. The grant comes back as it
/// is then; `None` where nobody had to be asked. Calls that wait for the same list wait together.
pub(crate) async fn known_first(
    way: Way<'_>,
    caller: Caller<'_>,
    message: &Message<'_>,
) -> Result<Option<Arc<GrantEntry>>, Cause> {
    if !way.gate.wants_list(way.entry, message) {
        return Ok(None);
    }
    let standing = way.gate.standings.of(&way.entry.server);
    let _asking = standing.headers.asking.lock().await;
    if way.gate.wants_list(way.entry, message) {
        let listed = mirrored::ask(way, caller, message).await?;
        // Nothing that is known of its tools is known to be in force.
        if listed == Listing::Withheld && standing.list.is_stale() {
            let why = "it said that its list of tools has changed, and does not give it".to_owned();
            return Err(Failure::Unreadable(why).cause(way.entry.server.name.as_str()));
        }
    }
    way.now().map(Some)
}
