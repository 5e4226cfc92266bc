//! The data plane alone, without configuration and commands around it: what a profiler looks at, and the fleet that is
//! weighed.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Context as Cx, Poll};

use anyhow::{Context, Result};
use callgate_decision::{Clock, Decider, DigestKey, NoApprovals, NoPins, RecordError, Records, SystemClock, Ticket};
use callgate_journal::{Journal, Kind};
use callgate_policy::{Grant, GrantId, Organisation, Policy, ServerName, State, Timestamp};
use callgate_proxy::{
    AttachedPolicy, Early, Gate, GateParts, GrantEntry, HttpUpstream, Options, Refusals, SealKey, ServerConfig,
    ServerLimits, Sharing, Snapshot, Timeouts, TokenKey, UpstreamConfig, UpstreamEra,
};

use crate::compare::POLICY;

/// How many grants and policies there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) grants: usize,
    pub(crate) policies: usize,
}

/// The journal, as the decider sees it.
struct Kept(Journal);

/// Serves the data plane on a free port of loopback with one worker until it is killed; says on standard error where.
pub(crate) fn serve(upstream: SocketAddr, size: Size) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let journal = Journal::open(folder.path(), callgate_journal::Options::default(), &mut |_| Ok(()))?;
    let kept = Arc::new(Kept(journal));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let records: Arc<dyn Records> = kept.clone();
    let decider = Decider::local(records, Arc::clone(&clock), DigestKey::new([1; 32]), State::default());
    let policies = policies(size.policies)?;
    let server = server(&format!("http://{upstream}/mcp"))?;
    let snapshot = Snapshot::new(key(), [Arc::clone(&server)], grants(&server, &policies, size.grants)?);
    let (_publish, snapshots) = tokio::sync::watch::channel(Arc::new(snapshot));
    let gate = Gate::new(GateParts {
        snapshots,
        decider,
        clock,
        refusals: kept,
        approvals: Arc::new(NoApprovals),
        pins: Arc::new(NoPins),
        seal: SealKey::derive(&key()),
        options: Options { workers: 1, ..Options::default() },
    });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(callgate_proxy::serve(listener, gate, std::future::pending()))?;
    Ok(())
}

/// The key of the tokens.
pub(crate) fn key() -> TokenKey {
    TokenKey::new([2; 32])
}

/// So many policies, each compiled on its own.
pub(crate) fn policies(count: usize) -> Result<Vec<AttachedPolicy>> {
    let one = |number: usize| {
        let policy = Policy::parse(POLICY.as_bytes()).ok().context("the policy can't be read")?;
        let name: Arc<str> = format!("policy-{number}").into();
        let digest: Arc<str> = format!("{number:064}").into();
        Ok(AttachedPolicy { policy: Arc::new(policy), name, version: 1, digest })
    };
    (0..count).map(one).collect()
}

/// The one server.
pub(crate) fn server(url: &str) -> Result<Arc<ServerConfig>> {
    Ok(Arc::new(ServerConfig {
        organisation: Organisation::parse("default")?,
        name: ServerName::parse("bench")?,
        uuid: "1b4e28ba-2fa1-11d2-883f-0016d3cca427".into(),
        upstream: UpstreamConfig::Http(HttpUpstream::parse(url, &[])?),
        timeouts: Timeouts::default(),
        era: UpstreamEra::Auto,
        sharing: Sharing::PerSession,
        limits: ServerLimits::default(),
        pinning: Default::default(),
        quarantine: Default::default(),
    }))
}

/// So many grants with a label and two tags each, the policies in turn; their tokens are `cg_0`, `cg_1`, ….
pub(crate) fn grants(
    server: &Arc<ServerConfig>,
    policies: &[AttachedPolicy],
    count: usize,
) -> Result<Vec<Arc<GrantEntry>>> {
    let key = key();
    let one = |(number, policy): (usize, &AttachedPolicy)| {
        let tag = |key: &str, value: String| (key.to_owned(), value);
        let tags = BTreeMap::from([tag("team", format!("team-{}", number % 50)), tag("env", "production".to_owned())]);
        Ok(Arc::new(GrantEntry {
            token: key.digest(format!("cg_{number}").as_bytes()),
            grant: Grant { id: GrantId::parse(&format!("g_{number:016x}"))?, label: format!("agent-{number}"), tags },
            server: Arc::clone(server),
            policy: Some(policy.clone()),
            baseline: None,
            expires: None,
        }))
    };
    (0..count).zip(policies.iter().cycle()).map(one).collect()
}

impl Kept {
    fn append(
        &self,
        kind: Kind,
        now: Timestamp,
        body: &[u8],
        checkpoint: &mut dyn FnMut() -> Vec<u8>,
    ) -> Result<Ticket, RecordError> {
        let ticket = self.0.append(now.0, kind, body, checkpoint);
        ticket.map(|ticket| Ticket(ticket.0)).map_err(|error| RecordError(error.to_string()))
    }
}

type Checkpoint<'a> = &'a mut dyn FnMut() -> Vec<u8>;

impl Records for Kept {
    fn append_decision(&self, now: Timestamp, body: &[u8], state: Checkpoint<'_>) -> Result<Ticket, RecordError> {
        self.append(Kind::Decision, now, body, state)
    }

    fn append_outcome(&self, now: Timestamp, body: &[u8], state: Checkpoint<'_>) -> Result<Ticket, RecordError> {
        self.append(Kind::Outcome, now, body, state)
    }

    fn append_withheld(&self, now: Timestamp, body: &[u8], state: Checkpoint<'_>) -> Result<Ticket, RecordError> {
        self.append(Kind::Withheld, now, body, state)
    }

    fn append_reset(&self, now: Timestamp, body: &[u8], state: Checkpoint<'_>) -> Result<Ticket, RecordError> {
        self.append(Kind::Reset, now, body, state)
    }

    fn poll_written(&self, ticket: Ticket, cx: &mut Cx<'_>) -> Poll<Result<(), RecordError>> {
        let written = self.0.poll_written(callgate_journal::Ticket(ticket.0), cx);
        written.map_err(|error| RecordError(error.to_string()))
    }
}

impl Refusals for Kept {
    fn refused(&self, early: &Early<'_>) {
        self.0.note_refused("bench", early.reason);
    }
}
