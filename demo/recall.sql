-- The ten nearest by a sequential scan
SET enable_indexscan = off;
CREATE TEMP TABLE exact AS
SELECT q.id AS query, n.id, n.distance
FROM queries q, LATERAL (
    SELECT id, embedding <-> q.embedding AS distance
    FROM items ORDER BY distance LIMIT 10) n;
RESET enable_indexscan;

-- The ten nearest by the index, at three settings of hnsw.ef_search
CREATE TEMP TABLE found (ef int, query int, id int, distance float8);

PREPARE search(int) AS
INSERT INTO found
SELECT $1, q.id, n.id, n.distance
FROM queries q, LATERAL (
    SELECT id, embedding <-> q.embedding AS distance
    FROM items ORDER BY distance LIMIT 10) n;

SET enable_seqscan = off;
SET hnsw.ef_search = 40;
EXECUTE search(40);
SET hnsw.ef_search = 80;
EXECUTE search(80);
SET hnsw.ef_search = 160;
EXECUTE search(160);

-- A row is right when it is no farther than the tenth of the exact answer.
SELECT ef AS "hnsw.ef_search",
       round(count(*) / (SELECT count(*) FROM exact)::numeric, 4) AS "recall@10"
FROM found f
WHERE distance <= (SELECT max(distance) FROM exact e WHERE e.query = f.query)
GROUP BY ef ORDER BY ef;
