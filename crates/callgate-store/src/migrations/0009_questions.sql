-- Who got the tokens of a grant that work: beside who minted it, who rotated it last, and who held the token before.
ALTER TABLE grants ADD COLUMN rotated_by {text};
ALTER TABLE grants ADD COLUMN previous_holder {text};

-- How many calls asked a question: one that several asked is not withdrawn when one of them goes away.
ALTER TABLE approvals ADD COLUMN asks {int} NOT NULL DEFAULT 1;

-- What ended is deleted by when it ended.
CREATE INDEX approvals_ended ON approvals (expires) WHERE state NOT IN ('pending', 'approved');
