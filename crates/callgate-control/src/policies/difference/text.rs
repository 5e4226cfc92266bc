//! Two texts, line by line, as a unified diff.

/// So many lines around a difference are shown.
const CONTEXT: usize = 3;
/// Texts that differ in more lines than this are shown as one replacement: the search grows with the square.
const SEARCHED: usize = 1_000;

/// One line of a comparison: its number in each text, from 0, where it is there.
#[derive(Clone, Copy)]
enum Line {
    Same(usize, usize),
    Old(usize),
    New(usize),
}

/// The difference as unified lines, headed `--- OLD` and `+++ NEW`; empty where there is none.
pub(crate) fn unified(old: (&str, &str), new: (&str, &str)) -> String {
    let ((old_label, old), (new_label, new)) = (old, new);
    if old == new {
        return String::new();
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let lines = compare(&old, &new);
    let mut text = format!("--- {old_label}\n+++ {new_label}\n");
    for hunk in hunks(&lines) {
        print(hunk, &old, &new, &mut text);
    }
    text
}

fn compare(old: &[&str], new: &[&str]) -> Vec<Line> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let rest = |lines: &[&str]| lines.len().saturating_sub(head);
    let tails = old.iter().rev().zip(new.iter().rev()).take(rest(old).min(rest(new)));
    let tail = tails.take_while(|(old, new)| old == new).count();
    let middle_old = old.get(head..old.len().saturating_sub(tail)).unwrap_or_default();
    let middle_new = new.get(head..new.len().saturating_sub(tail)).unwrap_or_default();
    let mut lines: Vec<Line> = (0..head).map(|at| Line::Same(at, at)).collect();
    match shortest(middle_old, middle_new) {
        Some(middle) => lines.extend(middle.into_iter().map(|line| match line {
            Line::Same(old, new) => Line::Same(old + head, new + head),
            Line::Old(old) => Line::Old(old + head),
            Line::New(new) => Line::New(new + head),
        })),
        None => {
            lines.extend((0..middle_old.len()).map(|at| Line::Old(at + head)));
            lines.extend((0..middle_new.len()).map(|at| Line::New(at + head)));
        }
    }
    let (old_end, new_end) = (head + middle_old.len(), head + middle_new.len());
    lines.extend((0..tail).map(|at| Line::Same(old_end + at, new_end + at)));
    lines
}

/// The fewest lines out and in (Myers, "An O(ND) Difference Algorithm", 1986); `None` where they are too many.
fn shortest(old: &[&str], new: &[&str]) -> Option<Vec<Line>> {
    let bound = (old.len() + new.len()).min(SEARCHED);
    // How far each diagonal `k = old - new` reaches, one row per number of edits; `k` stands at `k + edits`.
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=bound {
        let mut row = vec![0; 2 * edits + 1];
        for index in (0..=2 * edits).step_by(2) {
            let start = step(rows.last(), index, edits).map_or(0, |(start, _)| start);
            // The diagonal is `index - edits`, so `new` is `old - index + edits`.
            let start_new = (start + edits).checked_sub(index)?;
            let snake = old.iter().skip(start).zip(new.iter().skip(start_new)).take_while(|(old, new)| old == new);
            let end = start + snake.count();
            *row.get_mut(index)? = end;
            if end >= old.len() && end + edits - index >= new.len() {
                rows.push(row);
                return trace(&rows, index, old.len(), new.len());
            }
        }
        rows.push(row);
    }
    None
}

/// How a diagonal is reached from the row before: where in `old` it begins, and whether by taking a line of `old` out.
fn step(before: Option<&Vec<usize>>, index: usize, edits: usize) -> Option<(usize, bool)> {
    let before = before?;
    // One row up, the diagonal below stands at `index - 2`, the one above at `index`.
    let removed = index.checked_sub(2).and_then(|below| before.get(below)).map(|end| end + 1);
    let added = before.get(index).copied();
    let first = index == 0;
    let last = index == 2 * edits;
    match (removed, added) {
        (Some(removed), Some(added)) if !first && !last => {
            Some(if removed > added { (removed, true) } else { (added, false) })
        }
        (Some(removed), _) if last => Some((removed, true)),
        (_, Some(added)) => Some((added, false)),
        (Some(removed), None) => Some((removed, true)),
        (None, None) => None,
    }
}

fn trace(rows: &[Vec<usize>], index: usize, old: usize, new: usize) -> Option<Vec<Line>> {
    let (mut index, mut old, mut new) = (index, old, new);
    let mut lines = Vec::new();
    for edits in (0..rows.len()).rev() {
        let came = edits.checked_sub(1).and_then(|before| step(rows.get(before), index, edits));
        let start = came.map_or(0, |(start, _)| start);
        while old > start {
            old -= 1;
            new = new.checked_sub(1)?;
            lines.push(Line::Same(old, new));
        }
        match came {
            None => break,
            Some((_, true)) => {
                old = old.checked_sub(1)?;
                lines.push(Line::Old(old));
                index = index.checked_sub(2)?;
            }
            Some((_, false)) => {
                new = new.checked_sub(1)?;
                lines.push(Line::New(new));
            }
        }
    }
    lines.reverse();
    Some(lines)
}

/// The parts that differ, each with the lines around it.
fn hunks(lines: &[Line]) -> Vec<&[Line]> {
    let changed = lines.iter().enumerate().filter(|(_, line)| !matches!(line, Line::Same(..))).map(|(at, _)| at);
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for at in changed {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        match spans.last_mut() {
            Some(last) if from <= last.1 => last.1 = to,
            _ => spans.push((from, to)),
        }
    }
    spans.into_iter().filter_map(|(from, to)| lines.get(from..to)).collect()
}

fn print(hunk: &[Line], old: &[&str], new: &[&str], text: &mut String) {
    let of_old = |line: &Line| match line {
        Line::Same(at, _) | Line::Old(at) => Some(*at),
        Line::New(_) => None,
    };
    let of_new = |line: &Line| match line {
        Line::Same(_, at) | Line::New(at) => Some(*at),
        Line::Old(_) => None,
    };
    let (old_span, new_span) = (span(hunk.iter().filter_map(of_old)), span(hunk.iter().filter_map(of_new)));
    text.push_str(&format!("@@ -{old_span} +{new_span} @@\n"));
    for line in hunk {
        let (sign, line) = match line {
            Line::Same(at, _) => (' ', old.get(*at)),
            Line::Old(at) => ('-', old.get(*at)),
            Line::New(at) => ('+', new.get(*at)),
        };
        let line = line.copied().unwrap_or_default();
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// A range of lines, from 1, as unified diffs write it. One of no lines names the line before; a text without any has
/// none.
fn span(lines: impl Iterator<Item = usize>) -> String {
    let lines: Vec<usize> = lines.collect();
    match (lines.first(), lines.len()) {
        (None, _) => "0,0".to_owned(),
        (Some(first), 1) => (first + 1).to_string(),
        (Some(first), count) => format!("{},{count}", first + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(old: &str, new: &str, expected: Expect) {
        expected.assert_eq(&unified(("1", old), ("2", new)));
    }

    #[test]
    fn unified_lines() {
        check("a\n", "a\n", expect![""]);
        check(
            "a\nb\nc\n",
            "a\nx\nc\n",
            expect![[r#"
                --- 1
                +++ 2
                @@ -1,3 +1,3 @@
                 a
                -b
                +x
                 c
            "#]],
        );
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n",
            "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n12",
            expect![[r#"
                --- 1
                +++ 2
                @@ -1,3 +1,4 @@
                +0
                 1
                 2
                 3
                @@ -8,5 +9,4 @@
                 8
                 9
                 10
                -11
                -12
                +12
                \ No newline at end of file
            "#]],
        );
    }

    #[test]
    fn what_a_difference_says_leads_from_one_text_to_the_other() {
        // Every pair of texts of up to six lines out of two words, and two long ones that differ everywhere.
        let mut texts: Vec<String> = Vec::new();
        for length in 0..6 {
            for bits in 0..1 << length {
                texts.push((0..length).map(|at| if bits >> at & 1 == 1 { "a\n" } else { "b\n" }).collect());
            }
        }
        let long = |word: &str| (0..SEARCHED).map(|at| format!("{word}{at}\n")).collect::<String>();
        let (long, other) = (long("x"), long("y"));
        let pairs = texts.iter().flat_map(|old| texts.iter().map(move |new| (old, new)));
        for (old, new) in pairs.chain([(&long, &other)]) {
            let (old, new): (Vec<&str>, Vec<&str>) =
                (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
            let lines = compare(&old, &new);
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for line in &lines {
                match line {
                    Line::Same(at, to) => {
                        assert_eq!(old[*at], new[*to]);
                        before.push(*at);
                        after.push(*to);
                    }
                    Line::Old(at) => before.push(*at),
                    Line::New(at) => after.push(*at),
                }
            }
            assert_eq!(before, (0..old.len()).collect::<Vec<_>>());
            assert_eq!(after, (0..new.len()).collect::<Vec<_>>());
        }
    }
}
