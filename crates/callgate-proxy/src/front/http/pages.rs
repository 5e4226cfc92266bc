//! What is served beside MCP: probes, figures, and one page that says what this is.

use crate::answer::{self, Reply};
use crate::errors::Cause;
use crate::gate::{Gate, Phase};
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
    let rows = [
        ("callgate_forwarded_total", "counter", "Messages that were permitted.", count(&figures.forwarded)),
        ("callgate_denied_total", "counter", "Messages that were refused.", count(&figures.denied)),
        ("callgate_refused_early_total", "counter", "Requests without a grant.", count(&figures.refused_early)),
        ("callgate_failed_total", "counter", "Messages that came to nothing upstream.", count(&figures.failed)),
        ("callgate_dropped_total", "counter", "Messages of servers that were for nobody.", count(&figures.dropped)),
        ("callgate_unrecorded_total", "counter", "Outcomes that are not in the journal.", gate.decider.unrecorded()),
        ("callgate_sessions", "gauge", "Open legacy sessions.", gate.open_sessions() as u64),
        ("callgate_shared_processes", "gauge", "Child processes of sessionless calls.", gate.shared_processes() as u64),
    ];
    let mut out = String::with_capacity(1024);
    for (name, kind, help, value) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    out
}
