-- a refused member has no source, name or reason
SELECT source, member, reason
FROM refused
WHERE source IS NULL OR member IS NULL OR reason IS NULL;
