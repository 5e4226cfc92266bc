//! The log of every message that reached the fixture.

use crate::options::FixtureError;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// One JSON line per message, in the operating system's hands before the message is answered.
#[derive(Debug, Default)]
pub(crate) struct MessageLog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    file: Option<File>,
    sequence: u64,
}

impl MessageLog {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, FixtureError> {
        let open = |path: &Path| {
            let file = File::options().create(true).append(true).open(path);
            file.map_err(|source| FixtureError::Log { path: path.to_owned(), source })
        };
        let file = path.map(open).transpose()?;
        Ok(Self { inner: Mutex::new(Inner { file, sequence: 0 }) })
    }

    /// Notes a message. `how` is `stdio` or the HTTP method; `text` is exactly what came, unreadable bytes replaced.
    pub(crate) fn note(&self, how: &str, headers: Option<&http::HeaderMap>, text: &[u8]) -> io::Result<()> {
        let message: Value = serde_json::from_slice(text).unwrap_or(Value::Null);
        let mut line = json!({
            "how": how,
            "method": message.get("method"),
            "tool": message.pointer("/params/name"),
            "id": message.get("id"),
            "text": String::from_utf8_lossy(text),
        });
        if let (Some(headers), Some(line)) = (headers, line.as_object_mut()) {
            line.insert("headers".into(), headers_json(headers));
        }
        self.write(line)
    }

    /// Notes something that is no message: that a request was cancelled, that a signal came.
    pub(crate) fn event(&self, event: &str, id: &Value, tool: Option<&Value>, text: &str) {
        let line = json!({"how": "event", "event": event, "method": null, "tool": tool, "id": id, "text": text});
        // What a test then misses in the log says enough.
        let _ = self.write(line);
    }

    fn write(&self, mut line: Value) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.sequence += 1;
        let sequence = inner.sequence;
        let Some(file) = inner.file.as_mut() else { return Ok(()) };
        if let Some(line) = line.as_object_mut() {
            line.insert("sequence".into(), sequence.into());
        }
        let mut bytes = line.to_string().into_bytes();
        bytes.push(b'\n');
        file.write_all(&bytes)
    }
}

fn headers_json(headers: &http::HeaderMap) -> Value {
    let mut map = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match map.get_mut(name.as_str()).and_then(Value::as_array_mut) {
            Some(values) => values.push(value.into()),
            None => drop(map.insert(name.as_str().into(), json!([value]))),
        }
    }
    Value::Object(map)
}
