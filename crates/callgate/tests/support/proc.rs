//! What the operating system knows of processes, read from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;
use testkit::PATIENCE;

/// The processes that this one started, and those that they started, and so on.
pub fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        parents.extend(parent(child).map(|parent| (child, parent)));
    }
    let mut found = BTreeSet::from([pid]);
    loop {
        let more = parents.iter().filter(|(child, parent)| found.contains(parent) && !found.contains(child));
        let more: Vec<u32> = more.map(|(child, _)| *child).collect();
        if more.is_empty() {
            found.remove(&pid);
            return found;
        }
        found.extend(more);
    }
}

/// Whether the process is there and does something: a zombie is gone.
pub fn is_alive(pid: u32) -> bool {
    fields(pid).is_some_and(|fields| !matches!(fields[0].as_str(), "Z" | "X"))
}

/// The process that started this one.
pub fn parent(pid: u32) -> Option<u32> {
    fields(pid).filter(|fields| fields[0] != "Z").and_then(|fields| fields[1].parse().ok())
}

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The memory of the process that is in use, in KiB.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        std::thread::yield_now();
    }
}

/// The fields of `/proc/PID/stat` from the state on.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; what follows the last one doesn't.
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}
