-- Questions to people, and their answers. `sealed` holds the arguments and what the rule says (which may name one of
-- them) while the question is open, and is empty from then on; `changed` is the organisation's generation that wrote the answer. A grant's maker can't answer for it where
-- four eyes are asked for.
ALTER TABLE grants ADD COLUMN minted_by {text};

CREATE TABLE approvals (
    organisation {text} NOT NULL REFERENCES organisations (name),
    id {text} NOT NULL UNIQUE,
    server {text} NOT NULL,
    server_name {text} NOT NULL,
    tool {text} NOT NULL,
    grant_id {text} NOT NULL,
    grant_label {text} NOT NULL,
    identity {text},
    client {text},
    asker {text},
    policy_name {text} NOT NULL,
    policy_version {int} NOT NULL,
    policy_digest {text} NOT NULL,
    rule {text} NOT NULL,
    ask {text} NOT NULL,
    four_eyes {int} NOT NULL,
    remember_for {int},
    decision {text} NOT NULL,
    asked_at {int} NOT NULL,
    binding {text} NOT NULL,
    alike {text} NOT NULL,
    argument_keys {text} NOT NULL,
    digests {text} NOT NULL,
    sealed {bytes} NOT NULL,
    key_version {int} NOT NULL,
    state {text} NOT NULL,
    expires {int} NOT NULL,
    answered_by {text},
    answered_at {int},
    reason {text} NOT NULL,
    remembered {text},
    used_by {text},
    used_at {int},
    changed {int} NOT NULL,
    PRIMARY KEY (organisation, id)
) {strict};
CREATE UNIQUE INDEX approvals_pending ON approvals (organisation, binding) WHERE state = 'pending';
CREATE INDEX approvals_binding ON approvals (organisation, binding);
CREATE INDEX approvals_alike ON approvals (organisation, alike) WHERE remembered IS NOT NULL;
CREATE INDEX approvals_open ON approvals (expires) WHERE state IN ('pending', 'approved');
CREATE INDEX approvals_grant ON approvals (organisation, grant_id) WHERE state = 'pending';
CREATE INDEX approvals_listed ON approvals (organisation, asked_at, id);
