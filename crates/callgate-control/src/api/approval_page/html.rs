//! The page as text. Everything from outside goes through [`Escaped`], with everything hidden spelled out.

use crate::api::sign_in::{Escaped, FOOT, alert, head};
use crate::approvals::{ApprovalFacts, ApprovalView, readable::readable, visible::visible};
use crate::error::Error;
use std::fmt::{self, Display, Formatter};

/// So many characters of an argument are shown at once; the rest is one click away.
const SHOWN: usize = 2_000;

/// For how long a yes can be made to stay, beside the most that the rule allows: how it is written, in seconds.
const SPANS: [(&str, i64); 5] = [("5m", 300), ("15m", 900), ("1h", 3_600), ("8h", 28_800), ("24h", 86_400)];

/// A question, and the form that answers it.
pub(super) struct Asked<'a> {
    /// What is known about it.
    pub(super) facts: &'a ApprovalFacts,
    /// The token that the form carries.
    pub(super) csrf: &'a str,
    /// Who looks at it.
    pub(super) who: &'a str,
    /// The time.
    pub(super) now: i64,
    /// Why the answer did not count.
    pub(super) problem: Option<&'a Error>,
}

/// A page that leads on to itself.
pub(super) struct Passing<'a> {
    /// Where it is.
    pub(super) path: &'a str,
}

impl Display for Passing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = Escaped(self.path);
        head(f, "Sign in", "", &format!("<meta http-equiv=\"refresh\" content=\"0; url={path}\">\n"))?;
        write!(f, "<p><a href=\"{path}\">Go on</a></p>\n{FOOT}")
    }
}

impl Display for Asked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = &self.facts.view;
        let title = match view.state.as_str() {
            "pending" => "May this call be made?",
            "approved" | "used" => "Approved",
            "refused" => "Refused",
            "expired" => "Over",
            _ => "Withdrawn",
        };
        head(f, title, " class=\"wide\"", "")?;
        if let Some(error) = self.problem {
            alert(f, error)?;
        }
        self.about(f)?;
        if view.state == "pending" {
            self.arguments(f)?;
            self.form(f)?;
        } else {
            answered(f, view)?;
        }
        let who = visible(self.who);
        write!(f, "<p class=\"hint\">Signed in as {}. <a href=\"/\">Not you?</a></p>\n{FOOT}", Escaped(&who))
    }
}

impl Asked<'_> {
    fn about(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = &self.facts.view;
        f.write_str("<dl>\n")?;
        row(f, "Server", &view.server)?;
        row(f, "Tool", &view.tool)?;
        row(f, "Grant", &format!("{} ({})", view.grant_label, view.grant))?;
        if let Some(identity) = &view.identity {
            row(f, "In the name of", identity)?;
        }
        if let Some(client) = &view.client {
            row(f, "Client, as it calls itself", client)?;
        }
        row(f, "Rule", &format!("{} of {} (version {})", view.rule, view.policy, view.policy_version))?;
        row(f, "Asked", &view.asked)?;
        let left = self.facts.expires.saturating_sub(self.now).max(0) / 1000;
        match view.state.as_str() {
            "pending" | "approved" => row(f, "Over", &format!("in {} ({})", span(left), view.expires))?,
            _ => {}
        }
        f.write_str("</dl>\n")?;
        match &view.message {
            Some(message) => writeln!(f, "<p class=\"said\">{}</p>", Escaped(&visible(message))),
            None => Ok(()),
        }
    }

    fn arguments(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = &self.facts.view;
        let Some(arguments) = &view.arguments else {
            let names = view.argument_keys.iter().map(|key| visible(key)).collect::<Vec<_>>().join(", ");
            let names = if names.is_empty() { "none".to_owned() } else { names };
            return writeln!(f, "<h2>Arguments</h2>\n<p>{}</p>", Escaped(&names));
        };
        f.write_str("<h2>Arguments</h2>\n")?;
        let Ok(tree) = crate::approvals::parse(arguments.get()) else {
            return argument(f, "all", &visible(arguments.get()));
        };
        if tree.members().is_empty() {
            return f.write_str("<p>None.</p>\n");
        }
        for member in tree.members() {
            argument(f, &member.key, &readable(&member.value))?;
        }
        Ok(())
    }

    fn form(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = &self.facts.view;
        if !self.facts.may_answer {
            let text = "You may see that there is a question, and neither its arguments nor answer it.";
            return writeln!(f, "<p class=\"hint\">{text}</p>");
        }
        let (id, csrf) = (Escaped(&view.id), Escaped(self.csrf));
        write!(
            f,
            "<form method=\"post\" action=\"/approvals/{id}\">\n\
             <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\n"
        )?;
        if let (Some(most), None) = (view.remember_seconds, &self.facts.barred) {
            remember(f, view, most)?;
        }
        f.write_str(
            "<label for=\"reason\">Reason (the caller reads it after a no)</label>\n\
             <input id=\"reason\" name=\"reason\" maxlength=\"500\" autocomplete=\"off\">\n<div class=\"answers\">\n\
             <button type=\"submit\" name=\"answer\" value=\"deny\" class=\"quiet\">Refuse</button>\n",
        )?;
        match &self.facts.barred {
            None => f.write_str("<button type=\"submit\" name=\"answer\" value=\"approve\">Approve</button>\n")?,
            Some(_) => f.write_str("<button type=\"button\" disabled>Approve</button>\n")?,
        }
        f.write_str("</div>\n</form>\n")?;
        self.facts.barred.as_ref().map_or(Ok(()), |error| alert(f, error))
    }
}

fn remember(f: &mut Formatter<'_>, view: &ApprovalView, most: i64) -> fmt::Result {
    f.write_str(
        "<fieldset>\n<legend>For how long</legend>\n\
         <label><input type=\"radio\" name=\"remember\" value=\"\" checked> For this call only</label>\n",
    )?;
    for (word, _) in SPANS.iter().filter(|(_, seconds)| *seconds < most) {
        writeln!(f, "<label><input type=\"radio\" name=\"remember\" value=\"{word}\"> For {word}</label>")?;
    }
    let longest = span(most);
    write!(
        f,
        "<label><input type=\"radio\" name=\"remember\" value=\"{most}s\"> For {longest}, the most that the rule \
         allows</label>\n<p>A yes that stays covers every later call of this grant to this tool in which these arguments \
         are equal, without asking again:</p>\n"
    )?;
    for key in &view.argument_keys {
        let (value, shown) = (Escaped(key), visible(key));
        let shown = Escaped(&shown);
        writeln!(
            f,
            "<label><input type=\"checkbox\" name=\"same\" value=\"{value}\" checked> <code>{shown}</code></label>"
        )?;
    }
    f.write_str("</fieldset>\n")
}

fn answered(f: &mut Formatter<'_>, view: &ApprovalView) -> fmt::Result {
    f.write_str("<dl>\n")?;
    match (&view.answered_by, view.state.as_str()) {
        (Some(by), _) => row(f, "By", by)?,
        (None, "expired") => row(f, "Answer", "nobody answered in time")?,
        (None, _) => row(f, "Answer", "none: the caller went away")?,
    }
    if let Some(at) = &view.answered {
        row(f, "At", at)?;
    }
    if !view.reason.is_empty() {
        row(f, "Reason", &view.reason)?;
    }
    if let Some(keys) = &view.remembered {
        row(f, "Stays for calls with equal", &keys.join(", "))?;
    }
    if let Some(used) = &view.used {
        row(f, "Used", used)?;
    }
    f.write_str("</dl>\n")
}

/// One argument; what is too long to be read at once is cut, says so, and is there.
fn argument(f: &mut Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    let name = visible(name);
    writeln!(f, "<h3><code>{}</code></h3>", Escaped(&name))?;
    let Some((cut, _)) = text.char_indices().nth(SHOWN) else {
        return writeln!(f, "<pre>{}</pre>", Escaped(text));
    };
    let (shown, rest) = text.split_at_checked(cut).unwrap_or((text, ""));
    let left = rest.chars().count();
    write!(
        f,
        "<pre>{}</pre>\n<details>\n<summary>Cut here: {left} more characters</summary>\n<pre>{}</pre>\n</details>\n",
        Escaped(shown),
        Escaped(rest)
    )
}

fn row(f: &mut Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "<dt>{name}</dt><dd>{}</dd>", Escaped(&visible(value)))
}

/// A span of time in its largest units.
fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, 0, _) => format!("{days} d"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
