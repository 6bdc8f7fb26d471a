-- Documents of one lineage reach a consumer in the order of their mails; what a person tries again has its tries anew.
ALTER TABLE mail_documents ADD COLUMN replaces text NOT NULL DEFAULT '';
COMMENT ON COLUMN mail_documents.replaces IS 'uniqueId of the document that it replaces; empty = none';
-- Hash: others choose these identifiers, and their length.
CREATE INDEX mail_documents_by_unique_id ON mail_documents USING hash (unique_id);

ALTER TABLE handovers ADD COLUMN budget_from integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN handovers.budget_from IS 'attempts made before a person last tried it again';
-- What is finished is purged after a while, as bodies are.
CREATE INDEX handovers_to_purge ON handovers (finished_at) WHERE finished_at IS NOT NULL AND length(content) > 0;
