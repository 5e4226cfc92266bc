//! What the kernel says about a process: CPU time and memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Kernel ticks in a second, as Linux shows them to user space on every platform.
const TICKS: u64 = 100;

/// CPU time (user and system) that a process and its children that still run have used.
pub(crate) fn cpu(id: u32) -> Result<Duration> {
    let mut ticks = own_ticks(id)?;
    for child in children(id) {
        ticks += own_ticks(child)?;
    }
    Ok(Duration::from_millis(ticks * 1000 / TICKS))
}

/// Resident memory of a process and its children, in bytes.
pub(crate) fn resident(id: u32) -> Result<u64> {
    let of = |id: u32| -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("no VmRSS for {id}"))? * 1024)
    };
    children(id).into_iter().try_fold(of(id)?, |sum, child| Ok(sum + of(child)?))
}

/// The machine, as the report names it.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, m)| m);
    format!("{cores} cores ({}), Linux {}", model.trim(), kernel.trim())
}

fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().filter_map(Result::ok);
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let ids: Vec<String> = lists.collect();
    ids.iter().flat_map(|list| list.split_whitespace()).filter_map(|id| id.parse().ok()).collect()
}

fn own_ticks(id: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("process {id} is gone"))?;
    // The name may hold spaces and brackets; the fields start after its last bracket.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    let user = field(11).context("no utime")?;
    Ok(user + field(12).context("no stime")?)
}
