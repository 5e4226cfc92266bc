//! The door of every route: what the OpenAPI document says about an operation is held here, before its code runs.
//!
//! An operation that the document does not have is not there; one without `x-permission` is refused. Query parameters
//! that it does not declare are refused. The permission is checked for what the caller may do *anywhere*; the service
//! checks it again for the object that the request is about.

use super::ApiState;
use super::authenticate::authenticate;
use super::problem::{Problem, short};
use super::via::Via;
use crate::caller::{Permission, Scope};
use crate::error::{Error, Kind};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, HeaderValue};
use http::{Method, Uri};
use std::collections::{BTreeMap, HashSet};
use utoipa::openapi::{OpenApi, RefOr};

/// The name of the extension that says who may.
pub(super) const EXTENSION: &str = "x-permission";

/// Who may use an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Anybody, without a credential.
    Nothing,
    /// Whoever is known.
    SignedIn,
    /// Who has all of these.
    All(Vec<Permission>),
    /// The document does not say: nobody.
    Unsaid,
}

/// What the document says about an operation.
#[derive(Debug)]
struct Operation {
    need: Need,
    query: HashSet<String>,
}

/// The operations of the document, by path and method.
#[derive(Debug, Default)]
pub(super) struct Operations(BTreeMap<String, BTreeMap<&'static str, Operation>>);

impl Need {
    /// Reads the words of `x-permission`; several are joined by `+`.
    pub(super) fn parse(words: &str) -> Self {
        match words {
            "none" => return Self::Nothing,
            "signed_in" => return Self::SignedIn,
            _ => (),
        }
        let known = |word: &str| Permission::ALL.into_iter().find(|permission| permission.as_str() == word);
        words.split('+').map(known).collect::<Option<Vec<_>>>().map_or(Self::Unsaid, Self::All)
    }
}

impl Operations {
    /// Reads them off the document.
    pub(super) fn of(document: &OpenApi) -> Self {
        let mut operations = Self::default();
        for (path, item) in &document.paths.paths {
            let methods = operations.0.entry(path.clone()).or_default();
            for (method, operation) in super::openapi::methods(item) {
                let words = operation.extensions.as_ref().and_then(|extensions| extensions.get(EXTENSION)?.as_str());
                let need = words.map_or(Need::Unsaid, Need::parse);
                let parameters = operation.parameters.iter().flatten();
                let query = parameters.filter_map(|parameter| match parameter {
                    RefOr::T(parameter) if super::openapi::is_query(parameter) => Some(parameter.name.clone()),
                    _ => None,
                });
                methods.insert(method, Operation { need, query: query.collect() });
            }
        }
        operations
    }

    fn find(&self, path: &str, method: &Method) -> Result<&Operation, Box<Response>> {
        let Some(methods) = self.0.get(path) else { return Err(Box::new(Problem::no_route().into_response())) };
        // axum answers HEAD by the route of GET.
        let word = if method == Method::HEAD { "GET" } else { method.as_str() };
        methods.get(word).ok_or_else(|| {
            let allowed = methods.keys().copied().collect::<Vec<_>>().join(", ");
            let mut response = Problem::no_method(method, &allowed).into_response();
            response.headers_mut().extend(HeaderValue::from_str(&allowed).ok().map(|allowed| (ALLOW, allowed)));
            Box::new(response)
        })
    }
}

/// The layer in front of all routes.
pub(super) async fn pass(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let operation = match state.operations().find(path, request.method()) {
        Ok(operation) => operation,
        Err(response) => return *response,
    };
    if operation.need != Need::Nothing {
        let via = Via::of(request.extensions());
        let signed = match authenticate(&state, via, request.method(), request.headers()).await {
            Ok(signed) => signed,
            Err(problem) => return problem.into_response(),
        };
        if let Err(error) = allowed(&operation.need, &signed.caller) {
            return error.into_response();
        }
        request.extensions_mut().insert(signed.caller.clone());
        request.extensions_mut().insert(signed);
    }
    if let Err(problem) = check_uri(request.uri(), &operation.query) {
        return problem.into_response();
    }
    let is_change = !super::csrf::is_safe(request.method());
    let response = super::idempotency::pass(&state, request, next).await;
    if is_change && operation.need != Need::Nothing {
        // Whoever reads a stream may have been signed out by it, or may no longer do so.
        state.control().has_changed();
    }
    response
}

fn allowed(need: &Need, caller: &crate::caller::Caller) -> Result<(), Error> {
    match need {
        Need::Nothing | Need::SignedIn => Ok(()),
        Need::All(permissions) => {
            permissions.iter().try_for_each(|permission| caller.clear(*permission, reach(*permission)).map(drop))
        }
        Need::Unsaid => Err(Error::new(Kind::Forbidden, "CG3110", "nobody may use this operation", "report it")),
    }
}

/// Where a permission can be had: some are never for single servers.
fn reach(permission: Permission) -> Scope<'static> {
    match permission {
        Permission::ManageMembers | Permission::ReadChanges | Permission::ManageInstance => Scope::Organisation,
        _ => Scope::Visible,
    }
}

/// Refuses undeclared and repeated parameters, and characters that no database keeps.
fn check_uri(uri: &Uri, declared: &HashSet<String>) -> Result<(), Problem> {
    let remedy = "`/api/v1/openapi.json` lists the parameters";
    let mut seen = HashSet::new();
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if !declared.contains(name.as_ref()) {
            let detail = format!("the query has an unknown parameter `{}`", short(&name));
            return Err(Problem::malformed(detail, remedy));
        }
        if value.is_empty() {
            let detail = format!("`{}` of the query is empty", short(&name));
            return Err(Problem::malformed(detail, "leave it out to say nothing"));
        }
        if value.contains(['\0', '\u{fffd}']) {
            let detail = format!("`{name}` of the query is not text as it has to be: U+0000 or no UTF-8");
            return Err(Problem::malformed(detail, remedy));
        }
        if !seen.insert(name.clone()) {
            return Err(Problem::malformed(format!("the query has `{name}` twice"), remedy));
        }
    }
    if uri.path().contains("%00") {
        return Err(Problem::no_route());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_nobody_knows_open_nothing() {
        assert_eq!(Need::parse("none"), Need::Nothing);
        assert_eq!(Need::parse("signed_in"), Need::SignedIn);
        assert_eq!(Need::parse("read_grants"), Need::All(vec![Permission::ReadGrants]));
        let two = vec![Permission::ManageServers, Permission::EditPolicies];
        assert_eq!(Need::parse("manage_servers+edit_policies"), Need::All(two));
        for word in ["", "None", "admin", "read_grants+", "read_grants+admin"] {
            assert_eq!(Need::parse(word), Need::Unsaid, "{word}");
        }
    }

    #[test]
    fn undeclared_and_repeated_parameters_are_refused() {
        let declared = HashSet::from(["limit".to_owned()]);
        for (uri, good) in [
            ("/x", true),
            ("/x?limit=1", true),
            ("/x?limit=1&limit=1", false),
            ("/x?Limit=1", false),
            ("/x?limit=", false),
            ("/x?limit", false),
            ("/x?limit=%00", false),
            ("/x?limit=%ff", false),
            ("/x%00", false),
        ] {
            assert_eq!(check_uri(&uri.parse().unwrap(), &declared).is_ok(), good, "{uri}");
        }
    }
}
