//! The environment variables of the process, read once in `main` and passed on from there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// A snapshot of the process's environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    variables: Arc<BTreeMap<String, OsString>>,
}

impl Environment {
    /// What this process was started with. Names that are no UTF-8 can't be asked for and are left out.
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { variables: Arc::new(variables.collect()) }
    }

    /// An environment with exactly these variables.
    #[cfg(test)]
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(*value)));
        Self { variables: Arc::new(variables.collect()) }
    }

    /// A variable's text; `None` where it is unset, empty or no UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.to_str().filter(|text| !text.is_empty())
    }

    /// A variable as a path; `None` where it is unset or empty.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A variable exactly as it is; `None` where it is unset.
    pub(crate) fn raw(&self, name: &str) -> Option<&OsString> {
        self.variables.get(name)
    }

    /// The names that begin with `prefix`, in order.
    pub(crate) fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}
