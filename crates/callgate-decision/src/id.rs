//! The identity of a decision: sortable by time, impossible to guess.

use callgate_policy::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A decision's identity: a UUID of version 7 (RFC 9562 section 5.7), 48 bits of milliseconds and 74 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// The identity of a decision made at `now`, with these random bytes.
    pub(crate) fn new(now: Timestamp, random: [u8; 10]) -> Self {
        let [_, _, m0, m1, m2, m3, m4, m5] = now.0.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        let (r0, r2) = (0x70 | (r0 & 0x0f), 0x80 | (r2 & 0x3f));
        Self([m0, m1, m2, m3, m4, m5, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9])
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = u128::from_be_bytes(self.0);
        let (a, b, c) = (n >> 96, (n >> 80) & 0xffff, (n >> 64) & 0xffff);
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", (n >> 48) & 0xffff, n & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no decision's identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no decision id: it should look like `018f3c5e-7a31-7c44-9d1e-0a1b2c3d4e5f`")]
pub struct IdError(String);

impl FromStr for DecisionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError(text.chars().take(80).collect());
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let mut bytes = [0; 16];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
        let id = Self(bytes);
        if id.to_string() == text { Ok(id) } else { Err(wrong()) }
    }
}

impl Serialize for DecisionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DecisionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Random bytes for identities, fetched from the operating system a few hundred calls at a time.
pub(crate) struct Randomness {
    pool: [u8; 2560],
    used: usize,
}

impl Randomness {
    pub(crate) fn new() -> Self {
        Self { pool: [0; 2560], used: 2560 }
    }

    /// Ten bytes that were never handed out before.
    pub(crate) fn take(&mut self) -> Result<[u8; 10], getrandom::Error> {
        if self.used >= self.pool.len() {
            getrandom::fill(&mut self.pool)?;
            self.used = 0;
        }
        let next = self.pool.get(self.used..self.used + 10).and_then(|bytes| bytes.try_into().ok());
        self.used += 10;
        next.ok_or(getrandom::Error::UNEXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_time_and_reads_back() {
        let mut random = Randomness::new();
        let ids: Vec<_> =
            (0..600).map(|ms| DecisionId::new(Timestamp(1_790_000_000_000 + ms), random.take().unwrap())).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().as_bytes()[14], b'7');
        }
        assert!("018f3c5e7a317c449d1e0a1b2c3d4e5f".parse::<DecisionId>().is_err());
        assert!("é".parse::<DecisionId>().is_err());
    }

    #[test]
    fn never_hands_out_the_same_bytes() {
        let mut random = Randomness::new();
        let seen: std::collections::BTreeSet<_> = (0..2000).map(|_| random.take().unwrap()).collect();
        assert_eq!(seen.len(), 2000);
    }
}
