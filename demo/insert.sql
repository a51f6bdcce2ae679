\echo Query 7 as a row of the table:
INSERT INTO items SELECT 10000, embedding FROM queries WHERE id = 7;

SELECT id, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance
FROM items ORDER BY distance LIMIT 3;

\echo And without it again:
DELETE FROM items WHERE id = 10000;

SELECT id, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance
FROM items ORDER BY distance LIMIT 3;
