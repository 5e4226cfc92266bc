//! The visual policy builder without its pages: one document, seen by its parts and changed part by part.
//!
//! ```text
//! Draft::read(text)          -> what the text says, and its problems
//! Draft::view(tools)         -> the document as rows and choices, each with its place and its problems
//! Draft::apply(action, tools) -> the text after a click: only the lines of what was clicked are others
//! matrix(before, after, tools) -> what an edit changes for each tool, as the policy engine reads both texts
//! tests(text, tools)         -> what the document's own tests give
//! ```
//!
//! Text is the truth: nothing is kept between two requests but the text, and every part of it that the builder does not
//! know stays byte for byte.

mod action;
mod advice;
mod apply;
mod choose;
mod draft;
mod edit;
mod facts;
mod form;
mod json;
mod matrix;
mod model;
mod operand;
mod picker;
mod place;
mod reading;
mod recommended;
mod rows;
mod style;
mod suite;
mod summary;
mod view;

pub(crate) use action::{Action, Bearing, Choice, EntryKey, Group, RowList};
pub(crate) use draft::{Draft, NEW};
pub(crate) use facts::ToolFacts;
pub(crate) use matrix::{Changed, Matrix, MatrixRow, matrix};
pub(crate) use model::{Condition, Limit, OperandForm, Redact, Results, Rule};
pub(crate) use picker::{Picker, PickerKind, Pickers};
pub(crate) use suite::{TestsView, tests};
pub(crate) use view::{
    BuilderView, ConditionView, EntryView, HiddenView, LimitView, ProblemView, ResultsView, RuleView, TextOnly,
    ToolView,
};

#[cfg(test)]
mod tests;
