//! The reference of all commands, `docs/cli.md`, generated from the grammar.

use clap::Command;
use std::fmt::Write;

/// The reference as Markdown.
pub(crate) fn markdown(mut root: Command) -> String {
    root.build();
    let mut text = String::from("# Command line\n\nGenerated from the program: `callgate __help-markdown`.\n");
    section(&mut text, &mut root, &[]);
    text
}

fn section(text: &mut String, command: &mut Command, parents: &[String]) {
    let mut names = parents.to_vec();
    names.push(command.get_name().to_owned());
    let help = command.clone().term_width(100).render_long_help().to_string();
    // Writing to a string can't fail.
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(text, "\n## `{}`\n\n```text\n{}\n```\n", names.join(" "), lines.join("\n"));
    for child in command.get_subcommands_mut() {
        if !child.is_hide_set() && child.get_name() != "help" {
            section(text, child, &names);
        }
    }
}
