-- The other versions of a document are looked for by its lineage: the deliveries alone do not tell those never planned.
CREATE INDEX documents_by_lineage ON documents (lineage);
