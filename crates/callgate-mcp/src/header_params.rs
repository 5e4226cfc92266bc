//! The arguments of a tool that are mirrored in `Mcp-Param-*` headers, from `x-mcp-header` in its schema.

use crate::headers::MCP_PARAM_PREFIX;
use crate::message::Message;
use callgate_json::Value;

const ANNOTATION: &str = "x-mcp-header";

/// The arguments of one tool that are mirrored in headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderParams {
    params: Vec<HeaderParam>,
}

/// One argument that is mirrored in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderParam {
    /// The name as the schema gives it, for example `Region`.
    pub name: String,
    /// The whole header name in lower case, for example `mcp-param-region`.
    pub header: String,
    /// The keys that lead from the arguments to the value; at least one.
    pub path: Vec<String>,
}

/// Why a tool's `x-mcp-header` annotations can't be used; the tool itself is to be left out of the list over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`x-mcp-header` at `{place}` {reason}")]
pub struct InvalidAnnotation {
    /// The RFC 6901 pointer into the input schema.
    pub place: String,
    /// What is wrong.
    pub reason: &'static str,
}

impl HeaderParams {
    /// Reads the annotations of a tool's `inputSchema` (MCP 2026-07-28 "Schema Extension").
    pub fn from_schema(schema: &Value<'_>) -> Result<Self, InvalidAnnotation> {
        let mut walk = Walk { found: Vec::new(), path: Vec::new() };
        walk.schema(schema, true, "")?;
        Ok(Self { params: walk.found })
    }

    /// Whether the tool mirrors no argument.
    pub fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// The mirrored arguments, in the order of the schema.
    pub fn iter(&self) -> impl Iterator<Item = &HeaderParam> {
        self.params.iter()
    }

    pub(crate) fn argument<'m, 'a>(&self, param: &HeaderParam, message: &'m Message<'a>) -> Option<&'m Value<'a>> {
        let arguments = message.params()?.get("arguments")?;
        param.path.iter().try_fold(arguments, |value, key| value.get(key))
    }
}

/// What a header repeats of an argument (MCP 2026-07-28 "Value Encoding").
pub(crate) enum Mirrored<'v> {
    /// The argument is absent or null: no header.
    Nothing,
    /// A string, or the word for a boolean.
    Text(&'v str),
    /// A number as written; compared by value.
    Number(&'v str),
    /// An array or an object: no header can repeat it.
    Unmirrorable,
}

impl<'v> Mirrored<'v> {
    pub(crate) fn of(value: Option<&'v Value<'_>>) -> Self {
        use callgate_json::Kind;
        match value.map(|value| &value.kind) {
            None | Some(Kind::Null) => Self::Nothing,
            Some(Kind::Bool(true)) => Self::Text("true"),
            Some(Kind::Bool(false)) => Self::Text("false"),
            Some(Kind::String(text)) => Self::Text(text),
            Some(Kind::Number(number)) => Self::Number(number.text),
            Some(Kind::Array(_) | Kind::Object(_)) => Self::Unmirrorable,
        }
    }
}

struct Walk {
    found: Vec<HeaderParam>,
    path: Vec<String>,
}

impl Walk {
    /// `reachable`: every step from the root to here was a key of `properties`.
    fn schema(&mut self, schema: &Value<'_>, reachable: bool, place: &str) -> Result<(), InvalidAnnotation> {
        for member in schema.members() {
            let here = || format!("{place}/{}", callgate_json::escape_token(&member.key));
            match member.key.as_ref() {
                ANNOTATION => self.annotation(&member.value, schema, reachable, place)?,
                "properties" => {
                    for property in member.value.members() {
                        self.path.push(property.key.to_string());
                        let place = format!("{}/{}", here(), callgate_json::escape_token(&property.key));
                        self.schema(&property.value, reachable, &place)?;
                        self.path.pop();
                    }
                }
                // Data, not schemas.
                "default" | "const" | "enum" | "examples" => {}
                "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                    for named in member.value.members() {
                        self.schema(&named.value, false, &here())?;
                    }
                }
                _ => {
                    self.schema(&member.value, false, &here())?;
                    for item in member.value.as_array().unwrap_or_default() {
                        self.schema(item, false, &here())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn annotation(
        &mut self,
        value: &Value<'_>,
        schema: &Value<'_>,
        reachable: bool,
        place: &str,
    ) -> Result<(), InvalidAnnotation> {
        let invalid = |reason| Err(InvalidAnnotation { place: place.to_owned(), reason });
        if !reachable || self.path.is_empty() {
            return invalid("does not stand in a property that is reached through `properties` alone");
        }
        let Some(name) = value.as_str().filter(|name| !name.is_empty() && name.bytes().all(is_token)) else {
            return invalid("is not a header name");
        };
        if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return invalid("stands at a property whose type is not string, integer or boolean");
        }
        let header = format!("{MCP_PARAM_PREFIX}{}", name.to_ascii_lowercase());
        if self.found.iter().any(|param| param.header == header) {
            return invalid("repeats the name of another one");
        }
        self.found.push(HeaderParam { name: name.to_owned(), header, path: self.path.clone() });
        Ok(())
    }
}

/// RFC 9110 section 5.6.2, `tchar`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
