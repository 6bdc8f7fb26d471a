-- Rules that were in force, with their text, and who put them in force when.

CREATE TABLE rule_sets (
    digest    text PRIMARY KEY,
    files     json NOT NULL,
    stored_at timestamptz NOT NULL
);
COMMENT ON COLUMN rule_sets.digest IS 'identifies what decides, as decisions.rules_digest names it';
COMMENT ON COLUMN rule_sets.files IS 'name and text of every file, those shipped with the PFI included';

CREATE TABLE rule_activations (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL REFERENCES rule_sets,
    at     timestamptz NOT NULL,
    author text NOT NULL,
    host   text NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE rule_activations IS 'the newest row says which rules are in force; rows are never changed';
COMMENT ON COLUMN rule_activations.author IS 'account of the operating system that gave the command';
