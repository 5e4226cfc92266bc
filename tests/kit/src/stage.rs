//! Everything a test of the whole needs: a data directory, an upstream, a policy, a grant and the running gateway.

use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;

use crate::fixture::Fixture;
use crate::gateway::{Callgate, Gateway, Grant};
use crate::rpc::Session;

/// A gateway in front of the project's own fixture server, which is registered as `fixture`.
pub struct Stage {
    /// The gateway's binary and data directory.
    pub callgate: Callgate,
    /// The upstream.
    pub fixture: Fixture,
    /// The running gateway.
    pub gateway: Gateway,
    /// A grant for the upstream.
    pub grant: Grant,
    folder: TempDir,
}

impl Stage {
    /// Sets everything up: `binary` is the gateway's, `tools` a built-in list or a file, `policy` the document.
    pub fn set(binary: &str, tools: &str, policy: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let callgate = Callgate::new(binary, folder.path().join("data"));
        let fixture = Fixture::start(&callgate, tools, &folder.path().join("fixture.log"))?;
        callgate.add_url("fixture", &fixture.url())?;
        callgate.publish("fixture", policy)?;
        let grant = callgate.mint("fixture", "stage")?;
        let gateway = callgate.up()?;
        Ok(Self { callgate, fixture, gateway, grant, folder })
    }

    /// A path in the stage's own folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Opens a legacy session through the gateway.
    pub fn session(&self) -> Result<Session> {
        Session::open(self.gateway.address, &Gateway::path("fixture"), Some(&self.grant.token))
    }
}
