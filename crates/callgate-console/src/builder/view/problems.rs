//! Problems at their places: each part of a document takes those that stand in it.

use super::ProblemView;
use callgate_policy::Problem;
use std::collections::BTreeMap;

/// The problems that no part has taken yet, and where lines begin.
pub(super) struct Places {
    open: BTreeMap<String, Vec<ProblemView>>,
    line_starts: Vec<usize>,
}

impl Places {
    /// Those of a text, each with its place.
    pub(super) fn of(problems: &[ProblemView], source: &str) -> Self {
        let mut open: BTreeMap<String, Vec<ProblemView>> = BTreeMap::new();
        for problem in problems {
            open.entry(problem.pointer.clone()).or_default().push(problem.clone());
        }
        let line_starts = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { open, line_starts: line_starts.collect() }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> u32 {
        let line = self.line_starts.partition_point(|start| *start <= offset) + 1;
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// The problems at a pointer and below that nothing below has taken, in document order.
    pub(super) fn take(&mut self, pointer: &str) -> Vec<ProblemView> {
        let mut taken = self.open.remove(pointer).unwrap_or_default();
        let below = format!("{pointer}/");
        let keys = self.open.range(below.clone()..).map(|(key, _)| key).take_while(|key| key.starts_with(&below));
        for key in keys.cloned().collect::<Vec<_>>() {
            taken.extend(self.open.remove(&key).unwrap_or_default());
        }
        sorted(taken)
    }

    /// All that are left.
    pub(super) fn rest(self) -> Vec<ProblemView> {
        sorted(self.open.into_values().flatten().collect())
    }
}

fn sorted(mut problems: Vec<ProblemView>) -> Vec<ProblemView> {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

impl From<&Problem> for ProblemView {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code,
            severity: problem.severity,
            line: problem.line,
            column: problem.column,
            pointer: problem.pointer.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}
