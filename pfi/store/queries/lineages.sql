-- name: lineage_of
SELECT lineage FROM documents WHERE unique_id = $1 ORDER BY message_id DESC LIMIT 1

-- name: relatives
-- Every document received of a lineage ($1), or that bears one of these uniqueIds ($2), in other messages than $3: one row
-- for each channel on which something was planned, at least one.
SELECT kin.message_id, kin.unique_id, kin.set_id, kin.version, kin.level, kin.request, kin.sha1,
       messages.ack_code = 'AA' AS accepted, fate.channel, fate.fed, fate.doubtful, fate.open, fate.tried
  FROM (SELECT * FROM documents WHERE lineage = $1
        UNION
        SELECT * FROM documents WHERE unique_id = ANY ($2::text[])) AS kin
  JOIN messages ON messages.id = kin.message_id
  LEFT JOIN LATERAL (
       SELECT channel, bool_or(state = 'delivered') AS fed,
              bool_or(uncertain OR state IN ('in_flight', 'unknown')) AS doubtful,
              bool_or(state IN ('waiting', 'queued', 'held')) AS open, bool_or(attempts > 0) AS tried
         FROM deliveries WHERE deliveries.message_id = kin.message_id GROUP BY channel) AS fate ON true
 WHERE kin.message_id <> $3
 ORDER BY kin.message_id, kin.position

-- name: pending
-- Feeds of a lineage ($1) that have not left, of other messages than $2.
SELECT id FROM deliveries
 WHERE lineage = $1 AND message_id <> $2 AND request <> 'D' AND state IN ('waiting', 'queued', 'held')
 ORDER BY seq

-- name: recheck
-- Feeds of a lineage ($1) that are in flight, or may have left, of other messages than $2: should they come back, they
-- are decided again before any other try.
UPDATE deliveries SET recheck = true, revise = false
 WHERE lineage = $1 AND message_id <> $2 AND request <> 'D' AND state IN ('in_flight', 'unknown')
