//! A page that begins with what is recommended for the server's tools: `?recommended`.

use super::draft;
use super::tools::{Origin, Tools};
use crate::Console;
use crate::builder::Action;
use std::sync::Arc;

/// So many tools that stay as they are are named.
const MOST: usize = 10;

/// The text with every tool as it is recommended, and what there is to say about it. None where that was not done.
pub(super) async fn begin(
    console: &Console,
    who: &str,
    text: String,
    tools: Arc<Tools>,
    is_published: bool,
) -> Option<(String, Vec<String>)> {
    if tools.facts.is_empty() {
        let why = match &tools.origin {
            Origin::Unknown(why) => format!("Nothing is recommended: the tools are not known. {why}"),
            Origin::Nobody => "Nothing is recommended: choose a server, for its tools.".to_owned(),
            Origin::Pinned | Origin::Asked => "Nothing is recommended: the server lists no tools.".to_owned(),
        };
        return Some((text, vec![why]));
    }
    let before = text.clone();
    let click = Action::Recommended { tool: None };
    let (text, mut said) = console.work.run(who, move || draft::applied(text, &click, &tools)).await?;
    let words = match (text == before, is_published) {
        // What stood in the way is said already.
        (true, _) if !said.is_empty() => return Some((text, said)),
        (true, _) => "Every tool is as recommended already.",
        (false, false) => "The recommended policy for these tools: nothing of it is in force until you publish it.",
        (false, true) => {
            "What is recommended for each tool is put into what was published: nothing of it is in force until you publish it."
        }
    };
    let rest = said.len().saturating_sub(MOST);
    said.truncate(MOST);
    said.extend((rest > 0).then(|| format!("{rest} more tools stay as they are.")));
    said.insert(0, words.to_owned());
    Some((text, said))
}
