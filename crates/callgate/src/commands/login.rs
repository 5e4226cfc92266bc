//! `callgate login` and `logout`: a session for the commands that follow.

use super::fleet::{Fleet, cell};
use crate::api::{Login, Logins, Place, Request, path};
use crate::cli::{DataArgs, LoginArgs, LogoutArgs};
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::{output, tool_list};
use hyper::Method;
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use zeroize::Zeroizing;

/// Signs in, and keeps the session.
pub(super) fn login(args: LoginArgs, environment: &Environment) -> Result<Exit, Failure> {
    let place = place(args.url.as_deref(), &args.data, environment)?;
    let body = match (&args.link, &args.login) {
        (Some(link), _) => json!({ "link": secret_of(link), "as": "token" }),
        (None, Some(login)) => {
            let password = password(args.password_file.as_deref(), login)?;
            let organisation = args.organisation.as_deref().or(environment.text("CALLGATE_ORGANISATION"));
            let organisation = organisation.unwrap_or("default");
            json!({ "organisation": organisation, "login": login, "password": &*password, "as": "token" })
        }
        (None, None) => {
            let remedy = "name a login (`callgate login ada@example.com`, elsewhere with `--url URL`), or give the \
                          one-time link that you were sent (`callgate login --link LINK`)";
            return Err(Failure::cannot_run("CG3051", "nobody is named", remedy));
        }
    };
    let fleet = Fleet::at(place.clone(), environment)?;
    let session = fleet.send(Request::of(Method::POST, path(&["sessions"], &[]), Some(&body)).anonymous())?.tree();
    let who = cell(&session, "who");
    let name = who.strip_prefix("member:").unwrap_or(&who).to_owned();
    let expires = Some(cell(&session, "expires")).filter(|text| !text.is_empty());
    let login = Login { token: cell(&session, "token"), login: name.clone(), expires: expires.clone() };
    Logins::read(environment)?.keep(&place, login, environment)?;
    if args.json.json {
        output::json(&json!({ "login": name, "at": place.key(), "expires": expires }));
    } else {
        output::text(&format!("signed in as `{name}` at {}", place.key()));
    }
    Ok(Exit::Yes)
}

/// Signs out, at the gateway and here.
pub(super) fn logout(args: &LogoutArgs, environment: &Environment) -> Result<Exit, Failure> {
    let place = place(args.url.as_deref(), &args.data, environment)?;
    let logins = Logins::read(environment)?;
    let told = logins.is_known(&place).then(|| {
        let fleet = Fleet::at(place.clone(), environment)?;
        fleet.send(Request::of(Method::DELETE, path(&["session"], &[]), None))
    });
    let known = logins.forget(&place, environment)?;
    match told {
        // Forgotten here in any case: a session that has ended already is what was wanted.
        Some(Err(failure)) if failure.code != "CG3031" => {
            output::note(&format!("warning: the gateway was not told: {failure}"));
        }
        _ => {}
    }
    output::text(&match known {
        true => format!("signed out at {}", place.key()),
        false => format!("nobody was signed in at {}", place.key()),
    });
    Ok(Exit::Yes)
}

fn place(url: Option<&str>, data: &DataArgs, environment: &Environment) -> Result<Place, Failure> {
    match url {
        Some(url) => Place::url(url),
        None => Place::of(data, environment, false),
    }
}

/// The secret of a one-time link: all of it where it is no URL.
fn secret_of(link: &str) -> &str {
    link.rsplit(['#', '/', '=']).next().unwrap_or(link)
}

fn password(file: Option<&Path>, login: &str) -> Result<Zeroizing<String>, Failure> {
    if let Some(path) = file {
        let bytes = Zeroizing::new(tool_list::read_file(path)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Failure::cannot_run(
                "CG3050",
                format!("`{}` is no UTF-8 text", path.display()),
                "write the password into it",
            )
        })?;
        return Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()));
    }
    if !std::io::stdin().is_terminal() {
        let message = "there is no terminal to ask for the password on";
        return Err(Failure::cannot_run("CG3164", message, "name its file with `--password-file`, or use a `--link`"));
    }
    ask(&format!("password of {login}: "))
}

/// Asks on the terminal, which shows nothing of the answer.
fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the password can't be read from the terminal: {error}");
        Failure::cannot_run("CG3164", message, "name its file with `--password-file`, or use a `--link`")
    };
    let _silence = Silence::begin().map_err(unreadable)?;
    let mut out = std::io::stderr().lock();
    drop(write!(out, "{prompt}").and_then(|()| out.flush()));
    let mut line = Zeroizing::new(String::with_capacity(1024));
    std::io::stdin().read_line(&mut line).map_err(unreadable)?;
    drop(writeln!(out));
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// A terminal that does not show what is typed, until this goes. Ctrl-C is typed text like any other meanwhile: it must
/// not leave the terminal silent.
struct Silence;

impl Silence {
    fn begin() -> std::io::Result<Self> {
        stty(&["-echo", "-isig"])?;
        Ok(Self)
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Nothing else can be done about a terminal that went away.
        drop(stty(&["echo", "isig"]));
    }
}

fn stty(arguments: &[&str]) -> std::io::Result<()> {
    let status = Command::new("stty").args(arguments).stdin(Stdio::inherit()).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other("`stty` can't silence it")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_its_secret_or_a_url_with_it() {
        for link in ["cgl_x-1", "http://127.0.0.1:7070/sign-in#cgl_x-1", "https://g/sign-in?link=cgl_x-1"] {
            assert_eq!(secret_of(link), "cgl_x-1");
        }
    }
}
