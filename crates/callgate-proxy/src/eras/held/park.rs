//! Calls that wait for their client: the exchange stays open while the client fetches what the server wants to know, and
//! goes on with the leg that brings it. What names it is sealed, and good for one use.

use super::answers::Live;
use crate::errors::Cause;
use crate::exchange::Way;
use crate::forward::Failure;
use crate::gate::Gate;
use crate::snapshot::GrantEntry;
use callgate_decision::Cover;
use callgate_json::Value;
use callgate_mcp::Message;
use callgate_mcp::bridge::up::{self, Question};
use callgate_policy::GrantId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The longest that a call waits for its client.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Calls that wait at once, over all and of one grant.
const MAX_PARKED: usize = 4096;
const MAX_PER_GRANT: usize = 256;
/// What a `requestState` of this gateway begins with.
const PREFIX: &str = "cg1.";
const ID: usize = 16;
const MAC: usize = 32;

/// The calls that wait for their client.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    entries: Arc<Mutex<HashMap<[u8; ID], Entry>>>,
    /// Made when the first call waits; it ends with the process, as the calls do.
    key: OnceLock<[u8; 32]>,
}

#[derive(Debug)]
struct Entry {
    grant: GrantId,
    ends: Instant,
    questions: Vec<(String, Question)>,
    /// The yes under which the call left; none while a request has it that goes on with the call.
    cover: Option<Cover>,
    waits: Waits,
}

#[derive(Debug)]
enum Waits {
    /// An open exchange, kept by a task until it is taken up again.
    Exchange { wake: oneshot::Sender<()>, task: JoinHandle<Option<Live>> },
    /// Nothing: the call is sent again.
    Again,
}

/// What a leg has to be about to go on with a call: a digest of grant, server, method and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About([u8; 32]);

/// A call that goes on.
pub(super) enum Resumed {
    /// In the exchange that was left open; the answers are for its server.
    Exchange { live: Box<Live>, answers: Vec<Vec<u8>> },
    /// By being sent again.
    Again,
}

impl About {
    pub(super) fn of(entry: &GrantEntry, message: &Message<'_>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut add = |part: &str| {
            // With its length in front, so that no two lists of parts are one text.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        };
        add(entry.grant.id.as_str());
        add(&entry.server.uuid);
        add(message.method_name().unwrap_or_default());
        for member in message.params().map(Value::members).unwrap_or_default() {
            if !matches!(&*member.key, "_meta" | "inputResponses" | "requestState") {
                add(&member.key);
                add(&callgate_json::canonical(&member.value));
            }
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl Parked {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.entries().len()
    }

    /// Gives up the calls of grants that have gone, and those whose time is over.
    pub(super) fn sweep(&self, holds: impl Fn(&GrantId) -> bool) {
        let now = Instant::now();
        // A call that is forgotten here is given up by its task.
        self.entries().retain(|_, entry| entry.ends > now && holds(&entry.grant));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; ID], Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, grant: &GrantId) -> bool {
        let entries = self.entries();
        entries.len() < MAX_PARKED && entries.values().filter(|entry| entry.grant == *grant).count() < MAX_PER_GRANT
    }

    fn key(&self) -> Result<&[u8; 32], Cause> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let mut key = [0; 32];
        random(&mut key)?;
        Ok(self.key.get_or_init(|| key))
    }

    fn seal(&self, id: &[u8; ID], about: &About) -> Result<String, Cause> {
        let mac = mac(self.key()?, id, about);
        Ok(format!("{PREFIX}{}{}", hex::encode(id), hex::encode(mac.as_bytes())))
    }

    /// The yes under which a call left that this request goes on with. It is moved out of the call, so that one request
    /// has it at a time, and comes back where that request does not leave.
    pub(super) fn lend(&self, entry: &GrantEntry, message: &Message<'_>) -> Option<Cover> {
        let state = message.params()?.get("requestState")?.as_str().filter(|state| state.starts_with(PREFIX))?;
        let name = self.unseal(state, &About::of(entry, message))?;
        let cover = self.entries().get_mut(&name).filter(|entry| entry.ends > Instant::now())?.cover.take()?;
        let (id, binding) = (cover.id().clone(), *cover.binding());
        let entries = Arc::clone(&self.entries);
        Some(Cover::lent(id, binding, move || {
            if let Some(entry) = entries.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&name) {
                entry.cover = Some(cover);
            }
        }))
    }

    /// The call that a `requestState` names, where it is one of ours and about the same.
    fn unseal(&self, state: &str, about: &About) -> Option<[u8; ID]> {
        let mut bytes = [0; ID + MAC];
        hex::decode_to_slice(state.strip_prefix(PREFIX)?, &mut bytes).ok()?;
        let (id, sent) = bytes.split_at(ID);
        let id: [u8; ID] = id.try_into().ok()?;
        let sent: [u8; MAC] = sent.try_into().ok()?;
        // Compared in constant time.
        (mac(self.key.get()?, &id, about) == blake3::Hash::from_bytes(sent)).then_some(id)
    }
}

fn mac(key: &[u8; 32], id: &[u8; ID], about: &About) -> blake3::Hash {
    blake3::keyed_hash(key, &[id.as_slice(), about.0.as_slice()].concat())
}

fn random(bytes: &mut [u8]) -> Result<(), Cause> {
    getrandom::fill(bytes).map_err(|error| Cause::NotRecorded(format!("no randomness for a request state: {error}")))
}

/// Keeps an exchange open for its client, and gives the answer that asks it. `id`: the request's, as JSON.
pub(super) fn park(
    gate: &Gate,
    entry: &GrantEntry,
    about: &About,
    id: &[u8],
    mut live: Live,
    lasts: Duration,
) -> Result<Vec<u8>, Cause> {
    let parked = &gate.held.parked;
    if !parked.has_room(&entry.grant.id) {
        live.give_up("too many calls wait for their client");
        return Err(Cause::StateRefused("too many calls of this grant wait for answers"));
    }
    let mut name = [0; ID];
    random(&mut name)?;
    let state = parked.seal(&name, about)?;
    let (questions, cover) = (live.open.clone(), live.cover.as_ref().map(Cover::for_legs));
    let lasts = lasts.min(LONGEST);
    let answer = up::input_required(id, questions.iter().map(|(key, one)| (key.as_str(), one)), Some(&state));
    let (wake, woken) = oneshot::channel();
    let entries = Arc::clone(&parked.entries);
    // The entry is there before its task can look for it.
    let mut table = parked.entries();
    let task = tokio::spawn(async move {
        let live = wait(live, woken, lasts).await;
        if live.is_none() {
            entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
        live
    });
    let waits = Waits::Exchange { wake, task };
    let grant = entry.grant.id.clone();
    table.insert(name, Entry { grant, ends: Instant::now() + lasts, questions, cover, waits });
    Ok(answer)
}

/// Waits for the client. `None` where it did not come: the server's questions are answered with an error, and its call
/// is cancelled.
async fn wait(mut live: Live, mut woken: oneshot::Receiver<()>, lasts: Duration) -> Option<Live> {
    let mut over = std::pin::pin!(tokio::time::sleep(lasts));
    loop {
        tokio::select! {
            biased;
            woken = &mut woken => {
                if woken.is_ok() {
                    return Some(live);
                }
                break;
            }
            () = &mut over => break,
            () = live.keep() => {}
        }
    }
    live.give_up("the client did not answer in time");
    None
}

/// Asks the client for something before its call is sent again: nothing is open at the server.
pub(super) fn again(
    gate: &Gate,
    entry: &GrantEntry,
    about: &About,
    id: &[u8],
    questions: Vec<Question>,
    cover: Option<Cover>,
) -> Result<Vec<u8>, Cause> {
    let parked = &gate.held.parked;
    let grant = entry.grant.id.clone();
    if !parked.has_room(&grant) {
        return Err(Cause::StateRefused("too many calls of this grant wait for answers"));
    }
    let mut name = [0; ID];
    random(&mut name)?;
    let state = parked.seal(&name, about)?;
    let questions: Vec<_> = (1..).map(|number: usize| format!("q{number}")).zip(questions).collect();
    let answer = up::input_required(id, questions.iter().map(|(key, one)| (key.as_str(), one)), Some(&state));
    let entry = Entry { grant, ends: Instant::now() + LONGEST, questions, cover, waits: Waits::Again };
    parked.entries().insert(name, entry);
    Ok(answer)
}

/// The call that a request goes on with; `None` for one that begins anew. Everything is checked before anything is
/// taken: what is refused here changes nothing.
pub(super) async fn resume(way: Way<'_>, message: &Message<'_>) -> Result<Option<Resumed>, Failure> {
    let part = |key: &str| message.params().and_then(|params| params.get(key)).filter(|part| !part.is_null());
    let (state, responses) = (part("requestState"), part("inputResponses"));
    let refuse = |why| Failure::Refused(Cause::StateRefused(why));
    // Answers alone continue nothing: every question goes out with a state.
    let Some(state) = state else { return Ok(None) };
    let parked = &way.gate.held.parked;
    let about = About::of(way.entry, message);
    let name = state.as_str().and_then(|state| parked.unseal(state, &about));
    let name = name.ok_or_else(|| refuse("it was not made here for this very request"))?;
    let taken = {
        let mut entries = parked.entries();
        let entry = entries.get(&name).filter(|entry| entry.ends > Instant::now());
        let entry = entry.ok_or_else(|| refuse("it was used before, or its time is over"))?;
        let answers = answers(&entry.questions, responses, message).map_err(Failure::Refused)?;
        entries.remove(&name).map(|entry| (entry, answers))
    };
    let Some((entry, answers)) = taken else { return Ok(None) };
    let Waits::Exchange { wake, task } = entry.waits else { return Ok(Some(Resumed::Again)) };
    // It fails where the task has given up a moment ago, and then the task says so.
    let _ = wake.send(());
    let live = task.await.ok().flatten().ok_or_else(|| refuse("its time is over"))?;
    let mut live = Box::new(live);
    live.open.retain(|(key, _)| !answers.iter().any(|(answered, _)| answered == key));
    Ok(Some(Resumed::Exchange { live, answers: answers.into_iter().map(|(_, answer)| answer).collect() }))
}

/// The answers to those questions that were answered, each checked against what was asked.
fn answers(
    questions: &[(String, Question)],
    responses: Option<&Value<'_>>,
    message: &Message<'_>,
) -> Result<Vec<(String, Vec<u8>)>, Cause> {
    let Some(responses) = responses else { return Ok(Vec::new()) };
    if !responses.is_object() {
        return Err(Cause::StateRefused("`inputResponses` has to be an object"));
    }
    let mut answers = Vec::with_capacity(questions.len());
    for (key, question) in questions {
        let Some(response) = responses.get(key) else { continue };
        let answer = question.answer(response, message.body());
        answers.push((key.clone(), answer.map_err(|why| Cause::InputAnswer { key: key.clone(), why })?));
    }
    Ok(answers)
}
