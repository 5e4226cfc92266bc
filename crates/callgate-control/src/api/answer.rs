//! What a route answers with, its revision as an `ETag`, and the `If-Match` that guards against lost updates.

use crate::error::{Error, Kind};
use crate::precondition::Precondition;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, LOCATION};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

/// A JSON answer.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    status: StatusCode,
    value: Option<T>,
    tag: Option<String>,
    location: Option<String>,
}

/// Which revision a change is about (`If-Match`, RFC 9110 section 13.1.1); a request without one is refused (428).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IfMatch(pub(crate) Precondition);

impl<T: Serialize> Answer<T> {
    /// 200 with this value.
    pub(crate) fn ok(value: T) -> Self {
        Self { status: StatusCode::OK, value: Some(value), tag: None, location: None }
    }

    /// 201: made, and where it is now.
    pub(crate) fn created(location: String, value: T) -> Self {
        Self { status: StatusCode::CREATED, location: Some(location), ..Self::ok(value) }
    }

    /// The same with the revision of what it shows: the `ETag`.
    pub(crate) fn revision(self, revision: i64) -> Self {
        self.tag(revision.to_string())
    }

    /// The same with this as the `ETag`.
    pub(crate) fn tag(self, tag: String) -> Self {
        Self { tag: Some(tag), ..self }
    }
}

impl Answer<()> {
    /// 204: done, and nothing to say.
    pub(crate) fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, value: None, tag: None, location: None }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = match self.value.map(|value| serde_json::to_vec(&value)) {
            None => ().into_response(),
            Some(Ok(json)) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            Some(Err(_)) => {
                let error = Error::new(Kind::Unavailable, "CG3159", "the answer can't be written as JSON", "");
                return error.into_response();
            }
        };
        *response.status_mut() = self.status;
        let tag = self.tag.and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok());
        response.headers_mut().extend(tag.map(|tag| (ETAG, tag)));
        let location = self.location.and_then(|location| HeaderValue::from_str(&location).ok());
        response.headers_mut().extend(location.map(|location| (LOCATION, location)));
        response
    }
}

impl IfMatch {
    /// Reads the header.
    fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut given = headers.get_all(IF_MATCH).iter();
        let (first, second) = (given.next(), given.next());
        let Some(value) = first else {
            return Err(Error::new(
                Kind::NeedsRevision,
                "CG3148",
                "a change has to say which revision it is about",
                "read the object and send its `ETag` as `If-Match`; `If-Match: *` changes whatever is there",
            ));
        };
        let precondition =
            value.to_str().ok().filter(|_| second.is_none()).and_then(|text| Precondition::parse(text.trim()));
        precondition.map(Self).ok_or_else(|| {
            let message = "`If-Match` is neither `*` nor one entity tag of this API";
            Error::new(Kind::Malformed, "CG3146", message, "send the `ETag` as it came, with its quotes")
        })
    }
}

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Error> {
        Self::read(&parts.headers)
    }
}

impl utoipa::IntoParams for IfMatch {
    fn into_params(
        _parameter_in_provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
        use utoipa::openapi::{ObjectBuilder, Required, Type};
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r#"^(\*|"[0-9]{1,18}")$"#)).build();
        let parameter = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::True)
            .description(Some("The `ETag` of what is changed; `*` for whatever is there."))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_read_strictly() {
        for (values, found) in [
            (&[][..], Err(Kind::NeedsRevision)),
            (&["*"], Ok(Precondition::Present)),
            (&["\"7\""], Ok(Precondition::Revision(7))),
            (&["W/\"7\""], Err(Kind::Malformed)),
            (&["\"7\", \"8\""], Err(Kind::Malformed)),
            (&["\"7\"", "\"8\""], Err(Kind::Malformed)),
            (&["7"], Err(Kind::Malformed)),
            (&[""], Err(Kind::Malformed)),
        ] {
            let headers: HeaderMap = values.iter().map(|value| (IF_MATCH, HeaderValue::from_static(value))).collect();
            let read = IfMatch::read(&headers).map(|given| given.0).map_err(|error| error.kind);
            assert_eq!(read, found, "{values:?}");
        }
    }
}
