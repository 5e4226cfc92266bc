-- Who is told of what happens, and what is still to be told. `sealed` holds the address and what signs.
CREATE TABLE webhooks (
    organisation {text} NOT NULL REFERENCES organisations (name),
    changed {int} NOT NULL,
    removed {int},
    id {text} NOT NULL,
    name {text} NOT NULL,
    origin {text} NOT NULL,
    digest {text} NOT NULL,
    sealed {bytes} NOT NULL,
    key_version {int} NOT NULL,
    template {text} NOT NULL,
    kinds {text} NOT NULL,
    servers {text} NOT NULL,
    include_arguments {int} NOT NULL,
    created {int} NOT NULL,
    disabled {int},
    PRIMARY KEY (organisation, id)
) {strict};
CREATE UNIQUE INDEX webhooks_name ON webhooks (organisation, name) WHERE removed IS NULL;
CREATE INDEX webhooks_changed ON webhooks (organisation, changed);

-- What happened, in the order in which it was written, for as long as somebody is to be told of it.
CREATE TABLE events (
    seq {serial},
    organisation {text} NOT NULL REFERENCES organisations (name),
    id {text} NOT NULL,
    kind {text} NOT NULL,
    server {text},
    at {int} NOT NULL,
    body {text} NOT NULL,
    UNIQUE (organisation, id)
) {strict};

-- One row per event and endpoint. Of an endpoint's open ones only the oldest is under way.
CREATE TABLE deliveries (
    organisation {text} NOT NULL,
    webhook {text} NOT NULL,
    seq {int} NOT NULL REFERENCES events (seq),
    state {text} NOT NULL,
    attempts {int} NOT NULL,
    next_at {int} NOT NULL,
    lease {text} NOT NULL,
    leased_until {int} NOT NULL,
    tried {int},
    ended {int},
    status {int},
    why {text} NOT NULL,
    PRIMARY KEY (organisation, webhook, seq),
    CONSTRAINT deliveries_webhook FOREIGN KEY (organisation, webhook) REFERENCES webhooks (organisation, id)
) {strict};
CREATE INDEX deliveries_open ON deliveries (organisation, webhook, seq) WHERE ended IS NULL;
CREATE INDEX deliveries_event ON deliveries (seq);
CREATE INDEX deliveries_ended ON deliveries (ended) WHERE ended IS NOT NULL;
