//! The layers of the architecture: which crate may use which, and what it must never be linked with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::metadata::{Metadata, Package};
use crate::tidy;

struct Layer {
    name: &'static str,
    /// Workspace crates it may be linked with directly.
    may_use: &'static [&'static str],
    /// Crates it must not be linked with, directly or through others.
    never: &'static [&'static [&'static str]],
    /// Words its own sources must not hold, outside of tests: doors to the world that need no dependency.
    words: &'static [&'static str],
}

/// Runtimes, sockets, HTTP stacks and stores.
const SOCKETS: &[&str] = &["tokio", "async-std", "smol", "mio", "socket2", "hyper", "tower-http", "reqwest", "rustls"];
const HTTP: &[&str] = &["http"];
const STORES: &[&str] = &["axum", "sqlx", "rusqlite", "redis", "fred"];
const SERVERS: &[&str] = &["axum", "hyper", "sqlx", "rusqlite"];
const DATABASES: &[&str] = &["axum", "sqlx", "rusqlite"];
const DOORS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "ToSocketAddrs",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
];

/// The table of `ARCHITECTURE.md`. A workspace crate that stands in no row is a problem: give it one.
const LAYERS: &[Layer] = &[
    Layer { name: "callgate-json", may_use: &[], never: &[SOCKETS, HTTP, STORES], words: DOORS },
    Layer { name: "callgate-detect", may_use: &[], never: &[SOCKETS, HTTP, STORES], words: DOORS },
    Layer {
        name: "callgate-policy",
        may_use: &["callgate-json", "callgate-detect"],
        never: &[SOCKETS, HTTP, STORES],
        words: DOORS,
    },
    // The types of the `http` crate hold no socket; MCP's header rules are read off them.
    Layer { name: "callgate-mcp", may_use: &["callgate-json"], never: &[SOCKETS, STORES], words: DOORS },
    Layer {
        name: "callgate-catalog",
        may_use: &["callgate-policy", "callgate-json"],
        never: &[SOCKETS, HTTP, STORES],
        words: DOORS,
    },
    Layer { name: "callgate-decision", may_use: &["callgate-policy", "callgate-json"], never: &[SERVERS], words: &[] },
    Layer { name: "callgate-journal", may_use: &["callgate-policy", "callgate-json"], never: &[SERVERS], words: &[] },
    Layer {
        name: "callgate-store",
        may_use: &["callgate-policy", "callgate-json"],
        never: &[&["axum", "hyper", "redis", "fred"]],
        words: &["std::env"],
    },
    Layer {
        name: "callgate-proxy",
        may_use: &[
            "callgate-policy",
            "callgate-mcp",
            "callgate-catalog",
            "callgate-decision",
            "callgate-detect",
            "callgate-journal",
            "callgate-json",
        ],
        never: &[DATABASES],
        words: &["std::env"],
    },
    Layer {
        name: "callgate-control",
        may_use: &[
            "callgate-policy",
            "callgate-catalog",
            "callgate-decision",
            "callgate-journal",
            "callgate-store",
            "callgate-json",
        ],
        never: &[&["callgate-proxy", "callgate-mcp", "rusqlite", "redis", "fred"]],
        words: &["std::env"],
    },
    Layer {
        name: "callgate-console",
        may_use: &["callgate-control", "callgate-policy", "callgate-catalog", "callgate-json"],
        never: &[&["callgate-proxy", "callgate-mcp", "rusqlite", "redis", "fred"]],
        words: &["std::env"],
    },
    Layer { name: "callgate-fixture", may_use: &["callgate-json"], never: &[DATABASES], words: &[] },
    Layer {
        name: "callgate",
        may_use: &[
            "callgate-policy",
            "callgate-mcp",
            "callgate-catalog",
            "callgate-decision",
            "callgate-journal",
            "callgate-json",
            "callgate-proxy",
            "callgate-store",
            "callgate-control",
            "callgate-console",
            "callgate-fixture",
        ],
        never: &[],
        words: &[],
    },
    Layer {
        name: "fuzz",
        may_use: &["callgate-json", "callgate-policy", "callgate-mcp"],
        never: &[SOCKETS, STORES],
        words: &[],
    },
    Layer { name: "testkit", may_use: &[], never: &[SOCKETS], words: &[] },
    Layer {
        name: "bench",
        may_use: &[
            "callgate-catalog",
            "callgate-control",
            "callgate-decision",
            "callgate-journal",
            "callgate-policy",
            "callgate-proxy",
            "callgate-store",
            "testkit",
        ],
        never: &[],
        words: &[],
    },
    Layer { name: "xtask", may_use: &["testkit"], never: &[], words: &[] },
];

/// Crates that any crate's tests may use.
const FOR_TESTS: &[&str] = &["callgate-fixture", "testkit"];

/// Every breach of the layers, each with the path that leads to it.
pub(crate) fn problems(metadata: &Metadata, root: &Path) -> Result<Vec<String>> {
    let members: Vec<(&String, &Package)> =
        metadata.members.iter().filter_map(|id| metadata.packages.get(id).map(|package| (id, package))).collect();
    let names: BTreeSet<&str> = members.iter().map(|(_, package)| package.name.as_str()).collect();
    let mut problems = Vec::new();
    for (id, package) in members {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            problems.push(format!("crate `{}` has no row in xtask/src/layers.rs: say what it may use", package.name));
            continue;
        };
        let named = |ids: &BTreeSet<String>| -> Vec<String> {
            let used = ids.iter().filter_map(|id| metadata.packages.get(id)).map(|used| used.name.clone());
            used.filter(|used| names.contains(used.as_str()) && *used != package.name).collect()
        };
        for used in named(&package.normal) {
            if !layer.may_use.contains(&used.as_str()) {
                problems.push(format!("`{}` uses `{used}`, which its layer may not", package.name));
            }
        }
        for used in named(&package.dev) {
            if !layer.may_use.contains(&used.as_str()) && !FOR_TESTS.contains(&used.as_str()) {
                problems.push(format!("the tests of `{}` use `{used}`, which its layer may not", package.name));
            }
        }
        for (used, path) in metadata.closure(id) {
            if layer.never.iter().any(|group| group.contains(&used)) {
                problems.push(format!("`{}` must never see `{used}`: {}{path}", package.name, package.name));
            }
        }
        if !layer.words.is_empty() {
            doors(layer, root, &mut problems)?;
        }
    }
    Ok(problems)
}

/// Looks for the forbidden words in a crate's own sources.
fn doors(layer: &Layer, root: &Path, problems: &mut Vec<String>) -> Result<()> {
    for file in tidy::files(&root.join("crates").join(layer.name).join("src"))? {
        let of_tests = file.file_stem().is_some_and(|stem| stem == "tests")
            || file.strip_prefix(root).is_ok_and(|path| path.iter().any(|part| part == "tests"));
        if of_tests || file.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        for (index, line) in tidy::product(&text).lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for word in layer.words.iter().filter(|word| tidy::has_word(line, word)) {
                let place = file.strip_prefix(root).unwrap_or(&file).display();
                problems.push(format!("{place}:{}: `{}` may not use `{word}`: pass it in", index + 1, layer.name));
            }
        }
    }
    Ok(())
}
