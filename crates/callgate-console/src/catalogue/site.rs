//! Where the pages of the catalogue are: files beside each other, or the console's.

use crate::api::path;
use crate::seen::seen_lines;
use crate::servers::tool_segment;

/// Where the pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// Files: links go from one to the other.
    Files,
    /// The console.
    Console,
}

impl Site {
    /// A text of a server: in the console nothing in it hides.
    pub(super) fn text(self, text: &str) -> String {
        match self {
            Self::Files => text.to_owned(),
            Self::Console => seen_lines(text),
        }
    }

    /// A server's page, from the root.
    pub(super) fn server(self, id: &str) -> String {
        match self {
            Self::Files => format!("servers/{}/index.html", slug(id)),
            Self::Console => path(&["catalogue", id], &[]),
        }
    }

    /// A tool's page, from the page of its server or of another tool of it.
    pub(super) fn tool(self, server: &str, tool: &str) -> String {
        match self {
            Self::Files => tool_file(tool),
            Self::Console => path(&["catalogue", server, "tools", &tool_segment(tool)], &[]),
        }
    }

    /// The same, from a page of another server.
    pub(super) fn tool_elsewhere(self, server: &str, tool: &str) -> String {
        match self {
            Self::Files => format!("../{}/{}", slug(server), tool_file(tool)),
            Self::Console => self.tool(server, tool),
        }
    }

    /// An attack's page, from the page of a server or a tool.
    pub(super) fn attack(self, id: &str) -> String {
        match self {
            Self::Files => format!("../../attacks/{id}.html"),
            Self::Console => path(&["catalogue", "attacks", id], &[]),
        }
    }
}

/// The file of a tool's page, beside its server's.
pub(super) fn tool_file(tool: &str) -> String {
    format!("{}.html", slug(tool))
}

/// A name as part of a path: letters, digits and hyphens, no two names the same.
pub(super) fn slug(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= 80 && name.chars().all(plain) && name != "index" {
        return name.to_owned();
    }
    let mut slug = String::new();
    for c in name.chars().take(60) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    // FNV-1a: only to tell names apart that look alike here.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}_{hash:016x}", slug.trim_end_matches('-'))
}
