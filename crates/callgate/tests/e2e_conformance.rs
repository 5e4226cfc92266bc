//! The published conformance suite: what passes against the reference server itself passes through the gateway.

use anyhow::{Result, ensure};
use testkit::{Callgate, Checks, Gateway, Reference, TokenProxy, Verdict, Warm, conformance};

const BINARY: &str = env!("CARGO_BIN_EXE_callgate");
const ALLOW_ALL: &str = r#"{ "version": "1", "default": "allow" }"#;

/// What needs a server that closes an answer's stream before the answer is there, which no server on a pipe can ask for.
/// Where the answer comes at once instead, the suite notes it and fails nothing.
const NEEDS_HTTP: &[(&str, &str)] = &[("server-sse-polling", "server-sse-disconnect-resume")];

/// How the gateway reaches the reference server.
#[derive(Debug, Clone, Copy)]
enum Upstream {
    Http,
    Stdio,
}

#[test]
fn legacy_over_http() -> Result<()> {
    compare("2025-11-25", Upstream::Http)
}

#[test]
fn legacy_over_stdio() -> Result<()> {
    compare("2025-11-25", Upstream::Stdio)
}

#[test]
fn modern_over_http() -> Result<()> {
    compare("2026-07-28", Upstream::Http)
}

#[test]
fn modern_over_stdio() -> Result<()> {
    compare("2026-07-28", Upstream::Stdio)
}

fn compare(revision: &str, upstream: Upstream) -> Result<()> {
    let reference = Reference::start()?;
    let direct = conformance(&reference.url(), revision)?;
    let folder = tempfile::tempdir()?;
    let callgate = Callgate::new(BINARY, folder.path().join("data"));
    let warm;
    match upstream {
        Upstream::Http => callgate.add_url("reference", &reference.url())?,
        Upstream::Stdio => {
            // One process per session, and the suite opens dozens.
            warm = Warm::start()?;
            callgate.add_command("reference", &warm.command("everything-server", &[])?)?;
        }
    }
    callgate.publish("reference", ALLOW_ALL)?;
    let grant = callgate.mint("reference", "suite")?;
    let gateway = callgate.up()?;
    let wire = TokenProxy::start(gateway.address, &grant.token)?;
    let through = conformance(&wire.url(&Gateway::path("reference")), revision)?;

    let count = |checks: &Checks, verdict| checks.values().filter(|check| check.verdict == verdict).count();
    println!("{:<32}{:>8}{:>8}{:>8}", format!("{revision}, {upstream:?} upstream"), "passed", "failed", "noted");
    for (name, checks) in [("directly", &direct), ("through the gateway", &through)] {
        let [passed, failed, noted] =
            [Verdict::Passed, Verdict::Failed, Verdict::Noted].map(|kind| count(checks, kind));
        println!("{name:<32}{passed:>8}{failed:>8}{noted:>8}");
    }
    let lost = lost(&direct, &through, upstream);
    ensure!(lost.is_empty(), "{} checks pass directly only:\n{}", lost.len(), lost.join("\n"));
    Ok(())
}

/// What passes directly and not through the gateway, with what the suite says of it.
fn lost(direct: &Checks, through: &Checks, upstream: Upstream) -> Vec<String> {
    let mut lost = Vec::new();
    for (key, _) in direct.iter().filter(|(_, check)| check.verdict == Verdict::Passed) {
        let (scenario, id, _) = key;
        let may_be_noted = matches!(upstream, Upstream::Stdio) && NEEDS_HTTP.contains(&(scenario, id));
        match through.get(key) {
            Some(check) if check.verdict == Verdict::Passed => {}
            Some(check) if check.verdict == Verdict::Noted && may_be_noted => {
                println!("noted: {scenario} / {id}: {}", check.said);
            }
            Some(check) => lost.push(format!("{scenario} / {id}: {}", check.said)),
            None => lost.push(format!("{scenario} / {id}: the check was not reached")),
        }
    }
    lost
}
