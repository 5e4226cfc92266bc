//! The OpenAPI document: what the routes say about themselves, and what holds for all of them.

use super::idempotency;
use super::problem::{Details, PROBLEM_JSON};
use super::{authenticate, csrf, gate};
use axum::response::{IntoResponse, Response};
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Info, License, ObjectBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder,
    Type,
};

/// The document before the routes add themselves.
pub(super) fn empty() -> OpenApi {
    let mut info = Info::new("Callgate admin API", "1");
    info.description = Some(
        "Servers, policies, grants, members and records of a gateway. `x-permission` says what each operation needs; \
         errors are problem details (RFC 9457) with a code that `callgate explain` knows."
            .to_owned(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    OpenApi::new(info, utoipa::openapi::Paths::new())
}

/// Adds to the routes' document what holds for all of them: how errors look, who signs in how, and the headers that the
/// gate reads.
pub(super) fn complete(document: &mut OpenApi) {
    let problem = ResponseBuilder::new()
        .description("Anything else: problem details with a code.")
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build())
        .build();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("cga_…");
    let bearer = bearer.description(Some("An API token, or a session of `POST /api/v1/sessions` with `as: token`."));
    let cookie = ApiKeyValue::with_description(
        authenticate::HTTPS_COOKIE,
        &format!(
            "A signed-in browser over https (`{}` on plain loopback); changes need `{}`, too.",
            authenticate::LOOPBACK_COOKIE,
            csrf::HEADER
        ),
    );
    let added = ComponentsBuilder::new()
        .schema("Problem", Details::schema())
        .response("Problem", problem)
        .security_scheme("token", SecurityScheme::Http(bearer.build()))
        .security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)))
        .build();
    let components = document.components.get_or_insert_default();
    components.schemas.extend(added.schemas);
    components.responses.extend(added.responses);
    components.security_schemes.extend(added.security_schemes);
    for item in document.paths.paths.values_mut() {
        for (method, operation) in methods_mut(item) {
            finish(method, operation);
        }
    }
}

fn finish(method: &'static str, operation: &mut Operation) {
    operation.responses.responses.insert("default".to_owned(), RefOr::Ref(Ref::from_response_name("Problem")));
    let words = operation.extensions.as_ref().and_then(|extensions| extensions.get(gate::EXTENSION)?.as_str());
    if words == Some("none") {
        operation.security = Some(Vec::new());
        return;
    }
    let none: [&str; 0] = [];
    operation.security = Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::new("session", none)]);
    if method == "POST" {
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(idempotency::PATTERN)).build();
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("Sent again within 24 hours, the request does nothing again and is answered as before."))
            .schema(Some(schema));
        operation.parameters.get_or_insert_default().push(RefOr::T(key.build()));
    }
}

/// The operations of a path, by method.
pub(super) fn methods(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn methods_mut(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Whether a parameter stands in the query.
pub(super) fn is_query(parameter: &Parameter) -> bool {
    parameter.parameter_in == ParameterIn::Query
}

/// The document, as text.
pub(super) fn text(document: &OpenApi) -> String {
    // Through a value, so that its order is the same every time.
    let value = serde_json::to_value(document).unwrap_or_default();
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

/// The OpenAPI document of this API.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "about",
    responses((status = 200, description = "The document.", content_type = "application/json")),
    extensions(("x-permission" = json!("none")))
)]
pub(super) async fn get_document(axum::extract::State(state): axum::extract::State<super::ApiState>) -> Response {
    ([(http::header::CONTENT_TYPE, "application/json")], state.document().to_owned()).into_response()
}
