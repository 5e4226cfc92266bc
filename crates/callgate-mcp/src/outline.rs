//! A look at a response that is not read: whether it could be anything but data.

use crate::fold::folds_to;
use memchr::memchr2;

/// Members of the message that make it more than a result, in lower case.
const OF_MESSAGE: [&str; 3] = ["method", "params", "error"];
/// Members of a result that ask for something or begin something, in lower case.
const OF_RESULT: [&str; 4] = ["inputrequests", "requeststate", "task", "taskid"];
/// Says what kind of result it is, in lower case.
const RESULT_TYPE: &str = "resulttype";
/// No key and no type that matters is longer, in bytes.
const MAX_WORD: usize = 64;
/// A message, its result: deeper down is data.
const LOOKED_AT: usize = 2;

/// Watches the bytes of a response go by, and tells when they could be something that a rule has to look at: a request
/// to the client, an error, questions to the client (`inputRequests`), a state to come back with, a task.
///
/// Follows nesting, strings and escapes as every JSON reader does, and takes what is in doubt for suspicious. It does
/// not check that the text is JSON.
#[derive(Debug, Default)]
pub struct Outline {
    depth: usize,
    /// Whether the levels looked at are objects.
    objects: [bool; LOOKED_AT],
    /// The next string is a key.
    key_follows: bool,
    /// The value of the member that says what kind of result it is follows.
    type_follows: bool,
    string: Option<Text>,
    begun: bool,
    suspicious: bool,
}

/// A string that is being read.
#[derive(Debug)]
struct Text {
    is_key: bool,
    is_type: bool,
    escaped: bool,
    had_escapes: bool,
    word: Vec<u8>,
}

impl Outline {
    /// Looks at more bytes. False from where on they could be more than data.
    pub fn is_plain(&mut self, mut bytes: &[u8]) -> bool {
        while !self.suspicious {
            if let Some(text) = &mut self.string {
                let Some(rest) = text.push(bytes) else { break };
                bytes = rest;
                self.string_ended();
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            self.structure(*byte);
        }
        !self.suspicious
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            // No message begins otherwise, and text in another encoding is full of zeros.
            _ if !self.begun && byte != b'{' => self.suspicious = true,
            0 => self.suspicious = true,
            b'{' | b'[' => {
                self.depth += 1;
                if let Some(object) = self.objects.get_mut(self.depth - 1) {
                    *object = byte == b'{';
                }
                self.key_follows = self.in_looked_at_object();
                self.suspicious |= self.type_follows;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.key_follows = false;
            }
            b',' => self.key_follows = self.in_looked_at_object(),
            b'"' => {
                let is_key = std::mem::take(&mut self.key_follows);
                let is_type = !is_key && std::mem::take(&mut self.type_follows);
                self.string = Some(Text { is_key, is_type, escaped: false, had_escapes: false, word: Vec::new() });
            }
            b':' => {}
            // A number or a word in the place of the type.
            _ => self.suspicious |= self.type_follows,
        }
        self.begun = true;
    }

    fn in_looked_at_object(&self) -> bool {
        self.depth.checked_sub(1).and_then(|level| self.objects.get(level)).is_some_and(|object| *object)
    }

    fn string_ended(&mut self) {
        let Some(text) = self.string.take().filter(|text| text.is_key || text.is_type) else { return };
        let Some(word) = std::str::from_utf8(&text.word).ok().filter(|_| !text.had_escapes) else {
            self.suspicious = true;
            return;
        };
        if text.is_type {
            self.suspicious = word != "complete";
            return;
        }
        self.suspicious = match self.depth {
            1 => OF_MESSAGE.iter().any(|name| folds_to(word, name)),
            _ => OF_RESULT.iter().any(|name| folds_to(word, name)),
        };
        self.type_follows = self.depth == LOOKED_AT && folds_to(word, RESULT_TYPE);
    }
}

impl Text {
    /// Reads on. The bytes behind the string's end; `None` where it goes on.
    fn push<'b>(&mut self, mut bytes: &'b [u8]) -> Option<&'b [u8]> {
        loop {
            if std::mem::take(&mut self.escaped) {
                let (_, rest) = bytes.split_first().or_else(|| {
                    self.escaped = true;
                    None
                })?;
                bytes = rest;
            }
            let Some(at) = memchr2(b'"', b'\\', bytes) else {
                self.keep(bytes);
                return None;
            };
            self.keep(bytes.get(..at).unwrap_or_default());
            let ends = bytes.get(at) == Some(&b'"');
            bytes = bytes.get(at + 1..).unwrap_or_default();
            if ends {
                return Some(bytes);
            }
            self.escaped = true;
            self.had_escapes = true;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_key || self.is_type {
            let room = MAX_WORD.saturating_sub(self.word.len());
            // A character that is cut in two is no name that matters; one byte too many tells it apart.
            self.word.extend(bytes.iter().take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outline;

    fn is_plain(text: &str) -> bool {
        let whole = Outline::default().is_plain(text.as_bytes());
        let mut pieces = Outline::default();
        let piecewise = text.as_bytes().chunks(1).all(|byte| pieces.is_plain(byte));
        assert_eq!(whole, piecewise, "{text}");
        whole
    }

    #[test]
    fn results_are_plain_whatever_their_data_says() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\udc80 \"method\":\"x\""}]}}"#,
            r#" {"id":1,"result":{"a":1,"a":2,"structuredContent":{"task":1,"inputRequests":{},"method":"x"}}}"#,
            r#"{"id":1,"result":{"resultType":"complete","content":["inputRequests","task"],"x":["method"]}}"#,
            r#"{"id":1,"result":{"_meta":{"k\u0061":1},"resultType" : "complete"}}"#,
            r#"{"id":1,"result":"method"}"#,
        ] {
            assert!(is_plain(text), "{text}");
        }
    }

    #[test]
    fn what_could_ask_or_begin_something_is_not() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}"#,
            r#"{"id":1,"METHOD":"sampling/createMessage"}"#,
            r#"{"id":1,"m\u0065thod":"sampling/createMessage"}"#,
            r#"{"id":1,"error":{"code":-32042}}"#,
            r#"{"id":1,"result":{"content":[{"a":[{}]}],"inputRequests":{}}}"#,
            r#"{"id":1,"result":{"content":[],"input\u0052equests":{}}}"#,
            r#"{"id":1,"result":{"resultType":"input_required"}}"#,
            r#"{"id":1,"result":{"resultType":"compl\u0065te"}}"#,
            r#"{"id":1,"result":{"resultType":{"a":1}}}"#,
            r#"{"id":1,"result":{"task":{"taskId":"t"}}}"#,
            r#"{"id":1,"result":{"requestState":"x"}}"#,
            r#"[{"id":1,"result":{}}]"#,
            "\u{feff}{\"id\":1,\"result\":{}}",
            "{\0\"\0",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
