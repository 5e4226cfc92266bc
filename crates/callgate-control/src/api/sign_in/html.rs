//! The pages as text. Everything from outside goes through [`Escaped`].

use crate::error::Error;
use std::fmt::{self, Display, Formatter};

/// One of the pages.
pub(super) enum Page<'a> {
    /// Login and password.
    Form {
        /// The login that was typed before.
        login: &'a str,
        /// The organisation that was typed before.
        organisation: &'a str,
        /// Where it leads.
        next: Option<&'a str>,
        /// Why it did not work.
        problem: Option<&'a Error>,
    },
    /// A button that uses a one-time link.
    Link {
        /// Its secret.
        link: &'a str,
    },
    /// Something that is in the way.
    Problem {
        /// What it is.
        error: &'a Error,
    },
}

/// Text that can't become markup.
pub(in crate::api) struct Escaped<'a>(pub(in crate::api) &'a str);

/// The end of every page.
pub(in crate::api) const FOOT: &str = "</main>\n</body>\n</html>\n";

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let title = match self {
            Self::Problem { .. } => "Not possible",
            Self::Form { .. } | Self::Link { .. } => "Sign in",
        };
        head(f, title, "", "")?;
        match self {
            Self::Form { login, organisation, next, problem } => form(f, (login, organisation), *next, *problem)?,
            Self::Link { link } => confirm(f, link)?,
            Self::Problem { error } => alert(f, error)?,
        }
        f.write_str(FOOT)
    }
}

/// The beginning of every page. `class` is an attribute of its body, `more` goes into its head: both are markup.
pub(in crate::api) fn head(f: &mut Formatter<'_>, title: &str, class: &str, more: &str) -> fmt::Result {
    write!(
        f,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n{more}<title>{title} · Callgate</title>\n\
         <link rel=\"stylesheet\" href=\"/sign-in/style.css\">\n</head>\n<body{class}>\n<main>\n\
         <p class=\"name\">Callgate</p>\n<h1>{title}</h1>\n"
    )
}

fn form(
    f: &mut Formatter<'_>,
    (login, organisation): (&str, &str),
    next: Option<&str>,
    problem: Option<&Error>,
) -> fmt::Result {
    if let Some(error) = problem {
        alert(f, error)?;
    }
    let (login, organisation) = (Escaped(login), Escaped(organisation));
    f.write_str("<form method=\"post\" action=\"/sign-in\">\n")?;
    if let Some(next) = next.map(Escaped) {
        writeln!(f, "<input type=\"hidden\" name=\"next\" value=\"{next}\">")?;
    }
    write!(
        f,
        "<label for=\"login\">Login</label>\n\
         <input id=\"login\" name=\"login\" value=\"{login}\" autocomplete=\"username\" autocapitalize=\"none\" \
         spellcheck=\"false\" maxlength=\"254\" required autofocus>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" maxlength=\"1024\" \
         required>\n\
         <label for=\"organisation\">Organisation</label>\n\
         <input id=\"organisation\" name=\"organisation\" value=\"{organisation}\" autocomplete=\"organization\" \
         autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"64\" required>\n\
         <button type=\"submit\">Sign in</button>\n</form>\n\
         <p class=\"hint\">No password yet, or forgotten? An admin makes a one-time link: \
         <code>callgate member link LOGIN</code>.</p>\n"
    )
}

fn confirm(f: &mut Formatter<'_>, link: &str) -> fmt::Result {
    let link = Escaped(link);
    write!(
        f,
        "<p>This link signs you in once.</p>\n<form method=\"post\" action=\"/sign-in\">\n\
         <input type=\"hidden\" name=\"link\" value=\"{link}\">\n\
         <button type=\"submit\" autofocus>Sign in</button>\n</form>\n"
    )
}

/// What is in the way, and what to do about it.
pub(in crate::api) fn alert(f: &mut Formatter<'_>, error: &Error) -> fmt::Result {
    let (message, remedy, code) = (Escaped(&error.message), Escaped(&error.remedy), Escaped(error.code));
    writeln!(f, "<div class=\"problem\" role=\"alert\">\n<p>{message}</p>\n<p>{remedy} <code>{code}</code></p>\n</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let bad = "\"><script>alert('x')</script>&";
        for page in
            [Page::Form { login: bad, organisation: bad, next: Some(bad), problem: None }, Page::Link { link: bad }]
        {
            let text = page.to_string();
            assert!(!text.contains("<script") && text.contains("&lt;script&gt;alert(&#39;x&#39;)"), "{text}");
        }
    }
}
