//! Text of servers, clients and users, as pages show it: nothing in it hides.

use callgate_control::approvals::visible::visible;

/// A text in which every character that can't be seen is spelled out.
pub(crate) fn seen(text: impl AsRef<str>) -> String {
    visible(text.as_ref())
}

/// The same, line by line.
pub(crate) fn seen_lines(text: &str) -> String {
    text.split('\n').map(|line| visible(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}
