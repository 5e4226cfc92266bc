//! The licences of everything that is built in, from `cargo metadata`.

use crate::metadata::Metadata;

/// Licences that the project takes as they are.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
    "0BSD",
    "BSL-1.0",
];

/// Single packages under another licence, each with the reason why that is fine.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("borrow-or-share", "MIT-0", "MIT without the duty to name the author: asks for less than MIT"),
    ("webpki-roots", "CDLA-Permissive-2.0", "Mozilla's list of roots, as data; asks only that its licence goes along"),
];

/// Every package whose licence is not allowed, and every exception that nothing needs any more.
pub(crate) fn problems(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    let mut needed = Vec::new();
    for package in metadata.packages.values() {
        let Some(licence) = &package.licence else {
            problems.push(format!("`{} {}` names no licence", package.name, package.version));
            continue;
        };
        if is_allowed(licence, ALLOWED) {
            continue;
        }
        match EXCEPTIONS.iter().find(|(name, excepted, _)| *name == package.name && excepted == licence) {
            Some(exception) => needed.push(exception),
            None => problems.push(format!("`{} {}` is under `{licence}`", package.name, package.version)),
        }
    }
    for exception in EXCEPTIONS.iter().filter(|exception| !needed.contains(exception)) {
        problems.push(format!("the exception for `{}` ({}: {}) is not needed", exception.0, exception.1, exception.2));
    }
    problems
}

/// Whether an SPDX expression can be met with allowed licences only. `/` is the older spelling of `OR`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { tokens: &tokens, at: 0, allowed };
    reader.any() && reader.at == tokens.len()
}

struct Reader<'t> {
    tokens: &'t [&'t str],
    at: usize,
    allowed: &'t [&'t str],
}

impl Reader<'_> {
    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let Some(name) = self.tokens.get(self.at) else { return false };
        self.at += 1;
        if !self.take("WITH") {
            return self.allowed.contains(name);
        }
        let exception = self.tokens.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        self.allowed.contains(&format!("{name} WITH {exception}").as_str())
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, is_allowed};

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT AND GPL-3.0", false),
            ("ISC AND (Apache-2.0 OR OpenSSL)", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("GPL-2.0 OR MIT AND CC0-1.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("MIT)", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression, ALLOWED), expected, "{expression}");
        }
    }
}
