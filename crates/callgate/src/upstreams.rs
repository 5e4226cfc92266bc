//! Servers as the control plane asks them: whether the data plane can use one, and what its tools are.

use crate::environment::Environment;
use crate::failure::Failure;
use crate::{client, target};
use callgate_control::{Target, Upstreams};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::pin::Pin;

/// Asks servers from this process, with its environment.
pub(crate) struct Asking {
    environment: Environment,
}

impl Asking {
    /// Asks with this environment.
    pub(crate) fn new(environment: Environment) -> Self {
        Self { environment }
    }
}

impl Upstreams for Asking {
    fn check(&self, target: &Target) -> Result<(), String> {
        target::upstream(target, &self.environment).map(drop).map_err(|failure| failure.message)
    }

    fn tools<'a>(&'a self, target: &'a Target) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(async {
            /// All pages as one.
            #[derive(Deserialize)]
            struct List<'l> {
                #[serde(borrow)]
                tools: &'l RawValue,
            }
            let list = client::tools(target, &self.environment).await.map_err(|Failure { message, .. }| message)?;
            let list: List<'_> = serde_json::from_str(list.get()).map_err(|error| error.to_string())?;
            Ok(list.tools.get().to_owned())
        })
    }
}
