//! What a tool can do: category, risk, the evidence for both, and the rule that fits. Pure and deterministic.
//!
//! ```text
//! Tool::from_list(bytes) -> tools        a tools/list answer, read strictly
//! classify(tool)         -> Classification
//! findings(tool)         -> what in its definition tries to steer the model
//! findings_across(lists) -> what in one server's list aims at another server
//! recommend(tools)       -> the text of a policy.json
//! attacks()              -> known attacks, what enables each, and the policy that stops it
//! grade(tools, scanned)  -> A to F, and what points were lost for
//! scan(tools)            -> all of it, as `callgate scan --json` prints it
//! ```
//!
//! Words and weights are data (`data/*.toml`); the code only knows where a word can stand and what its place is worth.

mod attacks;
mod classify;
mod findings;
mod fingerprint;
mod grade;
mod lexicon;
mod recommend;
mod scan;
mod tool;
mod words;

pub use attacks::{Attack, Step, attack, attacks, attacks_on, attacks_with};
pub use callgate_policy::Label;
pub use classify::{Classification, Confidence, Evidence, Risk, classify, classify_with};
pub use findings::{Aimed, Finding, FindingKind, FindingSeverity, Listed, findings, findings_across};
pub use fingerprint::fingerprint;
pub use grade::{Deduction, Grade, grade};
pub use lexicon::{Lexicon, LexiconError};
pub use recommend::{TooLarge, recommend, recommend_classified, rule};
pub use scan::{Scanned, ScannedEvidence, scan, scan_classified};
pub use tool::{Annotations, ListError, Param, ParamType, Text, Tool};
