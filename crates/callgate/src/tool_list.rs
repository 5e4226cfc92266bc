//! Lists of tools: from a file, or from a server.

use crate::cli::ToolsSource;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::target::Typed;
use callgate_catalog::Tool;
use callgate_control::definitions::pinned;
use callgate_policy::Definition;
use std::path::Path;

/// The bytes of a file; `-` is standard input.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| unreadable(path, &error))
}

/// The failure of a file that can't be read.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("can't read `{}`: {error}", path.display());
    Failure::cannot_run("CG3050", message, "name a file that this user can read, or `-` for standard input")
}

/// A `tools/list` answer from where the options say.
pub(crate) fn fetch(source: &ToolsSource, environment: &Environment) -> Result<Vec<u8>, Failure> {
    if let Some(path) = &source.tools {
        return read_file(path);
    }
    if source.url.is_none() && source.command.is_empty() {
        let remedy = "give a `tools/list` answer in a file (`--tools FILE`), a server's URL (`--url URL`), or its command \
                      (`-- COMMAND ARGS`); `callgate server tools NAME --json` writes the list of a registered server";
        return Err(Failure::cannot_run("CG3051", "there is nothing to read tools from", remedy));
    }
    let (url, headers, command) = (source.url.clone(), source.header.clone(), source.command.clone());
    let target = Typed { url, headers, command, ..Typed::default() }.target()?;
    let list = crate::commands::runtime()?.block_on(crate::client::tools(&target, environment))?;
    Ok(list.get().as_bytes().to_vec())
}

/// The tools of a `tools/list` answer, as the catalogue reads them.
pub(crate) fn tools(bytes: &[u8]) -> Result<Vec<Tool>, Failure> {
    Tool::from_list(bytes).map_err(|error| {
        let remedy = "`callgate server tools NAME --json` writes such a list";
        Failure::cannot_run("CG3053", error.to_string(), remedy)
    })
}

/// The definitions of a `tools/list` answer in a file: they count as pinned, and are classified.
pub(crate) fn definitions(path: &Path) -> Result<Vec<Definition>, Failure> {
    let bytes = read_file(path)?;
    tools(&bytes).map_err(|mut failure| {
        failure.message = format!("`{}`: {}", path.display(), failure.message);
        failure
    })?;
    let document = callgate_json::parse(&bytes, &callgate_json::Limits::default());
    let document = document.map_err(|error| Failure::cannot_run("CG3053", error.to_string(), ""))?;
    let list = document.get("result").unwrap_or(&document);
    let list = list.get("tools").unwrap_or(list).as_array().unwrap_or_default();
    let definition = |value: &callgate_json::Value<'_>| {
        let name = value.get("name")?.as_str()?;
        Some(pinned(name, &String::from_utf8_lossy(value.bytes(&bytes)), ""))
    };
    Ok(list.iter().filter_map(definition).collect())
}
