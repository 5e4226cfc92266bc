//! What is served beside MCP: probes, figures, and one page that says what this is.

use crate::answer::{self, Reply};
use crate::errors::Cause;
use crate::gate::{Gate, Phase};
use crate::sessions::Why;
use http::request::Parts;
use http::{Method, StatusCode};
use std::fmt::Write;
use std::sync::atomic::Ordering;

const ROOT: &str = "Callgate: a gateway between MCP clients and MCP servers.\n\n\
    MCP endpoint of a server: /mcp/{server}, with `Authorization: Bearer cg_…`\n\
    Operations: /healthz, /readyz, /metrics\n";

/// The probes, for whoever asks by whatever name.
pub(super) fn probe(gate: &Gate, path: &str) -> Option<Reply> {
    match path {
        "/healthz" => Some(answer::text(StatusCode::OK, "ok\n")),
        "/readyz" if *gate.phase().borrow() != Phase::Running => {
            Some(answer::text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"))
        }
        "/readyz" if gate.decider.is_closed() => {
            Some(answer::text(StatusCode::SERVICE_UNAVAILABLE, "nothing can be charged or recorded\n"))
        }
        "/readyz" => Some(answer::text(StatusCode::OK, "ready\n")),
        _ => None,
    }
}

/// The other pages; `None` where there is nothing.
pub(super) fn page(gate: &Gate, head: &Parts) -> Option<Reply> {
    let body = match head.uri.path() {
        "/" => ROOT.to_owned(),
        "/metrics" => metrics(gate),
        _ => return None,
    };
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let method = head.method.as_str().chars().take(20).collect();
        return Some(answer::cause(&Cause::HttpMethod { method, allowed: "GET, HEAD" }, None));
    }
    Some(answer::text(StatusCode::OK, body))
}

fn metrics(gate: &Gate) -> String {
    let figures = &gate.figures;
    let count = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
    let (adopted, reopened) = (count(&gate.sessions.adopted), count(&gate.sessions.reopened));
    let rows = [
        ("callgate_forwarded_total", "counter", "Messages that were permitted.", count(&figures.forwarded)),
        ("callgate_denied_total", "counter", "Messages that were refused.", count(&figures.denied)),
        ("callgate_refused_early_total", "counter", "Requests without a grant.", count(&figures.refused_early)),
        ("callgate_failed_total", "counter", "Messages that came to nothing upstream.", count(&figures.failed)),
        ("callgate_dropped_total", "counter", "Messages of servers that were for nobody.", count(&figures.dropped)),
        ("callgate_unrecorded_total", "counter", "Outcomes that are not in the journal.", gate.decider.unrecorded()),
        ("callgate_sessions", "gauge", "Open legacy sessions.", gate.open_sessions() as u64),
        ("callgate_sessions_adopted_total", "counter", "Sessions of another process that were taken up.", adopted),
        ("callgate_sessions_reopened_total", "counter", "Sessions opened again at an upstream.", reopened),
        ("callgate_held_sessions", "gauge", "Sessions held for stateless clients.", gate.held_sessions() as u64),
        ("callgate_waiting_calls", "gauge", "Calls that wait for their client.", gate.waiting_calls() as u64),
        ("callgate_waiting_approvals", "gauge", "Calls held for a person's answer.", gate.waiting_approvals() as u64),
        ("callgate_shared_processes", "gauge", "Child processes of sessionless calls.", gate.shared_processes() as u64),
    ];
    let mut out = String::with_capacity(1024);
    for (name, kind, help, value) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    by_reason(gate, &mut out);
    by_server(gate, &mut out);
    out
}

fn by_reason(gate: &Gate, out: &mut String) {
    head(out, "callgate_sessions_ended_total", "counter", "Legacy sessions that ended, by reason.");
    for ((_, word), count) in Why::ALL.iter().zip(gate.sessions.ended_by()) {
        let _ = writeln!(out, "callgate_sessions_ended_total{{reason=\"{word}\"}} {count}");
    }
}

/// Names of servers are letters, digits, `.`, `_` and `-`: as labels they need no escapes.
fn by_server(gate: &Gate, out: &mut String) {
    let running = gate.processes.running();
    let snapshot = gate.snapshot();
    head(out, "callgate_processes", "gauge", "Child processes that run, by server.");
    for server in snapshot.servers() {
        if let Some((_, count)) = running.iter().find(|(uuid, _)| *uuid == server.uuid) {
            let _ = writeln!(out, "callgate_processes{{server=\"{}\"}} {count}", server.name);
        }
    }
    let mut standings = gate.standings.all();
    standings.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    head(out, "callgate_in_flight", "gauge", "Requests that are not answered yet, by server.");
    for (server, standing) in &standings {
        let _ = writeln!(out, "callgate_in_flight{{server=\"{server}\"}} {}", standing.in_flight());
    }
    head(out, "callgate_resting", "gauge", "Whether nothing is sent to a server for a while, by server.");
    for (server, standing) in &standings {
        let _ = writeln!(out, "callgate_resting{{server=\"{server}\"}} {}", u8::from(standing.rests()));
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
