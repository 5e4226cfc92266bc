//! A gateway on a port of its own, in front of one upstream, with its records in memory.

use crate::http::{Answer, exchange};
use crate::upstream::Upstream;
use callgate_decision::{
    Approvals, Clock, Decider, DigestKey, NoApprovals, NoPins, RecordError, Records, SystemClock, Ticket,
};
use callgate_policy::{Definition, Grant, GrantId, Organisation, Policy, ServerName, State, Timestamp};
use callgate_proxy::{
    AttachedPolicy, Definitions, Early, Elsewhere, Gate, GateParts, GrantEntry, HttpUpstream, Listening, Options,
    Pinned, Refusals, SealKey, ServerConfig, ServerLimits, ServerTls, Sharing, Snapshot, StdioUpstream, Timeouts,
    TokenKey, UpstreamConfig, UpstreamEra, Variables, serve,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

pub const TOKEN: &str = "cg_first";
pub const OTHER_TOKEN: &str = "cg_other_server";
pub const SECOND_TOKEN: &str = "cg_second_grant";
pub const BARE_TOKEN: &str = "cg_no_policy";

/// Everything that is recorded, in order.
#[derive(Debug, Default)]
pub struct Memory {
    decisions: Mutex<Vec<Value>>,
    outcomes: Mutex<Vec<Value>>,
    withheld: Mutex<Vec<Value>>,
    early: Mutex<Vec<(String, String)>>,
    pub failing: std::sync::atomic::AtomicBool,
    refuses_withheld: std::sync::atomic::AtomicBool,
}

impl Records for Memory {
    fn append_decision(
        &self,
        _: Timestamp,
        body: &[u8],
        _: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        if self.failing.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(RecordError("the journal is full".to_owned()));
        }
        let mut decisions = self.decisions.lock().unwrap();
        decisions.push(serde_json::from_slice(body).unwrap());
        Ok(Ticket(decisions.len() as u64))
    }

    fn append_outcome(&self, _: Timestamp, body: &[u8], _: &mut dyn FnMut() -> Vec<u8>) -> Result<Ticket, RecordError> {
        self.outcomes.lock().unwrap().push(serde_json::from_slice(body).unwrap());
        Ok(Ticket(0))
    }

    fn append_withheld(
        &self,
        _: Timestamp,
        body: &[u8],
        _: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        if self.refuses_withheld.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(RecordError("the journal is full".to_owned()));
        }
        self.withheld.lock().unwrap().push(serde_json::from_slice(body).unwrap());
        Ok(Ticket(0))
    }

    fn append_reset(&self, _: Timestamp, body: &[u8], _: &mut dyn FnMut() -> Vec<u8>) -> Result<Ticket, RecordError> {
        self.withheld.lock().unwrap().push(serde_json::from_slice(body).unwrap());
        Ok(Ticket(0))
    }

    fn poll_written(&self, _: Ticket, _: &mut Context<'_>) -> Poll<Result<(), RecordError>> {
        Poll::Ready(Ok(()))
    }
}

impl Refusals for Memory {
    fn refused(&self, early: &Early<'_>) {
        self.early.lock().unwrap().push((early.reason.to_owned(), early.path.to_owned()));
    }
}

impl Memory {
    /// How many refusals are recorded, with and without a grant.
    pub fn refusals(&self) -> usize {
        let denied = self.decisions.lock().unwrap().iter().filter(|record| record["outcome"] != "allow").count();
        denied + self.early.lock().unwrap().len()
    }

    pub fn decisions(&self) -> Vec<Value> {
        self.decisions.lock().unwrap().clone()
    }

    pub fn outcomes(&self) -> Vec<Value> {
        self.outcomes.lock().unwrap().clone()
    }

    /// Whether what was withheld can't be recorded.
    pub fn refuse_withheld(&self, refuse: bool) {
        self.refuses_withheld.store(refuse, std::sync::atomic::Ordering::SeqCst);
    }

    pub fn withheld(&self) -> Vec<Value> {
        self.withheld.lock().unwrap().clone()
    }

    pub fn early(&self) -> Vec<(String, String)> {
        self.early.lock().unwrap().clone()
    }
}

/// What a world is made of.
pub struct Plan {
    pub policy: Value,
    pub options: Options,
    pub timeouts: Timeouts,
    pub era: UpstreamEra,
    pub sharing: Sharing,
    pub limits: ServerLimits,
    /// Worlds with the same one can open what the other sealed.
    pub seal: u8,
    /// Who serves what is not the data plane's.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    pub tls: Option<ServerTls>,
    /// Who is asked.
    pub approvals: Arc<dyn Approvals>,
}

impl Default for Plan {
    fn default() -> Self {
        let options = Options { workers: 2, grace: Duration::from_secs(2), ..Options::default() };
        let policy = serde_json::json!({
            "version": "1", "default": "deny", "hide": ["delete_*"],
            "tools": { "echo": {}, "safe": {}, "twice": { "limits": [{ "counter": "c", "window": "day", "max": 2, "scope": "grant" }] } },
            "sampling": { "allow": ["*"] }, "elicitation": { "allow": ["*"] }, "roots": { "allow": ["*"] }
        });
        Self {
            policy,
            options,
            timeouts: Timeouts::default(),
            era: UpstreamEra::Auto,
            sharing: Sharing::PerSession,
            limits: ServerLimits::default(),
            seal: 9,
            elsewhere: None,
            tls: None,
            approvals: Arc::new(NoApprovals),
        }
    }
}

pub struct World {
    pub address: SocketAddr,
    pub memory: Arc<Memory>,
    pub gate: Arc<Gate>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    server: Arc<ServerConfig>,
    policy: Arc<Policy>,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

/// The upstream that an HTTP world talks to.
pub fn http_upstream(upstream: &Upstream) -> UpstreamConfig {
    let headers = [("X-Upstream-Key".to_owned(), "of the gateway".to_owned())];
    UpstreamConfig::Http(HttpUpstream::parse(&format!("http://{}/mcp", upstream.address), &headers).unwrap())
}

/// A child process that runs a shell script.
pub fn script(text: &str) -> UpstreamConfig {
    let args = vec!["-c".into(), text.into()];
    UpstreamConfig::Stdio(StdioUpstream { command: "/bin/sh".into(), args, env: Variables::default(), cwd: None })
}

impl World {
    pub async fn new(upstream: UpstreamConfig) -> Self {
        Self::planned(upstream, Plan::default()).await
    }

    /// In front of an upstream that is known to speak the stateless revision.
    pub async fn modern(upstream: UpstreamConfig) -> Self {
        Self::planned(upstream, Plan { era: UpstreamEra::Modern, ..Plan::default() }).await
    }

    pub async fn planned(upstream: UpstreamConfig, plan: Plan) -> Self {
        let memory = Arc::new(Memory::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let records: Arc<dyn Records> = memory.clone();
        let decider = Decider::local(records, Arc::clone(&clock), DigestKey::new([7; 32]), State::default());
        let server = Arc::new(ServerConfig {
            organisation: Organisation::parse("home").unwrap(),
            name: ServerName::parse("one").unwrap(),
            uuid: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".into(),
            upstream,
            timeouts: plan.timeouts,
            era: plan.era,
            sharing: plan.sharing,
            limits: plan.limits,
            pinning: Default::default(),
            quarantine: Default::default(),
        });
        let policy = Arc::new(Policy::parse(plan.policy.to_string().as_bytes()).unwrap());
        let (snapshots, receiver) = watch::channel(Arc::new(snapshot(&server, &policy, &[])));
        let mut options = plan.options;
        options.child_environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let refusals: Arc<dyn Refusals> = memory.clone();
        let seal = SealKey::derive(&TokenKey::new([plan.seal; 32]));
        let gate = Gate::new(GateParts {
            snapshots: receiver,
            decider,
            clock,
            refusals,
            approvals: plan.approvals,
            pins: Arc::new(NoPins),
            seal,
            options,
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut listening = Listening::from(listener);
        if let Some(elsewhere) = plan.elsewhere {
            listening = listening.with_elsewhere(elsewhere);
        }
        if let Some(tls) = plan.tls {
            listening = listening.with_tls(tls);
        }
        let serving = serve(listening, Arc::clone(&gate), async {
            let _ = stopped.await;
        });
        let served = tokio::spawn(async { serving.await.unwrap() });
        Self { address, memory, gate, snapshots, server, policy, stop: Some(stop), served: Some(served) }
    }

    /// Publishes a configuration without these grants.
    pub fn revoke(&self, grants: &[&str]) {
        self.snapshots.send_replace(Arc::new(snapshot(&self.server, &self.policy, grants)));
    }

    /// Publishes another policy.
    pub fn publish(&self, policy: &Value) {
        self.publishing(policy)();
    }

    /// The same, when it is called.
    pub fn publishing(&self, policy: &Value) -> impl FnOnce() + Send + 'static {
        let policy = Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap());
        let (snapshots, next) = (self.snapshots.clone(), Arc::new(snapshot(&self.server, &policy, &[])));
        move || drop(snapshots.send_replace(next))
    }

    /// Publishes that these tools are pinned.
    pub fn pin(&self, tools: &[&str]) {
        let definition = |name: &str| Definition { name: name.to_owned(), ..Definition::default() };
        let pinned = tools.iter().map(|name| Pinned { definition: Arc::new(definition(name)), candidate: None });
        let of_server = (Arc::clone(&self.server.uuid), Arc::new(pinned.collect::<Definitions>()));
        let next = snapshot(&self.server, &self.policy, &[]).with_definitions([of_server].into());
        self.snapshots.send_replace(Arc::new(next));
    }

    pub async fn raw(&self, request: &[u8]) -> Answer {
        exchange(self.address, request).await
    }

    /// A POST with these headers beside the usual ones.
    pub async fn post(&self, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.raw(&post(TOKEN, headers, body.as_ref())).await
    }

    /// Opens a session; its id.
    pub async fn session(&self) -> String {
        self.session_of(TOKEN, "2025-11-25").await
    }

    pub async fn session_of(&self, token: &str, version: &str) -> String {
        let body = initialize(version);
        let answer = self.raw(&post(token, &[], body.as_bytes())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("mcp-session-id").expect("a session id").to_owned()
    }

    /// The value of a figure in `/metrics`.
    pub async fn figure(&self, name: &str) -> u64 {
        let answer = self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let text = answer.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    }

    /// Begins to stop: what the world still answers comes while this is awaited.
    pub fn stopping(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub async fn stop(mut self) -> Arc<Memory> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        self.served.take().unwrap().await.unwrap();
        self.memory
    }
}

pub fn initialize(version: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
    )
}

/// The bytes of a POST to `/mcp/one`.
pub fn post(token: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut all: Vec<(String, String)> = vec![
        ("Host".into(), "localhost".into()),
        ("Authorization".into(), format!("Bearer {token}")),
        ("Content-Type".into(), "application/json".into()),
        ("Accept".into(), "application/json, text/event-stream".into()),
        ("Content-Length".into(), body.len().to_string()),
        ("Connection".into(), "close".into()),
    ];
    for (name, value) in headers {
        all.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if !value.is_empty() {
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    let mut request = b"POST /mcp/one HTTP/1.1\r\n".to_vec();
    for (name, value) in all {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// A modern request with its headers.
pub fn modern(method: &str, name: Option<&str>, params: Value) -> (Vec<(&'static str, String)>, String) {
    let mut params = params;
    params["_meta"] = serde_json::json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
    let mut headers = vec![("MCP-Protocol-Version", "2026-07-28".to_owned()), ("Mcp-Method", method.to_owned())];
    headers.extend(name.map(|name| ("Mcp-Name", name.to_owned())));
    (headers, body)
}

fn snapshot(server: &Arc<ServerConfig>, policy: &Arc<Policy>, without: &[&str]) -> Snapshot {
    let key = TokenKey::new([9; 32]);
    let other =
        Arc::new(ServerConfig { name: ServerName::parse("two").unwrap(), uuid: "two".into(), ..(**server).clone() });
    let grants = [
        (TOKEN, "g1", server, true),
        (SECOND_TOKEN, "g2", server, true),
        (BARE_TOKEN, "g3", server, false),
        (OTHER_TOKEN, "g4", &other, true),
    ];
    let entries: Vec<_> = grants
        .into_iter()
        .filter(|(_, id, ..)| !without.contains(id))
        .map(|(token, id, server, has_policy)| GrantEntry {
            token: key.digest(token.as_bytes()),
            grant: Grant { id: GrantId::parse(id).unwrap(), label: id.to_owned(), tags: BTreeMap::new() },
            server: Arc::clone(server),
            policy: has_policy.then(|| AttachedPolicy {
                policy: Arc::clone(policy),
                name: "p".into(),
                version: 1,
                // Another document has another one.
                digest: format!("{policy:p}").into(),
            }),
            baseline: None,
            expires: None,
        })
        .collect();
    Snapshot::new(key, [Arc::clone(server), Arc::clone(&other)], entries)
}
