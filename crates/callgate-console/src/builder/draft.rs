//! A text in the editor: read, seen, changed.

use super::action::Action;
use super::apply;
use super::edit::rewrite;
use super::facts::ToolFacts;
use super::json::Style;
use super::operand;
use super::recommended;
use super::view::BuilderView;
use callgate_json::{Limits, Value};
use callgate_policy::{DocumentLimits, Policy, Problem};

/// What a new policy begins with; an empty text counts as this.
pub(crate) const NEW: &str = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {}\n}\n";

/// A text as it was read.
#[derive(Debug)]
pub(crate) struct Draft<'t> {
    /// The text.
    pub(crate) text: &'t str,
    /// Every problem that the document has by itself, warnings too, in document order.
    pub(crate) problems: Vec<Problem>,
    /// The text that is seen and changed: the same, or what a new policy begins with.
    pub(super) source: &'t str,
    /// The policy, where it is one.
    pub(super) policy: Option<Policy>,
    /// The document, where it is JSON.
    pub(super) root: Option<Value<'t>>,
    /// Why it is none, or a key that stands in it twice.
    ambiguous: Option<callgate_json::Error>,
}

/// The text after a click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The whole text.
    pub(crate) text: String,
    /// The tools that were meant too and are left as they were.
    pub(crate) left: Vec<Left>,
}

/// A tool that was left as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The tool.
    pub(crate) tool: String,
    /// Why, and what to do instead.
    pub(crate) why: String,
}

/// Why a click changes nothing (CG3261).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The text is no JSON, or a key stands in it twice: nobody can say what to change.
    #[error("line {line}, column {column}: {why}; correct the text first, then click again")]
    Unreadable {
        /// The line, from 1.
        line: u32,
        /// The column in characters, from 1.
        column: u32,
        /// What is wrong.
        why: String,
    },
    /// What was clicked is not in the text.
    #[error("{0} is not in the text; it was changed meanwhile: look at it as it is now")]
    Gone(String),
    /// What stands there is no list or object, so that nothing can be put into it.
    #[error("`{0}` is not of the kind that the builder can change; correct it in the text")]
    Odd(String),
    /// The tool can't be what was clicked.
    #[error("{0}")]
    Impossible(String),
    /// A value can't be written.
    #[error("{0}")]
    Value(String),
}

impl<'t> Draft<'t> {
    /// Reads a text: its problems, and as much as can be read of it. An empty text is a new policy that isn't there yet:
    /// it has the problem that it is empty, and shows as [`NEW`].
    pub(crate) fn read(text: &'t str) -> Self {
        let (policy, problems) = match Policy::parse(text.as_bytes()) {
            Ok(policy) => {
                let warnings = policy.warnings().to_vec();
                (Some(policy), warnings)
            }
            Err(problems) => (None, problems.0),
        };
        let source = if text.trim().is_empty() { NEW } else { text };
        let most = DocumentLimits::default();
        let limits = Limits {
            max_bytes: most.max_bytes,
            max_depth: most.max_depth,
            max_values: most.max_bytes,
            exact_numbers: false,
        };
        let (root, mut found) = callgate_json::parse_reporting(source.as_bytes(), &limits);
        found.truncate(1);
        Self { text, source, problems, policy, root, ambiguous: found.pop() }
    }

    /// The document as the builder shows it. `tools` are all of the server's.
    pub(crate) fn view(&self, tools: &[ToolFacts]) -> BuilderView {
        BuilderView::of(self, tools)
    }

    /// The text after a click: what was clicked is other, everything else stays byte for byte.
    ///
    /// # Errors
    /// Why it can't be done; then nothing is changed.
    pub(crate) fn apply(&self, action: &Action, tools: &[ToolFacts]) -> Result<Applied, Refused> {
        let root = self.editable()?;
        if matches!(action, Action::Recommended { tool: None }) && recommended::is_new(root) {
            return Ok(Applied { text: recommended::document(tools)?, left: Vec::new() });
        }
        let action = operand::settled(action, tools, |list, index| apply::rule_at(root, self.source, list, index));
        let (edit, left) = apply::plan(root, self.source, &action, tools)?;
        if edit.is_empty() {
            return Ok(Applied { text: self.text.to_owned(), left });
        }
        let text = rewrite(self.source, root, &edit, &Style::of(self.source, root));
        let most = DocumentLimits::default().max_bytes;
        if text.len() > most {
            return Err(Refused::Impossible(format!(
                "the document would be larger than a policy may be ({most} bytes)"
            )));
        }
        Ok(Applied { text, left })
    }

    /// The document, where it says one thing only.
    pub(super) fn editable(&self) -> Result<&Value<'t>, Refused> {
        let unreadable = |offset: usize, why: String| {
            let (line, column) = callgate_json::line_column(self.source.as_bytes(), offset);
            Refused::Unreadable { line, column, why }
        };
        match (&self.root, &self.ambiguous) {
            (_, Some(error)) => Err(unreadable(error.offset, error.kind.to_string())),
            (Some(root), None) if root.is_object() => Ok(root),
            (Some(root), None) => Err(unreadable(root.span.start, "a policy is a JSON object".to_owned())),
            (None, None) => Err(unreadable(0, "it is no JSON".to_owned())),
        }
    }
}
