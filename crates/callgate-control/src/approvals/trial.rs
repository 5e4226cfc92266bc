//! For tests: questions, and who answers them.

use crate::control::Control;
use callgate_decision::{DecisionId, Question, Standing};
use callgate_policy::{
    Arguments, AskTerms, Call, Facts, Grant, GrantId, Organisation, Policy, RulePath, ServerName, Timestamp, decide,
};

/// A question to be.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) organisation: String,
    pub(crate) server: String,
    pub(crate) server_name: String,
    pub(crate) grant: String,
    pub(crate) tool: String,
    pub(crate) arguments: String,
    /// Members of the predicate, as JSON: `"four_eyes":true`.
    pub(crate) terms: &'static str,
    pub(crate) identity: Option<String>,
    pub(crate) message: String,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            organisation: "default".to_owned(),
            server: "id-kernel".to_owned(),
            server_name: "kernel".to_owned(),
            grant: "g_1".to_owned(),
            tool: "exec".to_owned(),
            arguments: r#"{"command":"hush-value","mode":1}"#.to_owned(),
            terms: "",
            identity: None,
            message: "a person has to approve `exec`: `args.command` is `hush-value`".to_owned(),
        }
    }
}

impl Asking {
    pub(crate) fn question(&self) -> Question {
        Question {
            organisation: Organisation::parse(&self.organisation).unwrap(),
            server: self.server.as_str().into(),
            server_name: ServerName::parse(&self.server_name).unwrap(),
            upstream: "upstream".to_owned(),
            tool: self.tool.clone(),
            definition: Some("definition".to_owned()),
            grant: GrantId::parse(&self.grant).unwrap(),
            grant_label: "laptop".to_owned(),
            identity: self.identity.clone(),
            client: None,
            policy: "policy".to_owned(),
            policy_name: "default".to_owned(),
            policy_version: 3,
            baseline: String::new(),
            arguments: self.arguments.clone(),
            rule: RulePath::new("/tools/exec/approve_if/always"),
            message: self.message.clone(),
            terms: terms(self.terms),
        }
    }

    /// Asks; the identity of the question.
    pub(crate) async fn ask(&self, control: &Control) -> String {
        match control.approvals().ask(&self.question(), decision(1)).await.unwrap() {
            Standing::Pending(approval) => approval.id.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

/// A decision's identity.
pub(crate) fn decision(number: u32) -> DecisionId {
    format!("018f3c5e-7a31-7c44-9d1e-0000{number:08x}").parse().unwrap()
}

/// The terms of a rule with these members.
pub(crate) fn terms(members: &str) -> AskTerms {
    let more = if members.is_empty() { String::new() } else { format!(",{members}") };
    let text = format!(
        r#"{{"version":"1","default":"allow","tools":{{"exec":{{"approve_if":[{{"conditions":[]{more}}}]}}}}}}"#
    );
    let policy = Policy::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let grant = Grant { id: GrantId::parse("g").unwrap(), label: String::new(), tags: Default::default() };
    let organisation = Organisation::parse("default").unwrap();
    let facts = Facts {
        now: Timestamp(0),
        organisation: &organisation,
        grant: &grant,
        identity: None,
        session: None,
        client: None,
        trace: None,
    };
    let server = ServerName::parse("kernel").unwrap();
    let call = Call { server: &server, tool: "exec", arguments: Arguments::Absent, definition: None };
    decide(Some(&policy), None, &call, &facts).ask.unwrap()
}
