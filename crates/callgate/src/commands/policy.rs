//! `callgate policy`: write, check, test and publish policies.

mod check;
mod explain;
mod publish;

use crate::cli::PolicyCommand;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use std::path::Path;

/// Runs a `policy` command.
pub(super) fn run(command: PolicyCommand, environment: &Environment) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Check { file, tools, json } => check::check(&file, tools.as_deref(), json.json),
        PolicyCommand::Test { file, tools, json } => check::test(&file, tools.as_deref(), json.json),
        PolicyCommand::Explain(args) => explain::run(&args),
        PolicyCommand::Convert(args) => check::convert(&args.file),
        PolicyCommand::Recommend(args) => {
            let list = tool_list::fetch(&args.source, environment)?;
            let policy = callgate_catalog::recommend(&tool_list::tools(&list)?).map_err(|error| {
                Failure::cannot_run("CG3053", error.to_string(), "split the list, and attach one policy to each part")
            })?;
            output::text(&policy);
            Ok(Exit::Yes)
        }
        PolicyCommand::Schema => {
            output::text(&callgate_policy::schema());
            Ok(Exit::Yes)
        }
        PolicyCommand::Publish { file, expect, policy } => publish::publish(&file, expect, &policy, environment),
        PolicyCommand::List { server, data, json } => publish::list(server.as_deref(), &data, json.json, environment),
        PolicyCommand::Show { version, policy } => publish::document(version, &policy, environment),
        PolicyCommand::History { policy } => publish::history(&policy, environment),
        PolicyCommand::Rollback { to, policy } => publish::rollback(to, &policy, environment),
        PolicyCommand::Delete { detach, policy } => publish::delete(detach, &policy, environment),
    }
}

/// How messages call a file.
fn label(file: &Path) -> String {
    if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() }
}
