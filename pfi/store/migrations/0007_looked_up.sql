-- A recipient who was looked up is told by who they are, for the directory may give another address tomorrow.
ALTER TABLE recipient_results ADD COLUMN looked_up text NOT NULL DEFAULT '';
COMMENT ON COLUMN recipient_results.looked_up IS 'national identifiers asked about; empty = the address was given';
