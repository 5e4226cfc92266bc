//! Reading a document: bytes in, a policy or every problem at once.

mod document;
pub(crate) mod duration;
mod entry;
pub(crate) mod field;
mod flow;
mod limit;
mod predicate;
pub(crate) mod reader;
mod results;
mod rule_name;
mod section;
mod test;
pub(crate) mod wording;

use crate::check;
use crate::model::{Policy, Problems, Severity};
use reader::Reader;

/// How much a document may ask for. What is over is refused, never truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentLimits {
    /// The document's length in bytes; 1 MiB by default.
    pub max_bytes: usize,
    /// Nesting of lists and objects; 64 by default.
    pub max_depth: usize,
    /// Entries under `tools`; 10,000 by default.
    pub max_tools: usize,
    /// Patterns in one list of a section such as `resources`; 10,000 by default.
    pub max_patterns: usize,
    /// Members of `flows`, and names in one list of a flow; 100 by default. Every call is compared with each.
    pub max_flows: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_depth: 64, max_tools: 10_000, max_patterns: 10_000, max_flows: 100 }
    }
}

impl Policy {
    /// Reads a policy.json document within the default [`DocumentLimits`].
    ///
    /// # Errors
    /// Every error and warning of the document, in document order, where there is at least one error.
    pub fn parse(source: &[u8]) -> Result<Self, Problems> {
        Self::parse_within(source, &DocumentLimits::default())
    }

    /// [`Policy::parse`] within limits of the caller's.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn parse_within(source: &[u8], limits: &DocumentLimits) -> Result<Self, Problems> {
        let json_limits = callgate_json::Limits {
            max_bytes: limits.max_bytes,
            max_depth: limits.max_depth,
            max_values: limits.max_bytes,
            exact_numbers: true,
        };
        let (value, problems) = callgate_json::parse_reporting(source, &json_limits);
        let mut reader = Reader::new(source, *limits);
        for problem in problems {
            reader.json_problem(problem, value.as_ref());
        }
        let policy = value.map(|value| {
            let policy = document::read(&mut reader, &value);
            check::document(&mut reader, &policy);
            policy
        });
        let problems = reader.finish();
        match policy {
            Some(mut policy) if problems.iter().all(|p| p.severity == Severity::Warning) => {
                policy.warnings = problems;
                Ok(policy)
            }
            _ => Err(Problems(problems)),
        }
    }
}

/// Every code that the reading, checking and converting of documents can give; each has a page of its own.
pub const CODES: &[&str] = &[
    "CG1001", "CG1002", "CG1003", "CG1004", "CG1005", "CG1006", "CG1007", "CG1008", "CG1009", "CG1010", "CG1011",
    "CG1012", "CG1013", "CG1014", "CG1015", "CG1017", "CG1040", "CG1041", "CG1042", "CG1043", "CG1044", "CG1045",
    "CG1046", "CG1047", "CG1048", "CG1049", "CG1050", "CG1101", "CG1102", "CG1103", "CG1104", "CG1105", "CG1106",
    "CG1107", "CG1108", "CG1109", "CG1110", "CG1111", "CG1201", "CG1202", "CG1203", "CG1204", "CG1205", "CG1206",
    "CG1207", "CG1301", "CG1302", "CG1303",
];
