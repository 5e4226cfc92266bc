//! The table of webhooks.

use super::{Statement, Table, Values, json, word};
use crate::error::StoreError;
use crate::records::{Template, Webhook};

const TEMPLATES: [(&str, Template); 3] =
    [("generic", Template::Generic), ("slack", Template::Slack), ("teams", Template::Teams)];

impl Table for Webhook {
    const TABLE: &'static str = "webhooks";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "origin",
        "digest",
        "sealed",
        "key_version",
        "template",
        "kinds",
        "servers",
        "include_arguments",
        "created",
        "disabled",
    ];
    const NAME: &'static str = "name";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn id(&self) -> String {
        self.id.clone()
    }

    fn bind<'q>(&self, statement: Statement<'q>) -> Statement<'q> {
        let statement = statement.bind(self.id.clone()).bind(self.name.clone()).bind(self.origin.clone());
        let statement = statement.bind(self.digest.clone()).bind(self.sealed.clone()).bind(self.key_version);
        let statement = statement.bind(word(&self.template, &TEMPLATES)).bind(json(&self.kinds));
        let statement = statement.bind(json(&self.servers)).bind(i64::from(self.include_arguments));
        statement.bind(self.created).bind(self.disabled)
    }

    fn read(values: &mut Values<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: values.next()?,
            name: values.next()?,
            origin: values.next()?,
            digest: values.next()?,
            sealed: values.next()?,
            key_version: values.next()?,
            template: values.word(&TEMPLATES)?,
            kinds: values.json()?,
            servers: values.json()?,
            include_arguments: values.next::<i64>()? != 0,
            created: values.next()?,
            disabled: values.next()?,
        })
    }
}
