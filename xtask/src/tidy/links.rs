//! Relative links in Markdown lead somewhere.

use std::path::Path;

use super::File;

pub(super) fn check(file: &File, root: &Path, problems: &mut Vec<String>) {
    let Some(text) = file.text.as_ref().filter(|_| file.has_extension("md")) else { return };
    let folder = root.join(&file.path).parent().map_or_else(|| root.to_path_buf(), Path::to_path_buf);
    let mut is_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        for target in targets(line).filter(|_| !is_code) {
            let path = target.split('#').next().unwrap_or(target);
            let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
            if path.is_empty() || is_elsewhere || folder.join(path).exists() {
                continue;
            }
            problems.push(format!("{}:{}: the link `{target}` leads nowhere", file.path, index + 1));
        }
    }
}

/// The targets of the inline links of a line, code spans left out.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    prose.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| {
        let target = rest.split(')').next()?;
        target.split_whitespace().next()
    })
}
