//! Reading a path's text.

use super::{Path, PathError, Step, Subject};
use jiff::tz::TimeZone;

/// Most steps that a path may have; arguments are at most 64 levels deep.
const MAX_STEPS: usize = 64;
/// Longest path, in bytes.
const MAX_BYTES: usize = 4096;

const ROOTS: &str = "paths begin with `args`, `tool`, `grant`, `identity`, `client`, `session` or `time`, and with `result` \
                     in rules over results";

/// Reads a whole path.
pub(super) fn path(text: &str) -> Result<Path, PathError> {
    let mut reader = Reader { text, at: 0 };
    if text.len() > MAX_BYTES {
        return Err(reader.error(format!("it is longer than {MAX_BYTES} bytes"), ""));
    }
    let subject = reader.subject()?;
    Ok(Path { text: text.into(), subject })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, why: impl Into<String>, hint: impl Into<String>) -> PathError {
        PathError { path: self.text.chars().take(200).collect(), at: self.at, why: why.into(), hint: hint.into() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, token: &str) -> bool {
        let eaten = self.rest().starts_with(token);
        if eaten {
            self.at += token.len();
        }
        eaten
    }

    fn subject(&mut self) -> Result<Subject, PathError> {
        if self.text.is_empty() {
            return Err(self.error("it is empty", ROOTS));
        }
        let root = self.name()?;
        match root {
            "args" => Ok(Subject::Args(self.steps(true)?)),
            "result" => Ok(Subject::Result(self.steps(true)?)),
            "tool" => self.tool(),
            "grant" => self.grant(),
            "identity" => self.identity(),
            "client" => self.leaf(&[("name", Subject::ClientName), ("version", Subject::ClientVersion)]),
            "session" => self.leaf(&[("id", Subject::SessionId)]),
            "time" => self.time(),
            _ => {
                self.at = 0;
                Err(self.error(format!("nothing is called `{root}`"), ROOTS))
            }
        }
    }

    fn tool(&mut self) -> Result<Subject, PathError> {
        let start = self.at;
        if self.member()? == "annotations" {
            return Ok(Subject::ToolAnnotations(self.some_steps("tool.annotations.destructiveHint")?));
        }
        self.at = start;
        self.leaf(&[("name", Subject::ToolName), ("category", Subject::ToolCategory)])
            .map_err(|e| PathError { hint: "`tool.name`, `tool.category` or `tool.annotations.<name>`".into(), ..e })
    }

    fn grant(&mut self) -> Result<Subject, PathError> {
        let start = self.at;
        if self.member()? != "tags" {
            self.at = start;
            return self
                .leaf(&[("label", Subject::GrantLabel)])
                .map_err(|e| PathError { hint: "`grant.label` or `grant.tags.<name>`".into(), ..e });
        }
        let steps = self.some_steps("grant.tags.team")?;
        match <[Step; 1]>::try_from(steps) {
            Ok([Step::Key(key)]) => Ok(Subject::GrantTag(key)),
            _ => Err(self.error("a tag is plain text, nothing can be looked up in it", "`grant.tags.<name>`")),
        }
    }

    fn identity(&mut self) -> Result<Subject, PathError> {
        let start = self.at;
        if self.member()? == "claims" {
            return Ok(Subject::IdentityClaims(self.some_steps("identity.claims.email")?));
        }
        self.at = start;
        self.leaf(&[("subject", Subject::IdentitySubject)])
            .map_err(|e| PathError { hint: "`identity.subject` or `identity.claims.<name>`".into(), ..e })
    }

    fn time(&mut self) -> Result<Subject, PathError> {
        let hint = "`time.hour`, `time.weekday` or `time.zone(\"Europe/Berlin\").hour`";
        let zone = if self.eat(".zone(") {
            let start = self.at;
            let name = self.quoted()?;
            if !self.eat(")") {
                return Err(self.error("a `)` is missing behind the zone", hint));
            }
            TimeZone::get(&name).map_err(|_| {
                self.at = start;
                self.error(
                    format!("no time zone is called `{name}`"),
                    "zones are named as in the IANA database, such as `Europe/Berlin`",
                )
            })?
        } else {
            TimeZone::UTC
        };
        self.leaf(&[("hour", Subject::Hour(zone.clone())), ("weekday", Subject::Weekday(zone))])
            .map_err(|e| PathError { hint: hint.into(), ..e })
    }

    /// One of the named members, and nothing behind it.
    fn leaf(&mut self, members: &[(&str, Subject)]) -> Result<Subject, PathError> {
        let known = || members.iter().map(|(name, _)| format!("`.{name}`")).collect::<Vec<_>>().join(" or ");
        let start = self.at;
        let name = self.member()?;
        let Some((_, subject)) = members.iter().find(|(member, _)| *member == name) else {
            self.at = start;
            return Err(self.error(format!("there is no `{name}` here"), format!("known here: {}", known())));
        };
        if !self.rest().is_empty() {
            return Err(self.error(format!("nothing can be looked up in `{name}`"), format!("known here: {}", known())));
        }
        Ok(subject.clone())
    }

    fn member(&mut self) -> Result<&'a str, PathError> {
        if !self.eat(".") {
            return Err(self.error("a `.` and a name are missing", ""));
        }
        self.name()
    }

    /// A bare name: everything up to the next `.`, bracket, quote or white space.
    fn name(&mut self) -> Result<&'a str, PathError> {
        let rest = self.rest();
        let end = rest.find(|c: char| ".[]()\"'".contains(c) || c.is_whitespace() || c.is_control());
        let name = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if name.is_empty() {
            return Err(self.error("a name is missing", "names with dots, blanks or brackets are written `[\"a.b\"]`"));
        }
        self.at += name.len();
        Ok(name)
    }

    fn some_steps(&mut self, example: &str) -> Result<Vec<Step>, PathError> {
        let steps = self.steps(false)?;
        match steps.first() {
            Some(Step::Key(_)) => Ok(steps),
            _ => Err(self.error("a name is missing", format!("for example `{example}`"))),
        }
    }

    fn steps(&mut self, arguments: bool) -> Result<Vec<Step>, PathError> {
        let mut steps: Vec<Step> = Vec::new();
        while !self.rest().is_empty() {
            if matches!(steps.last(), Some(Step::Join)) {
                return Err(self.error("nothing can be looked up behind `[join]`", "`[join]` stands at the end"));
            }
            if arguments && steps.is_empty() && self.rest().starts_with("[") && !self.rest().starts_with("[\"") {
                return Err(self.error("this is an object, not a list", "for example `args.list[0]`"));
            }
            if steps.len() == MAX_STEPS {
                return Err(self.error(format!("it has more than {MAX_STEPS} steps"), ""));
            }
            let step = if self.eat("[") { self.bracket()? } else { Step::Key(self.member()?.into()) };
            steps.push(step);
        }
        Ok(steps)
    }

    fn bracket(&mut self) -> Result<Step, PathError> {
        let hint = "`[0]`, `[*]`, `[all]`, `[join]` or `[\"name\"]`";
        let step = if self.rest().starts_with('"') {
            Step::Key(self.quoted()?.into())
        } else {
            let end = self.rest().find(']').unwrap_or(self.rest().len());
            let inner = self.rest().get(..end).unwrap_or_default();
            let step = match inner {
                "*" => Step::Any,
                "all" => Step::All,
                "join" => Step::Join,
                digits if is_index(digits) => match digits.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => return Err(self.error(format!("`{digits}` is too large an index"), hint)),
                },
                other => return Err(self.error(format!("`[{other}]` means nothing"), hint)),
            };
            self.at += end;
            step
        };
        if !self.eat("]") {
            return Err(self.error("a `]` is missing", hint));
        }
        Ok(step)
    }

    /// A JSON string, quotes included.
    fn quoted(&mut self) -> Result<String, PathError> {
        let hint = "names in quotes are written as JSON strings: `[\"a.b\"]`";
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let text = end.and_then(|(end, _)| self.rest().get(..=end)).filter(|text| text.starts_with('"'));
        let Some(text) = text else {
            return Err(self.error("a text in double quotes is missing here, or its end", hint));
        };
        let value = callgate_json::parse(text.as_bytes(), &callgate_json::Limits::default());
        match value.as_ref().ok().and_then(|value| value.as_str()) {
            Some(name) => {
                self.at += text.len();
                Ok(name.to_owned())
            }
            None => Err(self.error(format!("{text} is not a JSON string"), hint)),
        }
    }
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}
