//! The gateway's end: charges what a connection asks for, and keeps its calls in flight.

use super::message::{Answer, DecisionMessage, Request};
use super::{RemoteError, read_line};
use crate::decider::Decider;
use crate::permit::{Ending, InFlight};
use callgate_policy::Decision;
use std::collections::HashMap;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};

/// Serves one connection of a remote decider until it ends. Its opening line has been read, its peer checked
/// ([`check_peer`](super::check_peer)).
///
/// Calls that are in flight when it ends, however it ends, keep their charges and are recorded as broken off.
pub async fn serve_connection<R, W>(mut reader: R, mut writer: W, decider: &Decider) -> Result<(), RemoteError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Some(local) = decider.here() else {
        return Err(RemoteError::Protocol("a remote decider can't be charged through".to_owned()));
    };
    let key = hex::encode(local.key().as_bytes());
    answer(&mut writer, &Answer::Hello { key: key.into() }).await?;
    let mut in_flight: HashMap<u64, InFlight> = HashMap::new();
    let mut line = Vec::new();
    while read_line(&mut reader, &mut line).await? {
        let request = serde_json::from_slice(&line).map_err(|error| RemoteError::Protocol(error.to_string()))?;
        match request {
            Request::Settle { number, ending } => match in_flight.remove(&number) {
                Some(call) => call.settle(Ending::from(&ending)),
                None => return Err(RemoteError::Protocol(format!("no call {number} is in flight"))),
            },
            // Where it can't be recorded, that is counted here.
            Request::Withheld { record } => drop(local.withheld(&record)),
            Request::Weigh { number, decision } => {
                let decision = local.weigh(understood(&decision)?);
                answer(&mut writer, &Answer::Weighed { number, decision: (&decision).into() }).await?;
            }
            Request::Charge { number, decision, about } => {
                if in_flight.contains_key(&number) {
                    return Err(RemoteError::Protocol(format!("call {number} is in flight already")));
                }
                let decision = understood(&decision)?;
                match local.charge(decision, about).await {
                    Ok(permit) => {
                        // The other end may let the call leave at any moment from here on, so it counts as gone.
                        let id = permit.id();
                        in_flight.insert(number, permit.depart());
                        answer(&mut writer, &Answer::Permit { number, id }).await?;
                    }
                    Err(refused) => answer(&mut writer, &Answer::refused(number, &refused)).await?,
                }
            }
        }
    }
    Ok(())
}

fn understood(decision: &DecisionMessage<'_>) -> Result<Decision, RemoteError> {
    Decision::try_from(decision).map_err(|error| RemoteError::Protocol(error.to_string()))
}

async fn answer<W: AsyncWrite + Unpin>(writer: &mut W, answer: &Answer<'_>) -> Result<(), RemoteError> {
    let mut line = serde_json::to_vec(answer).map_err(|error| RemoteError::Protocol(error.to_string()))?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(writer.flush().await?)
}
