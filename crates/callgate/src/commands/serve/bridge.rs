//! `callgate bridge`: a stdio client of a running gateway.

use super::{Ending, runtime, start_logging};
use crate::cli::BridgeArgs;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use callgate_proxy::{HttpUpstream, Timeouts};

/// Carries messages until standard input ends.
pub(in crate::commands) fn bridge(args: BridgeArgs, environment: &Environment) -> Result<Exit, Failure> {
    start_logging(environment);
    let token = token(&args, environment)?;
    let headers = [("Authorization".to_owned(), format!("Bearer {token}"))];
    let upstream = HttpUpstream::parse(&args.url, &headers)
        .map_err(|error| Failure::cannot_run("CG3040", error.to_string(), "give the URL that `grant mint` printed"))?;
    let runtime = runtime()?;
    let carried = runtime.block_on(async {
        let mut ending = Ending::new()?;
        let carried = callgate_proxy::run_bridge(upstream, Timeouts::default(), tokio::io::stdin(), tokio::io::stdout());
        tokio::select! {
            carried = carried => carried.map_err(|error| {
                Failure::cannot_run("CG3052", error.to_string(), "check that the gateway runs and that the token is right")
            }),
            () = ending.wait() => Ok(()),
        }
    });
    // A thread that still waits for standard input must not hold up the end.
    runtime.shutdown_background();
    carried.map(|()| Exit::Yes)
}

fn token(args: &BridgeArgs, environment: &Environment) -> Result<String, Failure> {
    let token = match &args.token_file {
        Some(path) => std::fs::read_to_string(path).map_err(|error| {
            let message = format!("can't read `{}`: {error}", path.display());
            Failure::cannot_run("CG3050", message, "name a file that this user can read")
        })?,
        None => environment.text("CALLGATE_TOKEN").unwrap_or_default().to_owned(),
    };
    match token.trim() {
        "" => {
            let message = "there is no token to present to the gateway";
            Err(Failure::no("CG3030", message, "name its file with `--token-file`, or set `CALLGATE_TOKEN`"))
        }
        token => Ok(token.to_owned()),
    }
}
