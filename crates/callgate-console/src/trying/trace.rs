//! What the engine says about one call: as `callgate policy explain` does, with the lines of the document.

use crate::api::Problem;
use crate::policies::Place;
use callgate_policy::{
    Arguments, Charge, Decision, Definition, Mode, Policy, Problems, Question, Source, Stage, Timestamp, Unit, explain,
};
use std::collections::BTreeMap;

/// So many calls are played through at most.
const MOST_CALLS: u32 = 10_000;

/// So many lines of a document are shown before and after the one that decided.
const AROUND: u32 = 3;

/// One version of a policy.
pub(super) struct Document {
    pub(super) place: Place,
    pub(super) version: i64,
    pub(super) text: String,
}

/// A call to try.
pub(super) struct Asked {
    pub(super) document: Option<Document>,
    pub(super) baseline: Option<Document>,
    pub(super) tool: String,
    pub(super) arguments: String,
    pub(super) definition: Option<Definition>,
    pub(super) label: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) calls: String,
    pub(super) at: String,
    pub(super) notes: Vec<String>,
}

/// What would become of it.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) outcome: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) rule: String,
    pub(super) message: String,
    pub(super) pointer: String,
    /// Which document it was: a title, and the page of it at that line.
    pub(super) document: Option<(String, String)>,
    /// The lines around the rule: number, text, whether it is the one.
    pub(super) lines: Vec<(u32, String, bool)>,
    pub(super) retry_after: Option<String>,
    pub(super) charges: Vec<ChargeRow>,
    pub(super) shadow: Vec<ShadowRow>,
    /// Which call of how many was explained, when, under which label.
    pub(super) calls: u32,
    pub(super) at: String,
    pub(super) label: String,
    pub(super) is_pinned: bool,
    pub(super) notes: Vec<String>,
}

/// A charge.
#[derive(Debug)]
pub(super) struct ChargeRow {
    pub(super) counter: String,
    pub(super) counts: String,
    pub(super) amount: String,
    pub(super) max: String,
    pub(super) rule: String,
    pub(super) line: u32,
    pub(super) is_shadow: bool,
}

/// What a rule in shadow mode would have done.
#[derive(Debug)]
pub(super) struct ShadowRow {
    pub(super) rule: String,
    pub(super) outcome: &'static str,
    pub(super) message: String,
}

/// Something in the form can't be read.
pub(super) fn bad(detail: String, remedy: &str) -> Problem {
    Problem {
        status: 422,
        title: "This can't be tried".to_owned(),
        detail,
        code: "CG3262".to_owned(),
        remedy: remedy.to_owned(),
        problems: Box::default(),
    }
}

/// Tags as they are typed: `KEY=VALUE`, separated by commas or lines.
pub(super) fn tags(typed: &str) -> Result<BTreeMap<String, String>, Problem> {
    let parts = typed.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let pair = |part: &str| {
        let pair = part.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
        pair.ok_or_else(|| bad(format!("`{part}` is no tag"), "write `team=a, stage=test`"))
    };
    parts.map(pair).collect()
}

impl Asked {
    /// What the engine says. CG3262 where the call can't be read, or a document is no policy.
    pub(super) fn explain(self) -> Result<Trace, Problem> {
        let policy = self.document.as_ref().map(compiled).transpose()?;
        let baseline = self.baseline.as_ref().map(compiled).transpose()?;
        let limits = callgate_json::Limits { exact_numbers: true, ..callgate_json::Limits::default() };
        let parsed = callgate_json::parse(self.arguments.as_bytes(), &limits).map_err(|error| {
            bad(
                format!("the arguments can't be read: {error}"),
                "write a JSON object, for example `{\"command\": \"ls\"}`",
            )
        })?;
        let now = self.moment()?;
        let calls = self.calls()?;
        let stage = Stage::new(&self.label, Timestamp(now.as_millisecond()))
            .map_err(|error| bad(format!("the grant's label: {error}"), "choose another label"))?
            .tagged(self.tags.clone());
        let question = Question {
            policy: policy.as_ref(),
            baseline: baseline.as_ref(),
            tool: &self.tool,
            arguments: Arguments::Value(&parsed),
            definition: self.definition.as_ref(),
            after: &[],
            calls,
        };
        let decision = explain(&question, &stage);
        Ok(self.trace(&decision, calls, now))
    }

    fn moment(&self) -> Result<jiff::Timestamp, Problem> {
        if self.at.trim().is_empty() {
            return Ok(jiff::Timestamp::now());
        }
        self.at.trim().parse().map_err(|_| {
            bad(format!("`{}` is no moment", self.at.trim()), "write it as RFC 3339: `2026-01-01T12:00:00Z`")
        })
    }

    fn calls(&self) -> Result<u32, Problem> {
        let typed = self.calls.trim();
        let number = if typed.is_empty() { Some(1) } else { typed.parse().ok() };
        number.filter(|calls| (1..=MOST_CALLS).contains(calls)).ok_or_else(|| {
            bad(format!("`{typed}` is no number of calls"), &format!("write a number from 1 to {MOST_CALLS}"))
        })
    }

    fn trace(&self, decision: &Decision, calls: u32, now: jiff::Timestamp) -> Trace {
        let place = decision.place.as_ref();
        let document = place.and_then(|place| match place.source {
            Source::Policy => self.document.as_ref(),
            Source::Baseline => self.baseline.as_ref(),
        });
        let line = place.map_or(0, |place| place.line);
        let shadow = |verdict: &callgate_policy::ShadowVerdict| ShadowRow {
            rule: verdict.rule.as_str().to_owned(),
            outcome: verdict.outcome.as_str(),
            message: verdict.message.to_string(),
        };
        Trace {
            outcome: decision.outcome.as_str(),
            reason: decision.reason.map(|reason| reason.as_str()),
            rule: decision.rule.as_str().to_owned(),
            message: decision.message.to_string(),
            pointer: place.map(|place| place.pointer.to_string()).unwrap_or_default(),
            document: document.map(|document| document.at(line)),
            lines: document.map(|document| document.lines(line)).unwrap_or_default(),
            retry_after: decision.retry_after_ms.map(duration),
            charges: decision.charges.iter().map(ChargeRow::of).collect(),
            shadow: decision.shadow.iter().map(shadow).collect(),
            calls,
            at: now.to_string(),
            label: self.label.clone(),
            is_pinned: self.definition.is_some(),
            notes: self.notes.clone(),
        }
    }
}

impl Document {
    /// What it is called, and the page of it at a line.
    fn at(&self, line: u32) -> (String, String) {
        let title = format!("{}, version {}, line {line}", self.place.title(), self.version);
        (title, format!("{}&line={line}", self.place.version_href(self.version)))
    }

    fn lines(&self, line: u32) -> Vec<(u32, String, bool)> {
        let numbered = (1..).zip(self.text.lines());
        let near = numbered.filter(|(number, _)| (line.saturating_sub(AROUND)..=line + AROUND).contains(number));
        near.map(|(number, text)| (number, text.to_owned(), number == line)).collect()
    }
}

impl ChargeRow {
    fn of(charge: &Charge) -> Self {
        let counts = match &charge.key.unit {
            Unit::Calls => "calls".to_owned(),
            Unit::Path(path) => path.to_string(),
        };
        Self {
            counter: charge.key.name.to_string(),
            counts,
            amount: charge.amount.to_string(),
            max: charge.max.to_string(),
            rule: charge.rule.as_str().to_owned(),
            line: charge.place.line,
            is_shadow: charge.mode == Mode::Shadow,
        }
    }
}

fn compiled(document: &Document) -> Result<Policy, Problem> {
    Policy::parse(document.text.as_bytes()).map_err(|Problems(problems)| {
        let first = problems.first().map(|first| format!("line {}: {}", first.line, first.message)).unwrap_or_default();
        let title = document.place.title();
        bad(
            format!("version {} of {title} is no policy for this gateway: {first}", document.version),
            "under such a version every call is refused; publish a corrected one",
        )
    })
}

/// Milliseconds in words.
fn duration(milliseconds: u64) -> String {
    match milliseconds.div_ceil(1_000) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3_600)),
    }
}
