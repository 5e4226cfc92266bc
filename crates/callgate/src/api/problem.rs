//! From `application/problem+json` (RFC 9457) to the command line's one error.

use super::credential::Credentials;
use crate::failure::{Exit, Failure};
use hyper::StatusCode;
use serde::Deserialize;

/// The members that count here; others may come.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    code: String,
    remedy: String,
}

/// The failure that an answer which is none of success stands for.
pub(super) fn failure(status: StatusCode, body: &[u8], credentials: &Credentials, presented: bool) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    if problem.code.is_empty() {
        let message = format!("the gateway answered HTTP {} and nothing that explains it", status.as_u16());
        return Failure::cannot_run("CG3032", message, "check that the address is a gateway's, of the same version");
    }
    if status == StatusCode::UNAUTHORIZED && presented {
        return credentials.refused();
    }
    let exit = match (status, problem.code.as_str()) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PRECONDITION_FAILED, _) => Exit::No,
        // A policy that is no good: the command ran, and the answer is no.
        (_, "CG3045") => Exit::No,
        // Somebody else was faster.
        (_, "CG3211") => Exit::No,
        _ => Exit::CannotRun,
    };
    Failure { code: problem.code.into(), exit, message: problem.detail, remedy: problem.remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_code_and_words_and_decides_the_exit_status() {
        let body = |code: &str| format!(r#"{{"status":1,"detail":"d","code":"{code}","remedy":"r","more":[]}}"#);
        let credentials = Credentials::only("cga_x".to_owned());
        for (status, code, presented, expected, exit) in [
            (404, "CG3041", true, "CG3041", Exit::CannotRun),
            (403, "CG3110", true, "CG3110", Exit::No),
            (401, "CG3116", true, "CG3031", Exit::No),
            (401, "CG3117", false, "CG3117", Exit::No),
            (422, "CG3045", true, "CG3045", Exit::No),
            (422, "CG3040", true, "CG3040", Exit::CannotRun),
            (412, "CG3118", true, "CG3118", Exit::No),
            (502, "", true, "CG3032", Exit::CannotRun),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let failure = failure(status, body(code).as_bytes(), &credentials, presented);
            assert_eq!((failure.code.as_ref(), failure.exit), (expected, exit), "{status} {code}");
        }
    }
}
