//! How far a server's event stream was read, to take it up again where it ends before its time (MCP 2025-11-25
//! "Resumability and Redelivery").

use callgate_mcp::SseEvent;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// Before a client comes back, where the server says nothing about it.
const WAIT: Duration = Duration::from_secs(1);
/// The shortest and the longest that a server may have a client wait.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The last event of a stream, and when to come back for the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    last: Option<HeaderValue>,
    retry: Option<Duration>,
}

impl Place {
    /// Notes an event that was read.
    pub(crate) fn note(&mut self, event: &SseEvent) {
        if let Some(id) = &event.id {
            // An empty id takes back the one before.
            self.last = HeaderValue::from_bytes(id).ok().filter(|id| !id.is_empty());
        }
        self.retry = event.retry.map(Duration::from_millis).or(self.retry);
    }

    /// Whether there is an event to go on from.
    pub(crate) fn is_known(&self) -> bool {
        self.last.is_some()
    }

    /// How long to wait before the stream is asked for again.
    pub(crate) fn wait(&self) -> Duration {
        self.retry.unwrap_or(WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }

    /// Says where to go on.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(last) = &self.last {
            headers.insert(HeaderName::from_static("last-event-id"), last.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_and_the_last_time_count() {
        let mut place = Place::default();
        assert_eq!((place.is_known(), place.wait()), (false, WAIT));
        let event = |id: Option<&'static str>, retry| SseEvent {
            id: id.map(|id| id.as_bytes().into()),
            retry,
            ..SseEvent::default()
        };
        for (id, retry, known, wait) in [
            (Some("a"), Some(20), Some("a"), 20),
            (None, None, Some("a"), 20),
            (Some("b"), Some(3_600_000), Some("b"), 60_000),
            (Some(""), None, None, 60_000),
            (Some("\u{1}"), Some(0), None, 10),
        ] {
            place.note(&event(id, retry));
            let mut headers = HeaderMap::new();
            place.write(&mut headers);
            let written = headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
            assert_eq!((written.as_deref(), place.is_known()), (known, known.is_some()), "{id:?}");
            assert_eq!(place.wait(), Duration::from_millis(wait));
        }
    }
}
