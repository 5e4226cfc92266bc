//! Whose calls are under way: what became of a call is recorded with nothing but the decision's identity.

use super::text;
use serde_json::{Map, Value};
use std::collections::{HashMap, VecDeque};

/// How many calls under way are remembered. The oldest is forgotten first.
const MOST: usize = 65_536;

/// What a call is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) organisation: String,
    pub(super) grant: String,
    pub(super) grant_label: String,
    pub(super) identity: String,
    pub(super) server: String,
    pub(super) method: String,
    pub(super) tool: String,
    pub(super) policy: String,
    pub(super) policy_version: Option<u64>,
    pub(super) policy_digest: String,
    pub(super) session: String,
    pub(super) client: String,
    pub(super) client_version: String,
    pub(super) request_id: String,
}

/// The calls under way.
#[derive(Default)]
pub(super) struct Known {
    calls: HashMap<String, About>,
    order: VecDeque<String>,
}

impl About {
    /// What a record says it is about; none where it names no organisation and server.
    pub(super) fn of(body: &Map<String, Value>) -> Option<Self> {
        let word = |name| text(body, name).to_owned();
        let about = Self {
            organisation: word("organisation"),
            grant: word("grant"),
            grant_label: word("grant_label"),
            identity: word("identity"),
            server: word("server"),
            method: word("method"),
            tool: word("tool"),
            policy: word("policy"),
            policy_version: body.get("policy_version").and_then(Value::as_u64),
            policy_digest: word("policy_digest"),
            session: word("session"),
            client: word("client"),
            client_version: word("client_version"),
            request_id: word("request_id"),
        };
        (!about.organisation.is_empty() && !about.server.is_empty()).then_some(about)
    }
}

impl Known {
    /// Remembers a call that leaves.
    pub(super) fn put(&mut self, id: &str, about: About) {
        self.calls.insert(id.to_owned(), about);
        self.order.push_back(id.to_owned());
        while self.calls.len() > MOST || self.order.len() > 2 * MOST {
            let Some(oldest) = self.order.pop_front() else { return };
            self.calls.remove(&oldest);
        }
    }

    /// Whose call it was; it is over.
    pub(super) fn take(&mut self, id: &str) -> Option<About> {
        self.calls.remove(id)
    }
}
