-- name: look_up
-- What is known before a message is concluded: the same message accepted before, the same MSH-10 with another body, and
-- the records that answer to the patient's keys ($4).
SELECT
    (SELECT json_build_object('id', id, 'ack', encode(ack, 'base64'))
       FROM messages
      WHERE sender_key = $1 AND control_id = $2 AND digest = $3 AND ack_code = 'AA') AS same_message,
    EXISTS (SELECT FROM messages
             WHERE sender_key = $1 AND control_id = $2 AND digest <> $3 AND ack_code = 'AA') AS same_control_id,
    (SELECT json_agg(json_build_object(
                'id', patients.id, 'version', patients.version, 'anchor', patients.anchor, 'keys', found.keys,
                'state', CASE WHEN patients.told THEN patients.state END))
       FROM (SELECT patient, json_agg(encode(key, 'hex')) AS keys
               FROM patient_keys WHERE key = ANY ($4::bytea[]) GROUP BY patient) AS found
       JOIN patients ON patients.id = found.patient) AS records

-- name: with_documents
-- Messages accepted from a peer ($1) under a control id ($2) that carry one of these documents ($3), but those of which
-- something was refused or given up: asking again is then the way to have it tried again.
SELECT messages.id, messages.ack, messages.listener, messages.received_at, bodies.content AS body
  FROM messages
  JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id
 WHERE sender_key = $1 AND control_id = $2 AND ack_code = 'AA'
   AND messages.id IN (SELECT message_id FROM documents WHERE unique_id = ANY ($3::text[]))
   AND NOT EXISTS (SELECT FROM deliveries
                    WHERE deliveries.message_id = messages.id AND state IN ('refused', 'failed', 'cancelled'))
 ORDER BY messages.id DESC LIMIT 3

-- name: accept
-- One message and all that was concluded from it, or no row when the same message was accepted before, or when another
-- one of its lineage ($25, uniqueIds $26) came after the newest that was looked at ($27).
-- Locking the open predecessors makes their end wait for this commit, so that it sees the successor.
WITH message AS (
    INSERT INTO messages (received_at, received_on, listener, peer, certificate, sender, sender_key, control_id,
                          message_type, digest, size, kind, ack_code, ack)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
     WHERE NOT EXISTS (SELECT FROM documents WHERE lineage = $25 AND message_id > $27)
       AND NOT EXISTS (SELECT FROM documents WHERE unique_id = ANY ($26::text[]) AND message_id > $27)
    ON CONFLICT (sender_key, control_id, digest) WHERE ack_code = 'AA' DO NOTHING
    RETURNING id
), body AS (
    INSERT INTO bodies (received_on, message_id, content) SELECT $2, id, $15 FROM message
), new_documents AS (
    INSERT INTO documents (message_id, position, unique_id, set_id, version, type_code, level, request, lineage, sha1,
                           size, obx_set_id)
    SELECT message.id, row.*
      FROM message, json_to_recordset($16) AS row (
           position smallint, unique_id text, set_id text, version integer, type_code text, level text, request text,
           lineage text, sha1 text, size integer, obx_set_id integer)
), new_findings AS (
    INSERT INTO findings (message_id, run, position, code, severity, location, text, rule)
    SELECT message.id, 1, row.*
      FROM message, json_to_recordset($17) AS row (
           position smallint, code text, severity text, location text, text text, rule text)
), new_decisions AS (
    INSERT INTO decisions (message_id, run, position, document, channel, action, code, because, recipients, due, gap,
                           legal_gap, rules_digest, until)
    SELECT message.id, 1, row.*
      FROM message, json_to_recordset($18) AS row (
           position smallint, document text, channel text, action text, code text, because json, recipients json,
           due boolean, gap boolean, legal_gap boolean, rules_digest text, until text)
), earlier AS (
    SELECT lineage, channel FROM deliveries
     WHERE lineage = ANY ($20::text[]) AND state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
     ORDER BY seq FOR UPDATE
), new_deliveries AS (
    INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids, addressees,
                            recipients, created_at, next_try, hold_until, code, text, until, priority, mailbox,
                            not_before, state, owner, fence, claimed_at, claimed_as)
    SELECT row.id, message.id, row.channel, row.destination, row.lineage, row.request, row.qualified, row.ids,
           row.recipients, row.recipients, row.created_at, row.next_try, row.hold_until, row.code, row.text, row.until,
           row.priority, row.mailbox, row.not_before, placed.state,
           CASE WHEN placed.state = 'in_flight' THEN $21::uuid END,
           CASE WHEN placed.state = 'in_flight' THEN 1 ELSE 0 END,
           CASE WHEN placed.state = 'in_flight' THEN $1::timestamptz END,
           CASE WHEN placed.state = 'in_flight' THEN 'queued' END
      FROM message, json_to_recordset($19) AS row (
           id uuid, channel text, destination text, lineage text, request text, qualified boolean, ids json,
           recipients json, created_at timestamptz, next_try timestamptz, hold_until timestamptz, code text, text text,
           until text, priority text, mailbox text, not_before timestamptz, state text),
           LATERAL (SELECT CASE WHEN row.state <> 'held' AND EXISTS (
                                     SELECT FROM earlier
                                      WHERE earlier.lineage = row.lineage AND earlier.channel = row.channel)
                                THEN 'waiting' ELSE row.state END) AS placed (state)
    RETURNING id, state
), dependence AS (
    INSERT INTO message_patients (message_id, patient, version)
    SELECT message.id, row.patient, row.version FROM message, unnest($23::uuid[], $24::bigint[]) AS row (patient, version)
), new_acks AS (
    INSERT INTO business_acks (id, message_id, delivery_id, sender, event, success, mailbox, error_code, error_text,
                               control_id, content, created_at, state, code, text, finished_at, owner, fence,
                               claimed_at)
    SELECT row.id, message.id, NULL, row.sender, row.event, row.success, row.mailbox, row.error_code, row.error_text,
           row.control_id, decode(row.content, 'base64'), row.created_at, row.state, row.code, row.text,
           row.finished_at,
           CASE WHEN row.state = 'in_flight' THEN $21::uuid END,
           CASE WHEN row.state = 'in_flight' THEN 1 ELSE 0 END,
           CASE WHEN row.state = 'in_flight' THEN $1::timestamptz END
      FROM message, json_to_recordset($22) AS row (
           id uuid, sender text, event text, success boolean, mailbox text, error_code text, error_text text,
           control_id text, content text, created_at timestamptz, state text, code text, text text,
           finished_at timestamptz)
)
SELECT message.id, (SELECT json_object_agg(new_deliveries.id, new_deliveries.state) FROM new_deliveries) AS states
  FROM message

-- name: body
SELECT bodies.content
  FROM messages JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id
 WHERE messages.id = $1

-- name: add_event
INSERT INTO events (message_id, delivery_id, at, kind, detail) VALUES ($1, $2, $3, $4, $5)

-- name: count_open
-- Bounded: nobody needs to know more than "above the limit".
SELECT count(*) FROM (
    SELECT FROM deliveries WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown') LIMIT $1
) AS counted

-- name: body_partitions
SELECT child.relname AS name
  FROM pg_inherits JOIN pg_class AS child ON child.oid = pg_inherits.inhrelid
 WHERE pg_inherits.inhparent = 'bodies'::regclass

-- name: unfinished_on
-- Whether anything received on a day still needs its body.
SELECT EXISTS (
    SELECT FROM messages JOIN deliveries ON deliveries.message_id = messages.id
     WHERE messages.received_on = $1
       AND deliveries.state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
    UNION ALL
    SELECT FROM messages JOIN mails ON mails.message_id = messages.id
     WHERE messages.received_on = $1 AND mails.state = 'open')
