//! Questions of a wrap that owns its data directory: nobody serves their pages, so the command line answers them.

use super::asking::Asked;
use crate::data::DataDir;
use callgate_decision::{Answer, Approval, ApprovalError, ApprovalId, Approvals, DecisionId, Desk, Later};
use callgate_decision::{Question, Standing};
use std::sync::Arc;

/// The port of a control plane without a listener.
pub(super) struct Lone {
    approvals: Asked,
    data: String,
}

impl Lone {
    pub(super) fn over(approvals: Asked, data: &DataDir) -> Asked {
        // As a shell reads it.
        let data = data.root().display().to_string().replace('\'', "'\\''");
        Arc::new(Self { approvals, data: format!("'{data}'") })
    }

    fn told(&self, standing: Standing) -> Standing {
        let at = |approval: Approval| {
            let command = format!("callgate approvals approve {} --data {}", approval.id, self.data);
            Approval { at: Desk::Command(command), ..approval }
        };
        match standing {
            Standing::Open => Standing::Open,
            Standing::Pending(approval) => Standing::Pending(at(approval)),
            Standing::Approved(approval) => Standing::Approved(at(approval)),
            Standing::Refused(approval, why) => Standing::Refused(at(approval), why),
        }
    }
}

impl Approvals for Lone {
    fn look<'a>(&'a self, question: &'a Question) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(async move { self.approvals.look(question).await.map(|standing| self.told(standing)) })
    }

    fn ask<'a>(&'a self, question: &'a Question, decision: DecisionId) -> Later<'a, Result<Standing, ApprovalError>> {
        Box::pin(async move { self.approvals.ask(question, decision).await.map(|standing| self.told(standing)) })
    }

    fn answered<'a>(&'a self, id: &'a ApprovalId) -> Later<'a, Result<Answer, ApprovalError>> {
        self.approvals.answered(id)
    }

    fn consume<'a>(
        &'a self,
        id: &'a ApprovalId,
        question: &'a Question,
        decision: DecisionId,
    ) -> Later<'a, Result<bool, ApprovalError>> {
        self.approvals.consume(id, question, decision)
    }

    fn restore(&self, id: &ApprovalId, decision: DecisionId) {
        self.approvals.restore(id, decision);
    }

    fn answer_by_client<'a>(&'a self, id: &'a ApprovalId, yes: bool) -> Later<'a, Result<bool, ApprovalError>> {
        self.approvals.answer_by_client(id, yes)
    }

    fn withdraw(&self, id: &ApprovalId) {
        self.approvals.withdraw(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callgate_decision::NoApprovals;
    use callgate_policy::Timestamp;

    #[test]
    fn where_nobody_listens_a_command_answers() {
        let lone = Lone { approvals: Arc::new(NoApprovals), data: "'/a b'".to_owned() };
        let page = Desk::Page("http://127.0.0.1:7070/approvals/a_1".to_owned());
        let approval = Approval { id: ApprovalId("a_1".into()), at: page, expires: Timestamp(1) };
        for standing in [
            Standing::Pending(approval.clone()),
            Standing::Approved(approval.clone()),
            Standing::Refused(approval, "no".to_owned()),
        ] {
            let (Standing::Pending(told) | Standing::Approved(told) | Standing::Refused(told, _)) = lone.told(standing)
            else {
                panic!("nothing is open");
            };
            assert_eq!(told.at, Desk::Command("callgate approvals approve a_1 --data '/a b'".to_owned()));
        }
    }
}
