//! What `cargo metadata` says about the workspace and everything it is built from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;

/// The resolved packages of the workspace.
pub(crate) struct Metadata {
    /// Every package of the build, by its opaque id.
    pub(crate) packages: BTreeMap<String, Package>,
    /// Ids of the workspace's own packages.
    pub(crate) members: Vec<String>,
    /// Where cargo puts what it builds.
    pub(crate) target: PathBuf,
}

/// One package and what it was resolved to use.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Ids of the packages it is linked with.
    pub(crate) normal: BTreeSet<String>,
    /// Ids of the packages its tests are linked with.
    pub(crate) dev: BTreeSet<String>,
}

impl Metadata {
    /// Asks cargo; needs the lock file to be up to date.
    pub(crate) fn load() -> Result<Self> {
        let text = shell::output(&mut shell::cargo(["metadata", "--format-version", "1"]))?;
        let value: Value = serde_json::from_str(&text).context("`cargo metadata` printed no JSON")?;
        let mut packages = BTreeMap::new();
        for package in list(&value, "/packages") {
            packages.insert(
                string(package, "/id")?,
                Package {
                    name: string(package, "/name")?,
                    version: string(package, "/version")?,
                    licence: package.pointer("/license").and_then(Value::as_str).map(str::to_owned),
                    normal: BTreeSet::new(),
                    dev: BTreeSet::new(),
                },
            );
        }
        for node in list(&value, "/resolve/nodes") {
            let id = string(node, "/id")?;
            let package = packages.get_mut(&id).with_context(|| format!("`{id}` is resolved but not listed"))?;
            for dependency in list(node, "/deps") {
                let used = string(dependency, "/pkg")?;
                for kind in list(dependency, "/dep_kinds") {
                    match kind.pointer("/kind").and_then(Value::as_str) {
                        None => package.normal.insert(used.clone()),
                        Some("dev") => package.dev.insert(used.clone()),
                        Some(_) => false,
                    };
                }
            }
        }
        let members = list(&value, "/workspace_members").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(Self { packages, members, target: PathBuf::from(string(&value, "/target_directory")?) })
    }

    /// Names of everything that a package is linked with, directly or not, each with one path that leads there.
    pub(crate) fn closure(&self, id: &str) -> BTreeMap<&str, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![(id, String::new())];
        while let Some((at, path)) = open.pop() {
            let Some(package) = self.packages.get(at) else { continue };
            for next in &package.normal {
                let Some(used) = self.packages.get(next) else { continue };
                if found.contains_key(used.name.as_str()) {
                    continue;
                }
                let path = format!("{path} → {}", used.name);
                found.insert(used.name.as_str(), path.clone());
                open.push((next, path));
            }
        }
        found
    }
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn string(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("`cargo metadata` has no `{pointer}`"))
}
