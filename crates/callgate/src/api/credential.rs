//! What stands for the caller: `CALLGATE_TOKEN`, else the login, else what the first use of a data directory left.

use super::{Logins, Place};
use crate::environment::Environment;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The credentials that there are, best first.
pub(crate) struct Credentials {
    /// What was set for scripts, or a login.
    chosen: Option<Zeroizing<String>>,
    /// What the first use of the data directory left; taken only where nothing else is there and one is needed.
    left: Option<PathBuf>,
    remedy: String,
}

impl Credentials {
    /// The credentials for a gateway.
    pub(super) fn of(place: &Place, environment: &Environment) -> Result<Self, Failure> {
        let left = match place {
            Place::Directory(data) => Some(data.admin_token()),
            Place::Url(_) => None,
        };
        let remedy = match &left {
            Some(path) => format!(
                "sign in with `callgate login`, or put a credential into `CALLGATE_TOKEN`, or the first one back into `{}`",
                path.display()
            ),
            None => "sign in with `callgate login --url …`, or put a credential into `CALLGATE_TOKEN`".to_owned(),
        };
        // A grant's token stands there for `bridge`; it opens servers and nothing here.
        let set = environment.text("CALLGATE_TOKEN").filter(|token| !token.starts_with("cg_"));
        let chosen = match set {
            Some(token) => Some(token.to_owned()),
            None => Logins::read(environment)?.of(place),
        };
        Ok(Self { chosen: chosen.map(Zeroizing::new), left, remedy })
    }

    /// Exactly this one.
    pub(super) fn only(token: String) -> Self {
        Self { chosen: Some(Zeroizing::new(token)), left: None, remedy: String::new() }
    }

    /// What to present; an error where one is needed and there is none.
    pub(super) fn present(&self, needed: bool) -> Result<Option<Zeroizing<String>>, Failure> {
        if self.chosen.is_some() || !needed {
            return Ok(self.chosen.clone());
        }
        if let Some(path) = &self.left
            && let Some(token) = read(path)?
        {
            return Ok(Some(token));
        }
        Err(Failure::no("CG3030", "this needs a credential, and there is none", self.remedy.clone()))
    }

    /// The failure of a credential that the gateway doesn't know.
    pub(super) fn refused(&self) -> Failure {
        Failure::no("CG3031", "the gateway doesn't know the credential, or it has ended", self.remedy.clone())
    }
}

/// The warning that stays until the credential is out of the agents' reach.
pub(crate) fn admin_token_remains(path: &Path) -> String {
    format!(
        "warning: every program of this user can read the admin credential `{}`; after set-up, keep it elsewhere and remove the file",
        path.display()
    )
}

/// The failure of a credential that can't be sent.
pub(super) fn unusable(why: &str) -> Failure {
    Failure::no("CG3031", format!("the credential can't be one: {why}"), "put another one into `CALLGATE_TOKEN`")
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(token) => {
            let token = Zeroizing::new(token);
            Ok(Some(Zeroizing::new(token.trim().to_owned())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("can't read `{}`: {error}", path.display());
            Err(Failure::cannot_run("CG3010", message, "give this user the right to read it, or set `CALLGATE_TOKEN`"))
        }
    }
}
