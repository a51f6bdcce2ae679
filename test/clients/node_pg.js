// node_pg.js
//   node-postgres: values in and out as text and binary, COPY both ways,
//   prepared statements that use the index, errors.

'use strict';

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const pg = require('pg');
const copy = require('pg-copy-streams');
const pgvector = { ...require('pgvector'), ...require('pgvector/pg') };
const { DIMENSIONS, vectors, nearest, nearlyEqual, recall, binary } =
  require('./lib');

const all = vectors(2000);
const queries = all.slice(0, 20).map((v) => v.map((x) => x + 1 / 64));
const client = new pg.Client();

before(async () => {
  await client.connect();
  await client.query('CREATE EXTENSION vector_hnsw');
  await pgvector.registerTypes(client);
});

after(() => client.end());

async function one(text, values, options = {}) {
  const result = await client.query({ text, values, ...options });

  return result.rows[0].v;
}

for (const type of Object.keys(binary)) {
  const { encode, decode } = binary[type];
  const v = all[0];

  test(`${type}: text in and out`, async () => {
    assert.deepEqual(
      await one(`SELECT $1::${type} AS v`, [pgvector.toSql(v)]), v);
  });

  test(`${type}: binary in, text out`, async () => {
    assert.deepEqual(await one(`SELECT $1::${type} AS v`, [encode(v)]), v);
  });

  // node-postgres takes rows for UTF-8 before a parser of binary values sees
  // them.  In these numbers no byte is above 127; COPY is for all others.
  test(`${type}: text in, binary out`, async () => {
    const ascii = [0.5, 0.75, 2, 3, 32];
    const oid = await one(`SELECT '${type}'::regtype::oid AS v`);

    client.setTypeParser(oid, 'binary', decode);
    assert.deepEqual(await one(`SELECT $1::${type} AS v`,
      [pgvector.toSql(ascii)], { binary: true }), ascii);
  });

  test(`${type}: a column of its dimensions, and NULL`, async () => {
    await client.query(`CREATE TEMP TABLE t (v ${type}(${DIMENSIONS}))`);
    await client.query('INSERT INTO t VALUES ($1), ($2), (NULL)',
      [pgvector.toSql(v), encode(v)]);
    const { rows, fields } = await client.query('SELECT v FROM t');
    assert.deepEqual(rows.map((row) => row.v), [v, v, null]);
    assert.equal(fields[0].dataTypeModifier, DIMENSIONS);
    await client.query('DROP TABLE t');
  });

  test(`${type}: arrays`, async () => {
    const { rows } = await client.query(
      `SELECT unnest($1::${type}[]) AS v`, [all.slice(0, 3).map(
        pgvector.toSql)]);
    assert.deepEqual(rows.map((row) => row.v), all.slice(0, 3));
  });
}

test('sparsevec: text and binary in, text out', async () => {
  const sparse = new pgvector.SparseVector({ 0: 1.5, 4: -2 }, 6);
  const bytes = Buffer.alloc(12 + 2 * 8);

  [6, 2, 0, 0, 4].forEach((n, i) => bytes.writeInt32BE(n, 4 * i));
  bytes.writeFloatBE(1.5, 20);
  bytes.writeFloatBE(-2, 24);
  for (const value of [sparse.toPostgres(), bytes]) {
    const v = await one('SELECT $1::sparsevec AS v', [value]);

    assert.deepEqual(v.toArray(), [1.5, 0, 0, 0, -2, 0]);
  }
});

test('bit: distances', async () => {
  const { rows } = await client.query(
    'SELECT $1::bit(6) <~> $2 AS hamming, $1::bit(6) <%> $2 AS jaccard',
    ['110100', '100110']);

  assert.deepEqual(rows[0], { hamming: 2, jaccard: 0.5 });
});

test('COPY in as text, out as text', async () => {
  await client.query(`CREATE TABLE items (id int, v vector(${DIMENSIONS}))`);
  const text = all.map((v, i) => `${i + 1}\t${pgvector.toSql(v)}\n`).join('');

  await pipeline(Readable.from([text]),
    client.query(copy.from('COPY items FROM STDIN')));
  assert.equal(await copyOut('COPY items TO STDOUT'), text);
});

test('COPY in as binary, out as binary', async () => {
  const header = Buffer.concat([
    Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
  const row = (v) => {
    const value = binary.vector.encode(v);
    const fields = Buffer.alloc(6);

    fields.writeInt16BE(1, 0);
    fields.writeInt32BE(value.length, 2);
    return Buffer.concat([fields, value]);
  };
  const bytes = Buffer.concat([header, ...all.map(row),
    Buffer.from([0xff, 0xff])]);

  await client.query(`CREATE TEMP TABLE b (v vector(${DIMENSIONS}))`);
  await pipeline(Readable.from([bytes]),
    client.query(copy.from('COPY b FROM STDIN (FORMAT binary)')));
  assert.equal(
    await copyOut('COPY b TO STDOUT (FORMAT binary)', 'latin1'),
    bytes.toString('latin1'));
  assert.equal(await one('SELECT count(*) AS v FROM b JOIN items USING (v)'),
    String(all.length));
});

async function copyOut(command, encoding = 'utf8') {
  const chunks = [];

  for await (const chunk of client.query(copy.to(command))) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString(encoding);
}

// Names keep the plan: from the sixth on it is one for all parameters.
async function search(operator, encode, limit) {
  let found = 0;

  for (const query of queries) {
    const { rows } = await client.query({
      name: `nearest ${operator} ${encode.name}`,
      text: `SELECT v ${operator} $1 AS distance FROM items
             ORDER BY v ${operator} $1 LIMIT $2`,
      values: [encode(query), limit],
    });
    const distances = rows.map((row) => row.distance);
    const exact = nearest(all, query, operator, limit);

    assert.equal(distances.length, limit);
    nearlyEqual(assert, distances, [...distances].sort((a, b) => a - b));
    found += recall(distances, exact);
  }
  assert.ok(found / queries.length >= 0.95, `recall ${found / queries.length}`);
}

const classes = {
  '<->': 'vector_l2_ops',
  '<#>': 'vector_ip_ops',
  '<=>': 'vector_cosine_ops',
  '<+>': 'vector_l1_ops',
};

for (const operator of Object.keys(classes)) {
  test(`prepared search by ${operator} through its index`, async () => {
    await client.query('SET enable_seqscan = off');
    await client.query(
      `CREATE INDEX items_v ON items USING hnsw (v ${classes[operator]})`);
    const { rows } = await client.query(
      `EXPLAIN SELECT id FROM items ORDER BY v ${operator}
       '${pgvector.toSql(queries[0])}' LIMIT 10`);
    assert.match(rows.map((row) => row['QUERY PLAN']).join('\n'),
      /Index Scan using items_v/);

    await search(operator, pgvector.toSql, 10);
    await search(operator, binary.vector.encode, 100);
    await client.query("SELECT hnsw_index_check('items_v', true)");
    await client.query('DROP INDEX items_v');
    await client.query('RESET enable_seqscan');
  });
}

test('a cursor goes on for as long as it is asked', async () => {
  await client.query('CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)');
  await client.query('BEGIN');
  await client.query('SET LOCAL enable_seqscan = off');
  await client.query(`DECLARE c CURSOR FOR SELECT v <-> '${
    pgvector.toSql(queries[0])}' AS distance FROM items ORDER BY 1`);
  const distances = [];

  for (let i = 0; i < 10; i++) {
    const { rows } = await client.query('FETCH 30 FROM c');
    distances.push(...rows.map((row) => row.distance));
  }
  await client.query('COMMIT');
  assert.equal(distances.length, 300);
  assert.ok(recall(distances, nearest(all, queries[0], '<->', 300)) >= 0.9);
});

test('errors have their codes, and the session goes on', async () => {
  const errors = [
    ['[1,2', '22P02', /invalid input syntax for type vector/],
    ['[1e999]', '22003', /out of range for type vector/],
    ['[nan]', '22000', /NaN not allowed in vector/],
    [Buffer.from('0002000000000000', 'hex'), '08P01', /insufficient data/],
    [Buffer.from('00000000', 'hex'), '22000', /at least 1 dimension/],
  ];

  for (const [value, code, message] of errors) {
    await assert.rejects(client.query('SELECT $1::vector', [value]),
      (error) => error.code === code && message.test(error.message));
  }
  await assert.rejects(
    client.query("INSERT INTO items VALUES (0, '[1,2]')"),
    (error) => error.code === '22000' &&
      error.message === `expected ${DIMENSIONS} dimensions, not 2`);
  assert.equal(await one('SELECT 1 AS v'), 1);
});
