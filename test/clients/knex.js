// knex.js
//   Knex with the npm package pgvector: DDL of its schema builder, and the
//   functions that make distances.

'use strict';

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const knex = require('knex')({ client: 'pg', connection: {} });
const { SparseVector } = require('pgvector');
const pgvector = require('pgvector/knex');
const { DIMENSIONS, vectors, nearest, nearestBits, bits, nearlyEqual } =
  require('./lib');

const all = vectors(300);
const query = all[7].map((x) => x + 1 / 64);

const indexes = {
  knex_l2: 'embedding vector_l2_ops',
  knex_cosine: 'embedding vector_cosine_ops',
  knex_half: 'half halfvec_l2_ops',
  knex_sparse: 'sparse sparsevec_l2_ops',
  knex_bits: 'bits bit_hamming_ops',
};

after(() => knex.destroy());

test('schema', async () => {
  await knex.schema.enableExtension('vector_hnsw');
  await knex.schema.createTable('knex_items', (table) => {
    table.increments('id');
    table.vector('embedding', DIMENSIONS).notNullable();
    table.halfvec('half', { dimensions: DIMENSIONS });
    table.sparsevec('sparse', { dimensions: DIMENSIONS });
    table.specificType('bits', `bit(${DIMENSIONS})`);
    for (const [name, column] of Object.entries(indexes)) {
      table.index(knex.raw(column), name, 'hnsw');
    }
  });
  const columns = await knex('pg_attribute')
    .select(knex.raw('format_type(atttypid, atttypmod) AS type'))
    .whereRaw("attrelid = 'knex_items'::regclass AND attnum > 1")
    .orderBy('attnum');
  assert.deepEqual(columns.map((column) => column.type),
    ['vector', 'halfvec', 'sparsevec', 'bit'].map(
      (type) => `${type}(${DIMENSIONS})`));
});

test('rows', async () => {
  await knex('knex_items').insert(all.map((v) => ({
    embedding: pgvector.toSql(v),
    half: pgvector.toSql(v),
    sparse: pgvector.toSql(new SparseVector(v)),
    bits: bits(v),
  })));
  const rows = await knex('knex_items').orderBy('id');
  assert.deepEqual(rows.map((row) => pgvector.fromSql(row.embedding)), all);
  assert.deepEqual(rows.map((row) => pgvector.fromSql(row.half)), all);
  assert.deepEqual(
    rows.map((row) => new SparseVector(row.sparse).toArray()), all);
  assert.deepEqual(rows.map((row) => row.bits), all.map(bits));
});

const functions = {
  l2Distance: '<->',
  maxInnerProduct: '<#>',
  cosineDistance: '<=>',
  l1Distance: '<+>',
};

for (const [name, operator] of Object.entries(functions)) {
  for (const column of ['embedding', 'half', 'sparse']) {
    const value = column === 'sparse' ? new SparseVector(query) : query;

    test(`${name} of ${column}`, async () => {
      const order = () => knex.queryBuilder()[name](column, value);
      const rows = await knex('knex_items')
        .select({ distance: order() }).orderBy(order()).limit(5);

      nearlyEqual(assert, rows.map((row) => row.distance),
        nearest(all, query, operator, 5));
    });
  }
}

for (const [name, operator] of Object.entries(
  { hammingDistance: '<~>', jaccardDistance: '<%>' })) {
  test(`${name} of bits`, async () => {
    const order = () => knex.queryBuilder()[name]('bits', bits(query));
    const rows = await knex('knex_items')
      .select({ distance: order() }).orderBy(order()).limit(300);

    nearlyEqual(assert, rows.map((row) => row.distance),
      nearestBits(all.map(bits), bits(query), operator, 300));
  });
}

const searches = {
  knex_l2: (q) => q.l2Distance('embedding', query),
  knex_cosine: (q) => q.cosineDistance('embedding', query),
  knex_half: (q) => q.l2Distance('half', query),
  knex_sparse: (q) => q.l2Distance('sparse', new SparseVector(query)),
  knex_bits: (q) => q.hammingDistance('bits', bits(all[7])),
};

for (const [index, order] of Object.entries(searches)) {
  test(`${index} answers`, async () => {
    await knex.transaction(async (trx) => {
      await trx.raw('SET LOCAL enable_seqscan = off');
      const search = trx('knex_items').select('id', 'bits')
        .orderBy(order(knex.queryBuilder())).limit(5);
      const plan = await trx.raw(`EXPLAIN ${search.toString()}`);
      const [first] = await search;

      assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'),
        new RegExp(`Index Scan using ${index}`));
      if (index === 'knex_bits') {
        assert.equal(first.bits, bits(all[7]));
      } else {
        assert.equal(first.id, 8);
      }
    });
    await knex.raw(`SELECT hnsw_index_check('${index}', true)`);
  });
}
