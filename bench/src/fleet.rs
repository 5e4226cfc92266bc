//! A large configuration: what grants and policies weigh, what finding one costs, and what publishing costs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use callgate_proxy::Snapshot;

use crate::plane::{self, Size};
use crate::procfs;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) size: Size,
    /// Bytes.
    pub(crate) per_grant: f64,
    /// Bytes.
    pub(crate) per_policy: f64,
    /// Of a token: hashed, found, compared.
    pub(crate) lookup: Duration,
    /// Of a token that is nobody's.
    pub(crate) miss: Duration,
    /// Of a snapshot in which one grant is new.
    pub(crate) publish: Duration,
}

const LOOKUPS: usize = 2_000_000;
const PUBLISHED: usize = 11;

/// Measures in this process, which should have done nothing before: memory that was freed would be used again.
pub(crate) fn measure(size: Size) -> Result<Fleet> {
    let before = procfs::resident(std::process::id())?;
    let policies = plane::policies(size.policies)?;
    let with_policies = procfs::resident(std::process::id())?;
    let server = plane::server("http://127.0.0.1:1/mcp")?;
    let mut grants = plane::grants(&server, &policies, size.grants)?;
    let snapshot = Arc::new(Snapshot::new(plane::key(), [Arc::clone(&server)], grants.iter().cloned()));
    let with_grants = procfs::resident(std::process::id())?;
    // The list is the harness's own.
    let list = grants.capacity() * size_of::<usize>();
    let weight = |bytes: u64, count: usize| bytes as f64 / count.max(1) as f64;

    let tokens: Vec<String> = (0..size.grants).map(|number| format!("cg_{number}")).collect();
    let lookup = timed(&tokens, |token| snapshot.grant(token.as_bytes()).is_some())?;
    let others: Vec<String> = (0..size.grants).map(|number| format!("cg_x{number}")).collect();
    let miss = timed(&others, |token| snapshot.grant(token.as_bytes()).is_none())?;

    let (publish, _published) = tokio::sync::watch::channel(snapshot);
    let mut times = Vec::new();
    for _ in 0..PUBLISHED {
        let one = plane::grants(&server, &policies, 1)?.pop().context("no grant")?;
        *grants.first_mut().context("no grants")? = one;
        let start = Instant::now();
        publish.send_replace(Arc::new(Snapshot::new(plane::key(), [Arc::clone(&server)], grants.iter().cloned())));
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(Fleet {
        size,
        per_grant: weight((with_grants - with_policies).saturating_sub(list as u64), size.grants),
        per_policy: weight(with_policies - before, size.policies),
        lookup,
        miss,
        publish: times.get(PUBLISHED / 2).copied().unwrap_or_default(),
    })
}

fn timed(tokens: &[String], find: impl Fn(&str) -> bool) -> Result<Duration> {
    // Far apart, so that each one comes out of memory and not out of a cache.
    let stride = tokens.len() * 5 / 8 + 1;
    let start = Instant::now();
    let mut at = 0;
    for _ in 0..LOOKUPS {
        at = (at + stride) % tokens.len();
        let token = tokens.get(at).context("no token")?;
        if !find(black_box(token)) {
            bail!("`{token}` is not where it should be");
        }
    }
    Ok(start.elapsed() / u32::try_from(LOOKUPS)?)
}

impl Fleet {
    /// One line, to be read by [`Fleet::read`].
    pub(crate) fn line(&self) -> String {
        let nanoseconds = |time: Duration| time.as_nanos();
        format!(
            "{} {} {:.0} {:.0} {} {} {}",
            self.size.grants,
            self.size.policies,
            self.per_grant,
            self.per_policy,
            nanoseconds(self.lookup),
            nanoseconds(self.miss),
            nanoseconds(self.publish)
        )
    }

    /// What another process measured.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let numbers: Result<Vec<u64>, _> = line.split_whitespace().map(str::parse).collect();
        let numbers = numbers.with_context(|| format!("no figures: `{line}`"))?;
        let [grants, policies, per_grant, per_policy, lookup, miss, publish] = numbers[..] else {
            bail!("not the figures of a fleet: `{line}`");
        };
        Ok(Self {
            size: Size { grants: usize::try_from(grants)?, policies: usize::try_from(policies)? },
            per_grant: per_grant as f64,
            per_policy: per_policy as f64,
            lookup: Duration::from_nanos(lookup),
            miss: Duration::from_nanos(miss),
            publish: Duration::from_nanos(publish),
        })
    }
}
