//! Logins that the command line keeps, one file of this user's with mode 0600.

use super::Place;
use crate::data;
use crate::environment::Environment;
use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// One login.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The session's token.
    pub token: String,
    /// Who signed in.
    pub login: String,
    /// When it ends by itself, RFC 3339, where the gateway said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// All logins of this user.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logins {
    /// The gateway elsewhere that the last login was at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    /// By data directory or URL.
    #[serde(default)]
    logins: BTreeMap<String, Login>,
}

impl Logins {
    /// Reads the file; there is none before the first login.
    pub(crate) fn read(environment: &Environment) -> Result<Self, Failure> {
        let Some(path) = path(environment) else { return Ok(Self::default()) };
        let text = match std::fs::read(&path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(broken(&path, &error.to_string())),
        };
        // Without the parser's words: they could repeat a token.
        serde_json::from_slice(&text).map_err(|error| broken(&path, &format!("no logins (line {})", error.line())))
    }

    /// The token of the login at a gateway.
    pub(super) fn of(&self, place: &Place) -> Option<String> {
        self.logins.get(&place.key()).map(|login| login.token.clone())
    }

    /// Whether there is a login at a gateway.
    pub(crate) fn is_known(&self, place: &Place) -> bool {
        self.logins.contains_key(&place.key())
    }

    /// The gateway elsewhere that commands are about.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Keeps a login, and makes a gateway elsewhere the one that commands are about.
    pub(crate) fn keep(mut self, place: &Place, login: Login, environment: &Environment) -> Result<(), Failure> {
        self.current = match place {
            Place::Url(url) => Some(url.clone()),
            Place::Directory(_) => None,
        };
        self.logins.insert(place.key(), login);
        self.write(environment)
    }

    /// Forgets the login at a gateway; whether there was one.
    pub(crate) fn forget(mut self, place: &Place, environment: &Environment) -> Result<bool, Failure> {
        let key = place.key();
        let known = self.logins.remove(&key).is_some();
        if self.current.as_ref() == Some(&key) {
            self.current = None;
        } else if !known {
            return Ok(false);
        }
        self.write(environment)?;
        Ok(known)
    }

    fn write(&self, environment: &Environment) -> Result<(), Failure> {
        let path = path(environment).ok_or_else(|| {
            let message = "this platform names no place for this user's configuration (is `HOME` set?)";
            Failure::cannot_run("CG3161", message, "set `HOME`, or use `CALLGATE_TOKEN` in place of a login")
        })?;
        if let Some(directory) = path.parent() {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| broken(&path, &error.to_string()))?;
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| broken(&path, &error.to_string()))?;
        data::replace(&path, &zeroize::Zeroizing::new(text))
    }
}

/// The directory of this user's configuration, by the XDG base directory specification; on every platform, so that
/// what is written there is where the documentation says.
fn path(environment: &Environment) -> Option<PathBuf> {
    let named = environment.path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let directory = named.or_else(|| Some(environment.path("HOME")?.join(".config")))?;
    Some(directory.join("callgate/logins.json"))
}

fn broken(path: &std::path::Path, why: &str) -> Failure {
    let message = format!("the logins in `{}` can't be used: {why}", path.display());
    Failure::cannot_run("CG3161", message, "remove the file and sign in again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_login_is_kept_for_its_gateway_and_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment::with(&[("HOME", home.path().to_str().unwrap())]);
        let place = Place::url("https://gate.example.com").unwrap();
        let login = Login { token: "cgs_secret".to_owned(), login: "ada".to_owned(), expires: None };
        assert!(!Logins::read(&environment).unwrap().forget(&place, &environment).unwrap());
        Logins::read(&environment).unwrap().keep(&place, login, &environment).unwrap();
        let kept = Logins::read(&environment).unwrap();
        assert_eq!(kept.of(&place).as_deref(), Some("cgs_secret"));
        assert_eq!(kept.current(), Some("https://gate.example.com"));
        assert_eq!(kept.of(&Place::url("https://other.example.com").unwrap()), None);
        let path = home.path().join(".config/callgate/logins.json");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(kept.forget(&place, &environment).unwrap());
        assert_eq!(Logins::read(&environment).unwrap().current(), None);
        std::fs::write(&path, "{\"logins\": {\"x\": \"cgs_hush\"}}").unwrap();
        let failure = Logins::read(&environment).err().unwrap();
        assert_eq!(failure.code, "CG3161");
        assert!(!failure.message.contains("hush"), "{failure}");
    }
}
