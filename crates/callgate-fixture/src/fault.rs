//! What can be wrong with a server: the faults, and when they strike.

use std::fmt;
use std::str::FromStr;

/// A way of misbehaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Begins an answer and never goes on.
    Hang,
    /// Breaks off in the middle of an answer: the process ends over stdio, the connection is cut over HTTP.
    Die,
    /// Answers with bytes that are no JSON.
    Garbage,
    /// Answers with an event stream that holds no message (HTTP; over stdio the same as `Garbage`).
    GarbageEvents,
    /// Answers twice under one id.
    Twice,
    /// Answers under an id that nobody used.
    OtherId,
    /// Sends notifications without end.
    Flood,
    /// Sends an answer of many mebibytes in one line.
    HugeLine,
    /// Answers with a redirection (HTTP).
    Redirect,
    /// Never sends as much as the head of a response (HTTP; over stdio nothing at all).
    SlowHead,
    /// Answers with status 500 and plain text (HTTP).
    BadStatus,
    /// Sends sampling, elicitation and roots requests that nobody allowed.
    Unasked,
    /// Writes mebibytes to standard error before it answers.
    StderrFlood,
    /// Ignores SIGTERM and the end of its input (stdio).
    IgnoreTerm,
}

/// A fault and when it strikes, as in `hang`, `garbage:after 3` or `die@tools/list:after 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultPlan {
    /// What goes wrong.
    pub fault: Fault,
    /// The method whose requests it strikes.
    pub method: String,
    /// How many requests of that method are answered well before.
    pub after: u64,
}

/// Why a text names no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such fault.
    #[error("`{0}` is no fault; there are {names}", names = Names)]
    Unknown(String),
    /// What stands behind the colon.
    #[error("`{0}` doesn't say when: write `:after N`")]
    When(String),
}

const ALL: [(Fault, &str); 14] = [
    (Fault::Hang, "hang"),
    (Fault::Die, "die"),
    (Fault::Garbage, "garbage"),
    (Fault::GarbageEvents, "garbage_events"),
    (Fault::Twice, "twice"),
    (Fault::OtherId, "other_id"),
    (Fault::Flood, "flood"),
    (Fault::HugeLine, "huge_line"),
    (Fault::Redirect, "redirect"),
    (Fault::SlowHead, "slow_head"),
    (Fault::BadStatus, "bad_status"),
    (Fault::Unasked, "unasked"),
    (Fault::StderrFlood, "stderr_flood"),
    (Fault::IgnoreTerm, "ignore_term"),
];

struct Names;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
        f.write_str(&names.join(", "))
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let found = ALL.iter().find(|(_, name)| *name == text);
        found.map(|(fault, _)| *fault).ok_or_else(|| FaultError::Unknown(text.to_owned()))
    }
}

impl FromStr for FaultPlan {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (what, after) = match text.split_once(":after ") {
            Some((what, count)) => (what, count.trim().parse().map_err(|_| FaultError::When(count.to_owned()))?),
            None => (text, 0),
        };
        let (kind, method) = what.split_once('@').unwrap_or((what, "tools/call"));
        Ok(Self { fault: kind.parse()?, method: method.to_owned(), after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read() {
        let plan = |fault, method: &str, after| Ok(FaultPlan { fault, method: method.into(), after });
        for (text, expected) in [
            ("hang", plan(Fault::Hang, "tools/call", 0)),
            ("die:after 3", plan(Fault::Die, "tools/call", 3)),
            ("garbage@initialize", plan(Fault::Garbage, "initialize", 0)),
            ("other_id@tools/list:after 1", plan(Fault::OtherId, "tools/list", 1)),
            ("nap", Err(FaultError::Unknown("nap".into()))),
            ("hang:3", Err(FaultError::Unknown("hang:3".into()))),
            ("hang:after x", Err(FaultError::When("x".into()))),
        ] {
            assert_eq!(text.parse::<FaultPlan>(), expected, "{text}");
        }
        assert!(FaultError::Unknown("nap".into()).to_string().contains("stderr_flood"));
    }
}
