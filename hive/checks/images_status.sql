-- a quarantined image has no reason, or a kept one has a reason or no size
SELECT key, status, reason, format, width, height
FROM images
WHERE
    (status = 'quarantined' AND reason IS NULL)
    OR (status = 'kept' AND (reason IS NOT NULL OR format IS NULL OR width IS NULL OR height IS NULL))
    OR (split = 'quarantine' AND status <> 'quarantined');
