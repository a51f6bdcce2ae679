\echo The five vectors nearest to query 7, nearest first:
SELECT id, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance
FROM items ORDER BY distance LIMIT 5;

\echo What the planner makes of it:
EXPLAIN (COSTS OFF)
SELECT id, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance
FROM items ORDER BY distance LIMIT 5;

\echo What that took (points seen, rows read for their exact distance):
SELECT id FROM items
ORDER BY embedding <-> (SELECT embedding FROM queries WHERE id = 7) LIMIT 5;
SELECT rows, visited, refined, reranked, microseconds FROM hnsw_scan_stats();

\echo With a filter, still five rows:
SELECT id, embedding <-> (SELECT embedding FROM queries WHERE id = 7) AS distance
FROM items WHERE id % 100 = 42 ORDER BY distance LIMIT 5;

\echo The two nearest vectors of each of three queries:
SELECT q.id AS query, n.id, n.distance
FROM queries q, LATERAL (
    SELECT id, embedding <-> q.embedding AS distance
    FROM items ORDER BY distance LIMIT 2) n
WHERE q.id < 3 ORDER BY q.id, n.distance;
