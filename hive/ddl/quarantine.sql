-- Everything that is not used: quarantined images, and raw members that were never taken as images or annotations.
CREATE VIEW quarantine (
    kind COMMENT 'image: it is in a bundle; member: it is in the raw data only',
    split COMMENT 'of the image; NULL for a member',
    wnid COMMENT 'of the image; NULL where it is not known and for a member',
    source COMMENT 'bundle of the image, or raw tar of the member',
    name COMMENT 'key of the image, or name of the member',
    bytes COMMENT 'length of the encoded image; NULL for a member',
    reason COMMENT 'why it is not used, a short word'
)
COMMENT 'What is not used, with the reason'
AS
SELECT
    'image', split, CASE WHEN split = 'quarantine' THEN NULL ELSE wnid END, bundle, key, bytes, reason
FROM images
WHERE status = 'quarantined'
UNION ALL
SELECT
    'member', CAST(NULL AS STRING), CAST(NULL AS STRING), source, member, CAST(NULL AS BIGINT), reason
FROM refused;
