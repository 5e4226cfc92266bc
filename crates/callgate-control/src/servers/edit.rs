//! Registering servers, changing and removing them. The steps are for `apply` and the configuration file, too.

use super::credentials::{keep, opened, public};
use super::requests::{CommandPlace, Credentials, NewPlace, NewServer, ServerPatch, UrlPlace};
use super::rows::{Removed, ServerRow, recorded, settings};
use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::change::{Editing, Step};
use crate::control::Control;
use crate::error::{Error, Kind};
use crate::names;
use crate::precondition::Precondition;
use crate::settings::Settings;
use crate::target::{PublicTarget, Target};
use callgate_store::{Origin, Server, Stored};
use serde_json::{Value, json};

impl Control {
    /// Registers a server. CG3040, CG3042.
    pub async fn add_server(&self, caller: &Caller, new: NewServer) -> Result<ServerRow, Error> {
        let cleared = caller.clear(Permission::ManageServers, Scope::Organisation)?;
        self.check_server(&new.target, &new.settings)?;
        names::server_name(&new.name)?;
        if new.target.is_command() {
            self.may_run(&cleared).await?;
        }
        let mut editing = self.edit(&cleared).await?;
        let record = self.add_in(&mut editing, new, names::new_uuid()?, Origin::Manual).await?;
        let stored = Stored { record, changed: editing.revision(), removed: None };
        editing.finish(self).await?;
        self.row(&self.reads(&cleared), &stored, &self.grant_counts(&cleared)).await
    }

    /// Changes where a server is and how it is treated, not its name nor its credentials. CG3040, CG3041, CG3046,
    /// CG3117, CG3118.
    pub async fn edit_server(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
        patch: ServerPatch,
    ) -> Result<ServerRow, Error> {
        let runs = patch.target.as_ref().is_some_and(|place| matches!(place, NewPlace::Command(_)));
        self.changed(
            caller,
            wanted,
            condition,
            |_| runs,
            async |editing, server| {
                let mut target = opened(&server, editing.organisation(), &self.inner.vault)?;
                if let Some(place) = patch.target {
                    target = moved(&server.name, target, place)?;
                }
                let chosen = patch.settings.unwrap_or_else(|| settings(&server));
                self.check_server(&target, &chosen)?;
                self.put_in(editing, server, &target, &chosen).await
            },
        )
        .await
    }

    /// Replaces the credentials of a server. CG3040, CG3041, CG3046, CG3118.
    pub async fn set_credentials(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
        credentials: Credentials,
    ) -> Result<ServerRow, Error> {
        // A variable can say what a command does as well as its arguments: `NODE_OPTIONS`, `LD_PRELOAD`.
        let runs = |server: &Server| public(server).is_ok_and(|target| target.bare().is_command());
        self.changed(caller, wanted, condition, runs, async |editing, mut server| {
            // Not what was there before: where it can't be opened any more, this is the way out.
            let target = public(&server)?.bare();
            let values = match (target.is_command(), credentials.headers, credentials.env) {
                (false, headers, None) => headers,
                (true, None, env) => env,
                (false, _, Some(_)) => return Err(unusable("`env` is for commands, and the server has a URL")),
                (true, Some(_), _) => return Err(unusable("`headers` are for URLs, and the server is a command")),
            };
            let target = target.with_secrets(values.unwrap_or_default());
            self.check_server(&target, &Settings::default())?;
            let names = |server: &Server| json!({ "names": public(server).map(|public| public.names().to_vec()).ok() });
            let before = names(&server);
            keep(&mut server, &target, editing.organisation(), &self.inner.vault)?;
            editing.change.update(&server).await?;
            let object = format!("server/{}/credentials", server.name);
            editing.step(Step { what: "server credentials", object, before, after: names(&server) }).await?;
            Ok(server)
        })
        .await
    }

    /// Removes a server, its policies and its grants. CG3041, CG3046, CG3118.
    pub async fn remove_server(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
    ) -> Result<Removed, Error> {
        let (cleared, found) = self.server_for(caller, Permission::ManageServers, wanted).await?;
        let mut editing = self.edit(&cleared).await?;
        let stored = current(&mut editing, &found.record, condition).await?;
        let removed = Removed { removed: stored.record.name.clone() };
        let id = stored.record.id.clone();
        self.remove_in(&mut editing, stored.record).await?;
        editing.finish(self).await?;
        self.note_removal(cleared.caller().organisation(), &id, &removed.removed).await;
        Ok(removed)
    }

    /// The step that registers a server; what is new was checked.
    pub(crate) async fn add_in(
        &self,
        editing: &mut Editing<'_>,
        new: NewServer,
        id: String,
        origin: Origin,
    ) -> Result<Server, Error> {
        let NewServer { name, target, settings } = new;
        if editing.change.named::<Server>(None, &name).await?.is_some() {
            let message = format!("there is a server `{name}` already");
            let remedy = "choose another name, or `callgate server remove` it first";
            return Err(Error::new(Kind::Conflict, "CG3042", message, remedy));
        }
        let mut server = Server {
            id,
            name,
            target: String::new(),
            sealed: Vec::new(),
            key_version: 0,
            settings: written(&settings),
            origin,
            created: editing.at(),
        };
        keep(&mut server, &target, editing.organisation(), &self.inner.vault)?;
        editing.change.insert(&server).await?;
        let object = format!("server/{}", server.name);
        editing.step(Step { what: "server add", object, before: Value::Null, after: recorded(&server) }).await?;
        Ok(server)
    }

    /// The step that puts another target and other settings into a server's record; they were checked. Nothing happens
    /// where they are those that are there.
    pub(crate) async fn put_in(
        &self,
        editing: &mut Editing<'_>,
        mut server: Server,
        target: &Target,
        chosen: &Settings,
    ) -> Result<Server, Error> {
        let before = recorded(&server);
        let same = opened(&server, editing.organisation(), &self.inner.vault).is_ok_and(|there| there == *target);
        if same && settings(&server) == *chosen {
            return Ok(server);
        }
        if !same {
            keep(&mut server, target, editing.organisation(), &self.inner.vault)?;
        }
        server.settings = written(chosen);
        editing.change.update(&server).await?;
        let object = format!("server/{}", server.name);
        editing.step(Step { what: "server edit", object, before, after: recorded(&server) }).await?;
        Ok(server)
    }

    /// The step that removes a server with all that hangs on it.
    pub(crate) async fn remove_in(&self, editing: &mut Editing<'_>, server: Server) -> Result<(), Error> {
        editing.change.remove::<Server>(&server.id, editing.at()).await?;
        editing.change.forget_definitions(&server.id).await?;
        let object = format!("server/{}", server.name);
        editing.step(Step { what: "server remove", object, before: recorded(&server), after: Value::Null }).await
    }

    /// Whether a target can be a server with these settings. CG3040.
    pub(crate) fn check_server(&self, target: &Target, settings: &Settings) -> Result<(), Error> {
        target.check()?;
        self.inner.upstreams.check(target).map_err(|why| {
            Error::new(Kind::Invalid, "CG3040", format!("`target`: {why}"), "correct the URL or the credentials")
        })?;
        settings.check().map_err(|wrong| {
            let message = format!("`settings.{}`: {}", wrong.key, wrong.why);
            Error::new(Kind::Invalid, "CG3040", message, wrong.remedy)
        })?;
        match settings.of_commands().filter(|_| !target.is_command()) {
            Some(key) => Err(unusable(&format!("`settings.{key}` is for commands, and the target has a URL"))),
            None => Ok(()),
        }
    }

    /// Whether the caller may say what the gateway runs. A command is the gateway's user: it reaches the keys, and what
    /// other organisations have. CG3110.
    pub(crate) async fn may_run(&self, cleared: &Cleared<'_>) -> Result<(), Error> {
        if cleared.sees_all() && self.is_everything(cleared.caller()).await? {
            return Ok(());
        }
        let message = "a command runs as the gateway itself, and your role does not reach all that it reaches";
        let remedy = "use a server with a URL, or ask who handles the whole instance (where there is one organisation, \
                      its admins do)";
        Err(Error::new(Kind::Forbidden, "CG3110", message, remedy))
    }

    /// Changes the record of a server, for a caller that may, where it is the one that the caller means.
    async fn changed(
        &self,
        caller: &Caller,
        wanted: &str,
        condition: Precondition,
        runs: impl FnOnce(&Server) -> bool,
        edit: impl AsyncFnOnce(&mut Editing<'_>, Server) -> Result<Server, Error>,
    ) -> Result<ServerRow, Error> {
        let (cleared, found) = self.server_for(caller, Permission::ManageServers, wanted).await?;
        if runs(&found.record) {
            self.may_run(&cleared).await?;
        }
        let mut editing = self.edit(&cleared).await?;
        let stored = current(&mut editing, &found.record, condition).await?;
        let steps = editing.steps();
        let record = edit(&mut editing, stored.record).await?;
        let changed = if editing.steps() == steps { stored.changed } else { editing.revision() };
        if changed != stored.changed {
            editing.finish(self).await?;
        }
        let stored = Stored { record, changed, removed: None };
        self.row(&self.reads(&cleared), &stored, &self.grant_counts(&cleared)).await
    }
}

/// The record as it is now, where it is what the request is about and the API may change it.
async fn current(editing: &mut Editing<'_>, found: &Server, condition: Precondition) -> Result<Stored<Server>, Error> {
    let what = format!("the server `{}`", found.name);
    let stored = editing.change.get::<Server>(&found.id).await?.ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            "CG3041",
            format!("{what} is not there any more"),
            "`callgate server list` shows them",
        )
    })?;
    condition.check_update(&what, stored.changed)?;
    if stored.record.origin == Origin::File {
        let message = format!("{what} is declared in the configuration file");
        return Err(Error::new(Kind::Conflict, "CG3046", message, "edit that file, then send SIGHUP or restart"));
    }
    Ok(stored)
}

/// The target in its new place, with the credentials that it had. They were given for one origin: who may change the
/// address must not be able to send them to another one, because nobody may read them.
fn moved(name: &str, target: Target, place: NewPlace) -> Result<Target, Error> {
    let bare = match place {
        NewPlace::Url(UrlPlace { url }) => PublicTarget::Url { url, headers: Vec::new() },
        NewPlace::Command(CommandPlace { command, args, env_from, cwd }) => {
            PublicTarget::Command { command, args, env: Vec::new(), env_from, cwd }
        }
    };
    let bare = bare.bare();
    if !target.secrets().is_empty() && !same_owner(&target, &bare) {
        let message = format!("the credentials of `{name}` are for where it was, not for another place");
        let remedy = "remove them first (`PUT …/credentials` with `{}`), then move it, then set those of the new place";
        return Err(Error::new(Kind::Conflict, "CG3117", message, remedy));
    }
    Ok(bare.with_secrets(target.secrets().clone()))
}

/// Whether the one that gets the credentials stays the same: the origin of a URL, a command with its arguments, which
/// say what `npx`, `sh` or `docker` does with them.
fn same_owner(one: &Target, other: &Target) -> bool {
    match (one, other) {
        (Target::Url { url: one, .. }, Target::Url { url: other, .. }) => {
            let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin());
            origin(one).is_some_and(|one| Some(one) == origin(other))
        }
        (
            Target::Command { command: one, args: ones, cwd: here, .. },
            Target::Command { command: other, args: others, cwd: there, .. },
        ) => (one, ones, here) == (other, others, there),
        _ => false,
    }
}

fn written(settings: &Settings) -> String {
    serde_json::to_value(settings).unwrap_or_default().to_string()
}

fn unusable(message: &str) -> Error {
    Error::new(Kind::Invalid, "CG3040", message, "remove it, or make it the other kind of server")
}
