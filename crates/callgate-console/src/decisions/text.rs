//! The text of a policy, with the line of a rule marked.

use callgate_control::approvals::visible::visible;
use callgate_json::{Kind, Limits, Value, line_column, parse};

/// So many lines are shown before and after the marked one.
const AROUND: usize = 8;

/// The longest text that is shown whole, in lines.
const WHOLE: usize = 2_000;

/// The longest line that is shown whole, in characters: a minified document is one line.
const LONGEST: usize = 400;

/// A piece of a text.
pub(super) struct Excerpt {
    pub(super) lines: Vec<Line>,
    /// The marked line.
    pub(super) line: u32,
    /// How many lines the text has.
    pub(super) all: usize,
}

/// A line with its number.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
    pub(super) is_marked: bool,
}

impl Excerpt {
    /// The lines around a line (counted from 1); none where there is no such line.
    pub(super) fn around(text: &str, line: u32) -> Option<Self> {
        let marked = usize::try_from(line).ok()?;
        let all = text.lines().count();
        if marked == 0 || marked > all {
            return None;
        }
        Some(Self { lines: lines(text, marked, marked.saturating_sub(AROUND), marked + AROUND), line, all })
    }

    /// All lines; none where they are too many.
    pub(super) fn whole(text: &str, line: u32) -> Option<Vec<Line>> {
        let all = text.lines().count();
        (all <= WHOLE).then(|| lines(text, usize::try_from(line).unwrap_or_default(), 0, all))
    }
}

fn lines(text: &str, marked: usize, from: usize, to: usize) -> Vec<Line> {
    let numbered = text.lines().enumerate().map(|(index, text)| (index + 1, text));
    let wanted = numbered.filter(|(number, _)| (from..=to).contains(number));
    wanted.map(|(number, text)| Line { number, text: cut(text), is_marked: number == marked }).collect()
}

fn cut(line: &str) -> String {
    let shown: String = line.chars().take(LONGEST).collect();
    let rest = line.chars().count().saturating_sub(LONGEST);
    // A tab is no secret here.
    let shown = visible(&shown.replace('\t', "  "));
    if rest == 0 { shown } else { format!("{shown} … {rest} more characters") }
}

/// The line on which the value at a pointer (RFC 6901) begins, with its name.
pub(super) fn line_of(text: &str, pointer: &str) -> Option<u32> {
    let limits = Limits { max_bytes: text.len(), ..Limits::default() };
    let root = parse(text.as_bytes(), &limits).ok()?;
    let mut value: &Value<'_> = &root;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        value = match &value.kind {
            Kind::Array(items) => items.get(token.parse::<usize>().ok()?)?,
            _ => value.get(&token)?,
        };
    }
    Some(line_column(text.as_bytes(), value.span.start).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "{\n\t\"tools\": {\n    \"a/b\": {\n      \"deny_if\": [\n        {},\n        {}\n      ]\n    }\n  }\n}";

    #[test]
    fn pointers_lead_to_lines() {
        for (pointer, line) in [
            ("", Some(1)),
            ("/tools", Some(2)),
            ("/tools/a~1b", Some(3)),
            ("/tools/a~1b/deny_if/1", Some(6)),
            ("/tools/a~1b/deny_if/2", None),
            ("/nothing", None),
        ] {
            assert_eq!(line_of(TEXT, pointer), line, "{pointer}");
        }
        assert_eq!(line_of("{", ""), None);
    }

    #[test]
    fn the_marked_line_stands_among_its_neighbours() {
        let text: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        let excerpt = Excerpt::around(&text, 20).unwrap();
        let numbers: Vec<usize> = excerpt.lines.iter().map(|line| line.number).collect();
        assert_eq!((numbers.first(), numbers.last()), (Some(&12), Some(&28)));
        let marked: Vec<&str> =
            excerpt.lines.iter().filter(|line| line.is_marked).map(|line| line.text.as_str()).collect();
        assert_eq!(marked, ["line 20"]);
        assert_eq!(Excerpt::around(&text, 2).unwrap().lines.first().unwrap().number, 1);
        assert!(Excerpt::around(&text, 0).is_none() && Excerpt::around(&text, 41).is_none());
        assert_eq!(Excerpt::whole(&text, 3).unwrap().len(), 40);
        let long = "x".repeat(500);
        assert!(Excerpt::around(&long, 1).unwrap().lines[0].text.ends_with("x … 100 more characters"));
    }
}
