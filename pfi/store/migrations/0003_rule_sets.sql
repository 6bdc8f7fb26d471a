-- Rules that were in force, with their text, and who put them in force when.

CREATE TABLE rule_sets (
    digest    text PRIMARY KEY,
    files     json NOT NULL,
    stored_at timestamptz NOT NULL
);
COMMENT ON COLUMN rule_sets.files IS 'name and text of each file, in the order given';

CREATE TABLE rule_activations (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL REFERENCES rule_sets,
    at     timestamptz NOT NULL,
    author text NOT NULL,
    host   text NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE rule_activations IS 'the newest row says which rules are in force';
