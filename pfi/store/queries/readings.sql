-- name: sent_by_envelope
SELECT id AS delivery_id, message_id, state IN ('queued', 'in_flight', 'unknown') AS leaving FROM deliveries
 WHERE ids ->> 'envelope' = $1 AND channel <> 'DMP' ORDER BY seq DESC LIMIT 1

-- name: sent_by_mail_id
-- The delivery that a Message-ID ($1, its left part) was made for, newest first.
SELECT id AS delivery_id, message_id, state IN ('queued', 'in_flight', 'unknown') AS leaving FROM deliveries
 WHERE ids ->> 'message_id' = $1 AND channel <> 'DMP' ORDER BY seq DESC LIMIT 1

-- name: readers
-- What became of the mailboxes of a delivery ($1), locked until the end of the transaction.
SELECT address, party_id, outcome, code, dsn FROM recipient_results WHERE delivery_id = $1 ORDER BY address FOR UPDATE

-- name: add_reading
INSERT INTO readings (delivery_id, address, success, disposition, code, text, at)
VALUES ($1, lower($2), $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
RETURNING delivery_id

-- name: displayed
SELECT EXISTS (SELECT FROM readings WHERE delivery_id = $1 AND address = lower($2) AND success)

-- name: reception_due
-- When the creator is to be told at the latest that a mail reached a mailbox ($1 delivery, $2 mailbox), while they are not.
SELECT max(coalesce(next_try, created_at)) FROM business_acks
 WHERE delivery_id = $1 AND lower(mailbox) = lower($2) AND event = 'Z02' AND state IN ('queued', 'in_flight')
