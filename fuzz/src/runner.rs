//! Runs a target on many inputs, and keeps what breaks it.

use crate::mutate::Mutator;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Something that takes any bytes.
pub(crate) struct Target {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// Folders with seeds, from the workspace's root; every file in them is one.
    pub(crate) corpus: &'static [&'static str],
    /// Seeds beside those.
    pub(crate) seeds: &'static [&'static [u8]],
    /// Texts that mean something to the target.
    pub(crate) words: &'static [&'static str],
    /// Panics where a law is broken.
    pub(crate) run: fn(&[u8]),
}

/// How long to go on.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    /// So long.
    Time(Duration),
    /// So many inputs.
    Iterations(u64),
}

/// How it went.
pub(crate) enum Outcome {
    /// No input broke the target.
    Clean,
    /// One did.
    Failed,
}

/// A seed for a run that names none.
pub(crate) fn seed_of_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Runs the target on one input.
pub(crate) fn one(target: &Target, input: &[u8]) -> Outcome {
    if holds(target, input) { Outcome::Clean } else { Outcome::Failed }
}

/// Runs the target on its seeds, then on mutations of them.
pub(crate) fn many(target: &Target, budget: Budget, seed: u64) -> Result<Outcome, String> {
    println!("{}: seed {seed}", target.name);
    let corpus = corpus(target)?;
    let mut mutator = Mutator::new(seed, corpus, target.words);
    let start = Instant::now();
    let mut slowest = (Duration::ZERO, 0);
    let mut done: u64 = 0;
    while goes_on(budget, done, start) {
        let input = mutator.next();
        let before = Instant::now();
        if !holds(target, &input) {
            let path = keep(target, &input)?;
            let tool = target.name;
            println!("{tool}: input {done} of seed {seed} breaks it; again: fuzz {tool} --input {}", path.display());
            return Ok(Outcome::Failed);
        }
        let took = before.elapsed();
        if took > slowest.0 {
            slowest = (took, input.len());
        }
        done += 1;
    }
    let (took, length) = slowest;
    println!("{}: {done} inputs, none breaks it; the slowest took {took:?} for {length} bytes", target.name);
    Ok(Outcome::Clean)
}

fn goes_on(budget: Budget, done: u64, start: Instant) -> bool {
    match budget {
        Budget::Time(time) => start.elapsed() < time,
        Budget::Iterations(most) => done < most,
    }
}

fn holds(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_ok()
}

fn corpus(target: &Target) -> Result<Vec<Vec<u8>>, String> {
    let mut seeds: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.to_vec()).collect();
    for folder in target.corpus {
        let folder = root().join(folder);
        let unreadable = |error: std::io::Error| format!("`{}` can't be read: {error}", folder.display());
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            files.push(entry.map_err(unreadable)?.path());
        }
        // The order of a directory is no part of the seed.
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            seeds.push(std::fs::read(file).map_err(unreadable)?);
        }
    }
    if seeds.is_empty() {
        return Err(format!("`{}` has no seeds", target.name));
    }
    Ok(seeds)
}

fn keep(target: &Target, input: &[u8]) -> Result<PathBuf, String> {
    let folder = root().join("fuzz/artifacts");
    let path = folder.join(format!("{}-{:016x}", target.name, fingerprint(input)));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, input))
        .map_err(|error| format!("`{}` can't be written: {error}", path.display()))?;
    Ok(path)
}

/// FNV-1a: enough to tell files apart.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}
