//! The credentials of a server between its target and its record, where they are sealed.

use crate::error::{Error, Kind};
use crate::secret::Secret;
use crate::target::{PublicTarget, Target};
use crate::vault::{Place, Vault};
use callgate_store::Server;
use std::collections::BTreeMap;

/// Puts a target into a record: what is public as it is, the credentials sealed.
pub(crate) fn keep(server: &mut Server, target: &Target, organisation: &str, vault: &Vault) -> Result<(), Error> {
    server.target = text(&target.public());
    match target.values() {
        Some(values) => {
            let sealed = vault.seal(Place::of_server(organisation, &server.id), &values)?;
            server.sealed = sealed.bytes;
            server.key_version = sealed.version;
        }
        None => {
            server.sealed = Vec::new();
            server.key_version = 0;
        }
    }
    Ok(())
}

/// The target of a record, with its credentials. CG3103, CG3113, CG3114.
pub(crate) fn opened(server: &Server, organisation: &str, vault: &Vault) -> Result<Target, Error> {
    let public = public(server)?;
    let mut names = public.names().to_vec();
    let values: BTreeMap<String, Secret> = if server.sealed.is_empty() {
        BTreeMap::new()
    } else {
        let plain = vault.open(Place::of_server(organisation, &server.id), server.key_version, &server.sealed)?;
        serde_json::from_slice(&plain).map_err(|_| broken(server, "its credentials are no texts"))?
    };
    names.sort_unstable();
    // Without the one that is missing, the server would be asked as somebody else.
    if !names.iter().eq(values.keys()) {
        return Err(broken(server, "its credentials are not those that its target names"));
    }
    Ok(public.bare().with_secrets(values))
}

/// What of a record's target everybody may see. CG3103.
pub(crate) fn public(server: &Server) -> Result<PublicTarget, Error> {
    serde_json::from_str(&server.target).map_err(|_| broken(server, "its target is not what this version writes"))
}

/// The target of a record that can't be opened, without credentials.
pub(crate) fn bare(server: &Server) -> Target {
    let nowhere = || Target::Url { url: "http://127.0.0.1:0/".to_owned(), headers: BTreeMap::new() };
    public(server).map_or_else(|_| nowhere(), PublicTarget::bare)
}

/// JSON of a value that is made of texts.
fn text(public: &PublicTarget) -> String {
    serde_json::to_value(public).unwrap_or_default().to_string()
}

fn broken(server: &Server, why: &str) -> Error {
    let message = format!("the record of the server `{}` can't be used: {why}", server.name);
    let remedy = "set its credentials again, or restore a backup of the database";
    Error::new(Kind::Unavailable, "CG3103", message, remedy)
}
