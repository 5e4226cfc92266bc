//! The tables of `docs/performance.md`.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use crate::compare::{Idle, Options, Row};
use crate::fill::Start;
use crate::fleet::Fleet;
use crate::load::{Era, Seen};
use crate::plane::Size;
use crate::procfs;

/// The whole report as Markdown.
pub(crate) fn text(
    options: &Options,
    tables: &[(Era, Vec<Row>)],
    idle: Option<&Idle>,
    fleet: (&Fleet, Option<&Start>),
    nginx: &str,
) -> String {
    let mut text = String::from("# Performance\n\n");
    let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    // Writing into a `String` can't fail.
    let _ = writeln!(
        text,
        "Written by `cargo xtask bench` on {date}: {}. Client, upstream and contender share the machine. nginx {nginx}\n\
         (`worker_processes 2`, upstream connections kept alive, no access log); Callgate in the release profile with a\n\
         bearer token, one `require` and one `deny_if` on arguments, one limit, and the journal on. {} rounds, contenders\n\
         in turn; each round is {} `tools/call` over {} connections that stay open.\n",
        procfs::machine(),
        options.rounds,
        options.calls,
        options.connections,
    );
    text.push_str(
        "CPU is user and system time of the contender's own processes, from `/proc/PID/stat`, for 10,000 calls: the figure\n\
         to trust. Throughput and latency depend on what client and upstream leave of the machine.\n",
    );
    for (era, rows) in tables {
        let name = match era {
            Era::Legacy => "Revision 2025-11-25, with a session",
            Era::Modern => "Revision 2026-07-28, stateless",
        };
        let _ = writeln!(text, "\n## {name}\n");
        text.push_str("| | CPU s per 10,000 calls (median, least–most) | times nginx | calls/s | p50 µs | p99 µs | resident MB |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        let base = rows.iter().find(|row| row.name.starts_with("nginx")).and_then(|row| median(&row.cpu));
        for row in rows {
            let _ = writeln!(text, "{}", line(row, base));
        }
    }
    if let Some(idle) = idle {
        rest(&mut text, idle);
    }
    of_fleet(&mut text, fleet);
    text
}

fn of_fleet(text: &mut String, (fleet, start): (&Fleet, Option<&Start>)) {
    let nanoseconds = |time: Duration| time.as_nanos();
    let Size { grants, policies } = fleet.size;
    let _ = writeln!(text, "\n## A fleet: {grants} grants, {policies} policies\n\n| | |\n|---|---|");
    let mut rows = vec![
        ("memory of a grant, with a label and two tags", format!("{:.0} bytes", fleet.per_grant)),
        ("memory of a policy, compiled", format!("{:.1} kB", fleet.per_policy / 1e3)),
        ("finding a grant by its token, hashing included", format!("{} ns", nanoseconds(fleet.lookup))),
        ("finding out that a token is nobody's", format!("{} ns", nanoseconds(fleet.miss))),
        ("publishing all of it, one grant changed", format!("{:.1} ms", fleet.publish.as_secs_f64() * 1e3)),
    ];
    if let Some(start) = start {
        let milliseconds = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
        rows.push(("start until it listens, all of it in SQLite", milliseconds(start.listening)));
        rows.push(("the first session and call after that", milliseconds(start.first)));
        rows.push(("resident memory then", format!("{:.1} MB", megabytes(start.resident))));
    }
    for (what, figure) in rows {
        let _ = writeln!(text, "| {what} | {figure} |");
    }
}

fn rest(text: &mut String, idle: &Idle) {
    let _ = writeln!(text, "\n## Idle and start\n\n| | |\n|---|---|");
    let _ = writeln!(text, "| resident memory of the idle gateway | {:.1} MB |", megabytes(idle.resident));
    let ready =
        |share: f64| Seen { latencies: idle.ready.clone(), ..Seen::default() }.quantile(share).as_secs_f64() * 1e3;
    let _ = writeln!(
        text,
        "| start to ready, {} starts (median, most) | {:.1} ms, {:.1} ms |",
        idle.ready.len(),
        ready(0.5),
        ready(1.0)
    );
}

fn line(row: &Row, base: Option<Duration>) -> String {
    let cpu = median(&row.cpu).map_or_else(
        || "–".to_owned(),
        |middle| {
            let least = row.cpu.iter().min().copied().unwrap_or_default();
            let most = row.cpu.iter().max().copied().unwrap_or_default();
            format!("{:.3} ({:.3}–{:.3})", middle.as_secs_f64(), least.as_secs_f64(), most.as_secs_f64())
        },
    );
    let times = match (median(&row.cpu), base) {
        (Some(own), Some(base)) if !base.is_zero() => format!("{:.2}", own.as_secs_f64() / base.as_secs_f64()),
        _ => "–".to_owned(),
    };
    let mut rates: Vec<f64> =
        row.seen.iter().map(|seen| seen.latencies.len() as f64 / seen.elapsed.as_secs_f64()).collect();
    rates.sort_unstable_by(f64::total_cmp);
    let rate = rates.get(rates.len() / 2).copied().unwrap_or_default();
    let quantile = |share: f64| {
        let rounds: Vec<Duration> = row.seen.iter().map(|seen| seen.quantile(share)).collect();
        median(&rounds).unwrap_or_default().as_micros()
    };
    let resident = row.resident.map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", megabytes(bytes)));
    format!("| {} | {cpu} | {times} | {rate:.0} | {} | {} | {resident} |", row.name, quantile(0.5), quantile(0.99))
}

fn median(durations: &[Duration]) -> Option<Duration> {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
