//! Finding a server by its name or identity, among those that the caller may see.

use crate::caller::{Caller, Cleared, Permission, Scope};
use crate::control::Control;
use crate::error::{Error, Kind};
use callgate_store::{Server, Stored};

impl Control {
    /// Finds a server by its name or identity, for a caller that may do this there. What it may not see is not there.
    pub(crate) async fn server_for<'c>(
        &self,
        caller: &'c Caller,
        permission: Permission,
        wanted: &str,
    ) -> Result<(Cleared<'c>, Stored<Server>), Error> {
        let unknown = || {
            let message = format!("there is no server `{}`", wanted.chars().take(80).collect::<String>());
            Error::new(Kind::NotFound, "CG3041", message, "`callgate server list` shows them")
        };
        let visible = caller.clear(Permission::ReadServers, Scope::Visible)?;
        let reads = self.reads(&visible);
        let named = reads.named::<Server>(None, wanted).await?;
        let found = match named {
            Some(server) => Some(server),
            None => reads.get::<Server>(wanted).await?,
        };
        let server = found.filter(|server| visible.sees(&server.record.id)).ok_or_else(unknown)?;
        let cleared = caller.clear(permission, Scope::Server(&server.record.id))?;
        Ok((cleared, server))
    }
}
