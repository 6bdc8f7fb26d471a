-- name: open
-- One open alert for one kind and subject, with its event. No row when it is open already.
WITH opened AS (
    INSERT INTO alerts (kind, subject, opened_at, detail, text) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING
    RETURNING id
)
INSERT INTO events (message_id, at, kind, detail)
SELECT $6, $3, 'alert_opened', json_build_object('alert', id, 'kind', $1::text, 'subject', $2::text) FROM opened
RETURNING id

-- name: close
-- $4: why. No row when none is open.
WITH closed AS (
    UPDATE alerts SET closed_at = $3, ending = $4 WHERE kind = $1 AND subject = $2 AND closed_at IS NULL RETURNING id
)
INSERT INTO events (message_id, at, kind, detail)
SELECT $5, $3, 'alert_closed',
       json_build_object('alert', id, 'kind', $1::text, 'subject', $2::text, 'ending', $4::text)
  FROM closed
RETURNING id

-- name: current
SELECT * FROM alerts WHERE closed_at IS NULL ORDER BY opened_at, id

-- name: history
SELECT * FROM alerts ORDER BY opened_at DESC, id DESC LIMIT $1
