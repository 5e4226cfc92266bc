//! The state that a modern server has its client bring back (`requestState`, MCP 2026-07-28 "Multi Round-Trip
//! Requests"): sealed, so that it comes back unchanged, in time, once, and for the request that it was given for.

use crate::errors::Cause;
use crate::seal::{Seal, SealKey};
use crate::snapshot::{GrantEntry, TokenKey};
use callgate_decision::{ApprovalId, Binding, Cover};
use callgate_json::{Value, canonical};
use callgate_mcp::{Message, Method};
use callgate_policy::Timestamp;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// How long a client may take, in milliseconds.
const LASTS: i64 = 60 * 60 * 1000;
/// Used states that are remembered. Where there are more, the ones that end first count as used.
const MAX_USED: usize = 1 << 16;
const NONCE: usize = 16;
const PURPOSE: &str = "callgate 2026-11 request state";

/// Seals states, and takes each back once.
#[derive(Debug)]
pub(crate) struct States {
    /// None where the system gives no randomness: then no state passes, either way.
    seal: Option<Seal>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    nonces: HashSet<[u8; NONCE]>,
    by_end: BTreeMap<(i64, [u8; NONCE]), ()>,
    /// States that end by then can't be told from used ones any more.
    floor: i64,
}

/// A state that came back as it was given.
struct Opened {
    nonce: [u8; NONCE],
    end: i64,
    cover: Option<Cover>,
    state: Vec<u8>,
}

/// What a state is bound to: the request, but for what changes from leg to leg.
#[derive(Clone, Debug)]
pub(crate) struct About([String; 3]);

impl About {
    /// The request that this message makes or makes again; `None` for methods that have no legs.
    pub(crate) fn of(entry: &GrantEntry, message: &Message<'_>) -> Option<Self> {
        if !has_legs(message.method()) {
            return None;
        }
        let mut members: Vec<_> = message.params().map(Value::members).unwrap_or_default().iter().collect();
        members.sort_by(|one, other| one.key.cmp(&other.key));
        let mut digest = blake3::Hasher::new();
        let mut add = |text: &str| {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        };
        add(message.method_name().unwrap_or_default());
        for member in members {
            if !matches!(&*member.key, "_meta" | "inputResponses" | "requestState") {
                add(&member.key);
                add(&canonical(&member.value));
            }
        }
        let (grant, server) = (entry.grant.id.as_str().to_owned(), entry.server.uuid.to_string());
        Some(Self([grant, server, digest.finalize().to_hex().to_string()]))
    }

    fn parts(&self) -> [&str; 3] {
        self.0.each_ref().map(String::as_str)
    }
}

/// Whether requests with this method may be answered with a state.
pub(crate) fn has_legs(method: Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

impl States {
    /// With a key of this process alone: what was used before nobody else knows.
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        let seal = getrandom::fill(&mut key).ok().map(|()| Seal::new(&SealKey::derive(&TokenKey::new(key)), PURPOSE));
        Self { seal, used: Mutex::default() }
    }

    /// What the client gets in the place of a state; `None` where the system gives no randomness. `cover` is the yes
    /// under which the request left, and the leg that brings the state continues.
    pub(crate) fn seal(&self, about: &About, state: &str, cover: Option<&Cover>, now: Timestamp) -> Option<String> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let end = now.0.saturating_add(LASTS).to_be_bytes();
        let (id, binding) = match cover {
            Some(cover) => (cover.id().0.as_bytes(), &cover.binding().0[..]),
            None => (&b""[..], &b""[..]),
        };
        let length = [u8::try_from(id.len()).ok()?];
        let plain = [&nonce[..], &end, &length, id, binding, state.as_bytes()].concat();
        self.seal.as_ref()?.seal(&about.parts(), &plain)
    }

    /// Whether a state could be taken back now; the yes under which the request goes on with it.
    pub(crate) fn check(&self, about: &About, text: &str, now: Timestamp) -> Result<Option<Cover>, Cause> {
        let opened = self.open(about, text, now)?;
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.has(&opened) { Err(Cause::StateRefused(USED)) } else { Ok(opened.cover) }
    }

    /// Takes a state back, which is then used: the server's own.
    pub(crate) fn take(&self, about: &About, text: &str, now: Timestamp) -> Result<String, Cause> {
        let opened = self.open(about, text, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.has(&opened) {
            return Err(Cause::StateRefused(USED));
        }
        used.add(&opened, now);
        drop(used);
        String::from_utf8(opened.state).map_err(|_| Cause::StateRefused(ALTERED))
    }

    fn open(&self, about: &About, text: &str, now: Timestamp) -> Result<Opened, Cause> {
        let seal = self.seal.as_ref().ok_or(Cause::StateRefused(ALTERED))?;
        let plain = seal.open(&about.parts(), text.as_bytes()).ok_or(Cause::StateRefused(ALTERED))?;
        let parts = plain.split_first_chunk::<NONCE>();
        let parts = parts.and_then(|(nonce, rest)| Some((nonce, rest.split_first_chunk::<8>()?)));
        let (nonce, (end, state)) = parts.ok_or(Cause::StateRefused(ALTERED))?;
        let end = i64::from_be_bytes(*end);
        if end <= now.0 {
            return Err(Cause::StateRefused("it has expired"));
        }
        let (cover, state) = covered(state).ok_or(Cause::StateRefused(ALTERED))?;
        Ok(Opened { nonce: *nonce, end, cover, state: state.to_vec() })
    }
}

/// The yes that stands in front of a state, where there is one.
fn covered(plain: &[u8]) -> Option<(Option<Cover>, &[u8])> {
    let (length, rest) = plain.split_first()?;
    if *length == 0 {
        return Some((None, rest));
    }
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    let (binding, state) = rest.split_first_chunk::<32>()?;
    let id = ApprovalId(std::str::from_utf8(id).ok()?.into());
    Some((Some(Cover::leg(id, Binding(*binding))), state))
}

const ALTERED: &str = "it is not what this gateway gave to this grant for this very request";
const USED: &str = "it was used before";

impl Used {
    fn has(&self, opened: &Opened) -> bool {
        opened.end <= self.floor || self.nonces.contains(&opened.nonce)
    }

    fn add(&mut self, opened: &Opened, now: Timestamp) {
        self.nonces.insert(opened.nonce);
        self.by_end.insert((opened.end, opened.nonce), ());
        while let Some(first) = self.by_end.first_entry() {
            let (end, nonce) = *first.key();
            if end > now.0 && self.nonces.len() <= MAX_USED {
                return;
            }
            first.remove();
            self.nonces.remove(&nonce);
            self.floor = self.floor.max(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(parts: [&str; 3]) -> About {
        About(parts.map(str::to_owned))
    }

    #[test]
    fn a_state_comes_back_once_in_time_and_for_its_request() {
        let (states, other_process) = (States::new(), States::new());
        let one = about(["g", "s", "r"]);
        let large = "x".repeat(200_000);
        for state in ["", "opaque \u{1F600} \"{}", &large] {
            let text = states.seal(&one, state, None, Timestamp(0)).unwrap();
            for foreign in [["h", "s", "r"], ["g", "t", "r"], ["g", "s", "q"]] {
                assert!(states.take(&about(foreign), &text, Timestamp(1)).is_err(), "{foreign:?}");
            }
            assert!(other_process.take(&one, &text, Timestamp(1)).is_err());
            let mut altered = text.clone();
            altered.pop();
            assert!(states.take(&one, &altered, Timestamp(1)).is_err());
            assert_eq!(states.take(&one, &text, Timestamp(LASTS)), Err(Cause::StateRefused("it has expired")));
            assert!(states.check(&one, &text, Timestamp(1)).unwrap().is_none());
            assert_eq!(states.take(&one, &text, Timestamp(1)).as_deref(), Ok(state));
            assert_eq!(states.take(&one, &text, Timestamp(1)), Err(Cause::StateRefused(USED)));
            assert_eq!(states.check(&one, &text, Timestamp(1)).unwrap_err(), Cause::StateRefused(USED));
        }
    }

    #[test]
    fn a_state_keeps_the_yes_under_which_its_request_left() {
        let (states, one) = (States::new(), about(["g", "s", "r"]));
        for id in ["a_1", &"x".repeat(255)] {
            let cover = Cover::leg(ApprovalId(id.into()), Binding([7; 32]));
            let text = states.seal(&one, "state", Some(&cover), Timestamp(0)).unwrap();
            let kept = states.check(&one, &text, Timestamp(1)).unwrap().unwrap();
            assert_eq!((&*kept.id().0, kept.binding().0), (id, [7; 32]));
            assert_eq!(states.take(&one, &text, Timestamp(1)).as_deref(), Ok("state"));
        }
        let long = Cover::leg(ApprovalId("x".repeat(256).into()), Binding([7; 32]));
        assert!(states.seal(&one, "state", Some(&long), Timestamp(0)).is_none());
    }

    #[test]
    fn what_can_not_be_remembered_counts_as_used() {
        let mut used = Used::default();
        let opened = |number: usize| {
            let mut nonce = [0; NONCE];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            Opened { nonce, end: 100 + i64::try_from(number).unwrap(), cover: None, state: Vec::new() }
        };
        for number in 0..=MAX_USED {
            used.add(&opened(number), Timestamp(0));
        }
        assert!(used.nonces.len() <= MAX_USED && used.has(&opened(0)) && used.has(&opened(MAX_USED)));
        assert!(!used.has(&opened(MAX_USED + 1)));
        // Those that have ended need no place.
        used.add(&opened(MAX_USED + 2), Timestamp(1 << 40));
        assert!(used.nonces.is_empty() && used.by_end.is_empty());
    }
}
