//! The journal's index at its size: filled with made-up decisions through the store's own write path, so that pages and
//! searches over it can be measured.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use callgate_store::{
    Batch, Column, DecisionRow, Filter, Grant, OutcomeRow, Search, Server, Sight, Span, Store, Watermark,
};

/// What was measured.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    decisions: u64,
    filled: Duration,
    /// Bytes on the disk.
    size: u64,
    /// The median of each reading.
    readings: Vec<(&'static str, Duration)>,
}

/// So many rows one transaction writes.
const AT_ONCE: u64 = 50_000;

/// So often each reading is timed.
const ROUNDS: usize = 21;

/// The days that the decisions are spread over, in milliseconds.
const SPREAD: i64 = 30 * 86_400_000;

/// Behind every number that a journal has: what is written to it later finds its place.
const FIRST: i64 = 1 << 40;

const ORGANISATION: &str = "default";
const TOOLS: [&str; 8] = ["read_file", "exec_command", "search", "send_message", "list", "create", "delete", "pay"];
const FATES: [&str; 8] = ["result", "result", "result", "result", "result", "tool_error", "error", "timeout"];

/// Who calls what: the name of a server, the identity and the label of a grant.
type Party = (String, String, String);

/// Fills the index of a data directory that a gateway made and does not serve now; without one, of an empty database that
/// is thrown away.
pub(crate) fn measure(decisions: u64, directory: Option<&Path>) -> Result<Measured> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let temporary = tempfile::tempdir()?;
    let place = directory.unwrap_or(temporary.path());
    let (file, journal) = (place.join("callgate.db"), place.join("journal"));
    ensure!(directory.is_none() || file.exists(), "no `callgate.db` in {}: let `callgate up` make it", place.display());
    runtime.block_on(async {
        let store = Store::open(&format!("sqlite:{}", file.display())).await?;
        let chain = match directory {
            Some(_) => {
                callgate_journal::chain(&journal)?.context("the directory has no journal: start a gateway once")?
            }
            None => {
                store.add_organisation(ORGANISATION, 1, None).await?;
                [7; 32]
            }
        };
        let chain: String = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        let begin = Instant::now();
        fill(&store, &chain, decisions).await?;
        let filled = begin.elapsed();
        let readings = readings(&store).await?;
        store.close().await;
        let size = std::fs::metadata(&file)?.len();
        Ok(Measured { decisions, filled, size, readings })
    })
}

async fn fill(store: &Store, chain: &str, decisions: u64) -> Result<()> {
    let parties = parties(store).await?;
    let mark = store.watermark(chain).await?;
    let last = store.reads(ORGANISATION).decisions(&Search { limit: 1, ..Search::default() }).await?;
    let begin = last.rows.first().map_or(FIRST, |row| row.seq.max(FIRST) + 1);
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut done = 0;
    while done < decisions {
        let upto = decisions.min(done + AT_ONCE);
        let row = |n: u64| row(begin, n, decisions, now, &parties);
        let rows = (done..upto).map(row).collect::<Result<Vec<_>>>()?;
        let here: &Watermark = &mark;
        store.index(here, here, Batch { decisions: rows, ..Batch::default() }).await?;
        done = upto;
        if done % (AT_ONCE * 20) == 0 {
            eprintln!("{done} of {decisions}");
        }
    }
    Ok(())
}

/// The servers and grants that there are; made-up ones where there are none.
async fn parties(store: &Store) -> Result<Vec<Party>> {
    let reads = store.reads(ORGANISATION);
    let servers = reads.changed_since::<Server>(None).await?;
    let grants = reads.changed_since::<Grant>(None).await?;
    let known = grants.iter().filter(|grant| grant.removed.is_none()).filter_map(|grant| {
        let server = servers.iter().find(|server| server.record.id == grant.record.server)?;
        Some((server.record.name.clone(), grant.record.id.clone(), grant.record.label.clone()))
    });
    let known: Vec<Party> = known.take(200).collect();
    if !known.is_empty() {
        return Ok(known);
    }
    Ok((0..20).map(|n| (format!("server-{}", n % 10), format!("g_{n:016x}"), format!("agent-{n}"))).collect())
}

fn row(begin: i64, n: u64, of: u64, now: i64, parties: &[Party]) -> Result<DecisionRow> {
    // Always the same, and in no order that an index would like.
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let pick = |count: usize, by: u64| usize::try_from((mixed >> by) % u64::try_from(count).unwrap_or(1)).unwrap_or(0);
    let (server, grant, label) = parties.get(pick(parties.len(), 0)).context("nobody calls")?.clone();
    let tool = TOOLS.get(pick(TOOLS.len(), 8)).copied().unwrap_or_default();
    let outcome = match mixed % 50 {
        0 => "approve",
        1..=4 => "deny",
        _ => "allow",
    };
    let id = format!("{:08x}-0000-7000-8000-{n:012x}", mixed & 0xffff_ffff);
    let age = SPREAD / i64::try_from(of)?.max(1) * i64::try_from(of - n)?;
    let fate = (outcome == "allow").then(|| OutcomeRow {
        id: id.clone(),
        result: FATES.get(pick(FATES.len(), 16)).copied().unwrap_or_default().to_owned(),
        upstream_status: Some(200),
        latency_us: i64::try_from(200 + (mixed % 4_096).pow(2) / 64).unwrap_or(0),
        bytes: 512,
        ..OutcomeRow::default()
    });
    Ok(DecisionRow {
        seq: begin + i64::try_from(n)?,
        organisation: ORGANISATION.to_owned(),
        ts: now - age,
        id,
        grant,
        grant_label: label,
        server,
        method: "tools/call".to_owned(),
        tool: tool.to_owned(),
        policy: "default".to_owned(),
        policy_version: Some(1),
        outcome: outcome.to_owned(),
        rule: if outcome == "allow" { String::new() } else { format!("/tools/{tool}/require/0") },
        reason: if outcome == "deny" { "require".to_owned() } else { String::new() },
        message: if outcome == "deny" { format!("`{tool}` is not allowed here") } else { String::new() },
        session: format!("s{}", mixed % 1_000),
        client: "bench".to_owned(),
        details: r#"{"policy_digest":"00","argument_keys":["path"]}"#.to_owned(),
        fate,
        ..DecisionRow::default()
    })
}

/// How long what pages ask for takes.
async fn readings(store: &Store) -> Result<Vec<(&'static str, Duration)>> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let span = |ago: i64, bucket: i64| Span {
        since: (now - ago) / bucket * bucket,
        until: (now / bucket + 1) * bucket,
        bucket,
        server: None,
        sight: Sight::All,
    };
    let denied = Filter { column: Column::Outcome, values: vec!["deny".to_owned()] };
    let tool = Filter { column: Column::Tool, values: vec!["exec_command".to_owned()] };
    let mut readings = Vec::new();
    for (name, span) in [
        ("summary of an hour", span(3_600_000, 60_000)),
        ("summary of a day", span(86_400_000, 900_000)),
        ("summary of 30 days", span(SPREAD, 21_600_000)),
    ] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            let reads = store.reads(ORGANISATION);
            reads.tallies(&span).await?;
            reads.tallies_by_server(&span).await?;
            reads.repeated_refusals(&span, 10).await?;
            times.push(begin.elapsed());
        }
        readings.push((name, median(times)));
    }
    for (name, filters, words) in [
        ("the newest 50", vec![], vec![]),
        ("the newest 50 refused", vec![denied.clone()], vec![]),
        ("the newest 50 of a tool, refused", vec![denied, tool], vec![]),
        ("words that are nowhere", vec![], vec!["nowhere".to_owned()]),
    ] {
        let search = Search { filters, words, ..Search::default() };
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let begin = Instant::now();
            store.reads(ORGANISATION).decisions(&search).await?;
            times.push(begin.elapsed());
        }
        readings.push((name, median(times)));
    }
    Ok(readings)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

impl Measured {
    /// What was measured, for people.
    pub(crate) fn lines(&self) -> String {
        let Self { decisions, filled, size, readings } = self;
        let mut lines = format!("{decisions} decisions in {:.1} s, {} MiB", filled.as_secs_f64(), size >> 20);
        for (name, time) in readings {
            lines.push_str(&format!("\n{name}: {:.1} ms", time.as_secs_f64() * 1e3));
        }
        lines
    }
}
