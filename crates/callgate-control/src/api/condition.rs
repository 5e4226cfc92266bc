//! The conditions of a request that may create or change: `If-Match` and `If-None-Match: *`, both optional.

use super::answer::IfMatch;
use super::problem::Problem;
use crate::precondition::Precondition;
use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

/// What the request says about what it finds (RFC 9110 section 13.1).
#[derive(Debug)]
pub(super) struct Condition(pub(super) Precondition);

impl<S: Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut absent = parts.headers.get_all(IF_NONE_MATCH).iter();
        let absent = match (absent.next(), absent.next()) {
            (None, _) => false,
            (Some(value), None) if value == "*" => true,
            _ => {
                let remedy = "send `If-None-Match: *` to create, `If-Match` to change";
                return Err(Problem::malformed("`If-None-Match` is not `*`", remedy));
            }
        };
        match (parts.headers.contains_key(IF_MATCH), absent) {
            (false, false) => Ok(Self(Precondition::Unsaid)),
            (false, true) => Ok(Self(Precondition::Absent)),
            (true, false) => Ok(Self(IfMatch::from_request_parts(parts, state).await?.0)),
            (true, true) => {
                let remedy = "send one of them: `If-None-Match: *` to create, `If-Match` to change";
                Err(Problem::malformed("`If-Match` and `If-None-Match` can't both be met", remedy))
            }
        }
    }
}

impl utoipa::IntoParams for Condition {
    fn into_params(_parameter_in_provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name: &str, pattern: &str, description: &str| {
            let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).build();
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        };
        vec![
            header("If-Match", r#"^(\*|"[0-9]{1,18}")$"#, "The `ETag` of what is changed; needed where there is one."),
            header("If-None-Match", r"^\*$", "`*`: only create, change nothing that is there."),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[tokio::test]
    async fn what_a_request_may_say() {
        for (headers, expected) in [
            (&[][..], Some(Precondition::Unsaid)),
            (&[("if-none-match", "*")], Some(Precondition::Absent)),
            (&[("if-match", "*")], Some(Precondition::Present)),
            (&[("if-match", "\"3\"")], Some(Precondition::Revision(3))),
            (&[("if-match", "\"3\", \"4\"")], None),
            (&[("if-match", "3")], None),
            (&[("if-none-match", "\"3\"")], None),
            (&[("if-none-match", "*"), ("if-none-match", "*")], None),
            (&[("if-none-match", "*"), ("if-match", "\"3\"")], None),
        ] {
            let mut request = Request::builder();
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            let read = Condition::from_request_parts(&mut parts, &()).await;
            assert_eq!(read.ok().map(|condition| condition.0), expected, "{headers:?}");
        }
    }
}
