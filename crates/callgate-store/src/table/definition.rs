//! The table of definitions.

use super::{Statement, Table, Values, json, word};
use crate::error::StoreError;
use crate::records::{Candidate, Definition, DefinitionState};

const STATES: [(&str, DefinitionState); 2] =
    [("pinned", DefinitionState::Pinned), ("pending", DefinitionState::Pending)];

impl Table for Definition {
    const TABLE: &'static str = "definitions";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "server",
        "tool",
        "definition",
        "fingerprint",
        "state",
        "candidate",
        "candidate_fingerprint",
        "first_seen",
        "approved_by",
        "category",
        "labels",
    ];
    const PARENT: Option<&'static str> = Some("server");
    const NAME: &'static str = "tool";

    fn name(&self) -> String {
        self.tool.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.server.clone()).bind(self.tool.clone());
        let statement = statement.bind(self.definition.clone()).bind(self.fingerprint.clone());
        let (candidate, fingerprint) =
            self.candidate.clone().map(|candidate| (candidate.definition, candidate.fingerprint)).unzip();
        let statement = statement.bind(word(&self.state, &STATES)).bind(candidate).bind(fingerprint);
        let statement = statement.bind(self.first_seen).bind(self.approved_by.clone()).bind(self.category.clone());
        statement.bind(self.labels.as_ref().map(json))
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            server: values.next()?,
            tool: values.next()?,
            definition: values.next()?,
            fingerprint: values.next()?,
            state: values.word(&STATES)?,
            candidate: {
                let definition: Option<String> = values.next()?;
                let fingerprint: Option<String> = values.next()?;
                definition.zip(fingerprint).map(|(definition, fingerprint)| Candidate { definition, fingerprint })
            },
            first_seen: values.next()?,
            approved_by: values.next()?,
            category: values.next()?,
            labels: values.some_json()?,
        })
    }
}
