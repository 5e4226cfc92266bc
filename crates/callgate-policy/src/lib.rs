//! The policy language: parse, check, decide, count, explain. Pure: no clock, no IO, no environment.
//!
//! ```text
//! decide(policy, call, facts) -> Decision              total: any input gives an answer
//! decide_reach(policy, reach) -> Decision              the same for what is no tool: resources, prompts, and so on
//! decide_result(policy, result) -> ResultDecision      what comes back: refused, or what is taken out of it
//! State::reserve(charges, now) -> Receipt or Refusal   all limits of a call, or none
//! State::admit(decision, now) -> Decision, Receipt     the same with the flows: what the history says comes first
//! ```

pub mod call;
mod check;
mod convert;
mod decide;
pub mod decision;
pub mod explain;
mod faq;
pub mod glob;
pub mod history;
mod layout;
pub mod ledger;
pub mod message;
mod model;
pub mod names;
pub mod operator;
mod parse;
pub mod path;
mod print;
pub mod reach;
mod schema;
pub mod suite;

pub use call::{Arguments, Call, Client, Definition, Facts, Grant, Identity, Timestamp};
pub use check::advise;
pub use convert::{Converted, convert};
pub use decide::{
    Edit, Outlook, ResultDecision, ResultOf, Returned, ToolRule, Treatment, decide, decide_reach, decide_result,
    reaches, rules_results,
};
pub use decision::{Decision, Outcome, Place, Reason, RulePath, ShadowVerdict, Source};
pub use explain::{Earlier, Question, Stage, explain};
pub use glob::Glob;
pub use history::{Check, EventId, FlowVerdict, History, Imprint, Mark, MarkKey, MarkScope, Marked};
pub use ledger::{Charge, CounterKey, Receipt, Refusal, Reserved, Reset, Settlement, Standing, State, Unit};
pub use message::Message;
pub use model::{
    Ask, AskTerms, Category, Condition, EarlierCall, Entry, Label, Limit, LimitFacts, ListMode, Mode, Policy,
    Predicate, Problem, Problems, Scope, Severity, Strategy, TestCase, TestSubject, Toggle, Unlisted, Window,
};
pub use names::{GrantId, NameError, Organisation, ServerName};
pub use operator::{OPERATORS, OperandError, OperandKind, Operator, OperatorInfo, Reads};
pub use parse::{CODES, DocumentLimits};
pub use path::{Path, PathError, Step, Subject};
pub use reach::{Reach, ReachKind};
pub use schema::schema;
