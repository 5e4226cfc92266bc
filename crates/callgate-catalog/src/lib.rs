//! What a tool can do: category, risk, the evidence for both, and the rule that fits. Pure and deterministic.
//!
//! ```text
//! Tool::from_list(bytes) -> tools        a tools/list answer, read strictly
//! classify(tool)         -> Classification
//! findings(tool)         -> what in its definition tries to steer the model
//! recommend(tools)       -> the text of a policy.json
//! scan(tools)            -> all of it, as `callgate scan --json` prints it
//! ```
//!
//! Words and weights are data (`data/*.toml`); the code only knows where a word can stand and what its place is worth.

mod classify;
mod findings;
mod fingerprint;
mod lexicon;
mod recommend;
mod scan;
mod tool;
mod words;

pub use classify::{Classification, Confidence, Evidence, Label, Risk, classify};
pub use findings::{Finding, FindingKind, FindingSeverity, findings};
pub use fingerprint::fingerprint;
pub use recommend::{TooLarge, recommend, rule};
pub use scan::{Scanned, ScannedEvidence, scan};
pub use tool::{Annotations, ListError, Param, ParamType, Text, Tool};
