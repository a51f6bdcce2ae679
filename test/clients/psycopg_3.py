# psycopg_3.py
#   psycopg 3: values in and out as text and binary, COPY both ways, prepared
#   statements, server-side cursors, pipelines.

import struct

import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from tap import check, check_raises, done, vectors

ROWS = vectors(2000)
QUERY = [x + 1 / 64 for x in ROWS[7]]
DIMENSIONS = len(QUERY)


class Vector:
    def __init__(self, elements):
        self.elements = elements


def text_form(v):
    return '[' + ','.join(repr(x) for x in v) + ']'


def binary_form(v):
    return struct.pack('>hh%df' % len(v), len(v), 0, *v)


class TextDumper(Dumper):
    def dump(self, v):
        return text_form(v.elements).encode()


class BinaryDumper(Dumper):
    format = Format.BINARY

    def dump(self, v):
        return binary_form(v.elements)


class TextLoader(Loader):
    def load(self, data):
        return [float(x) for x in bytes(data)[1:-1].split(b',')]


class BinaryLoader(Loader):
    format = Format.BINARY

    def load(self, data):
        dimensions, unused = struct.unpack_from('>hh', data)
        assert unused == 0
        return list(struct.unpack_from('>%df' % dimensions, data, 4))


def register(connection):
    info = TypeInfo.fetch(connection, 'vector')
    info.register(connection)
    adapters = connection.adapters
    for base in (TextDumper, BinaryDumper):
        adapters.register_dumper(
            Vector, type(base.__name__, (base,), {'oid': info.oid}))
    adapters.register_loader(info.oid, TextLoader)
    adapters.register_loader(info.oid, BinaryLoader)
    return info


def copy_in(connection, binary):
    option = '(FORMAT binary)' if binary else ''
    with connection.cursor() as cursor:
        cursor.execute('TRUNCATE items')
        with cursor.copy(f'COPY items FROM STDIN {option}') as copy:
            copy.set_types(['int4', 'vector'])
            for i, v in enumerate(ROWS):
                copy.write_row((i + 1, Vector(v)))


def copy_out(connection, binary):
    option = '(FORMAT binary)' if binary else ''
    with connection.cursor() as cursor:
        with cursor.copy(f'COPY items TO STDOUT {option}') as copy:
            copy.set_types(['int4', 'vector'])
            return [v for _, v in copy.rows()]


def nearest(connection, k, **options):
    return [row[0] for row in connection.execute(
        'SELECT v <-> %s FROM items ORDER BY v <-> %s LIMIT %s',
        (Vector(QUERY), Vector(QUERY), k), **options)]


connection = psycopg.connect(autocommit=True)
connection.execute('CREATE EXTENSION vector_hnsw')
info = register(connection)

for name, placeholder in (('text', '%t'), ('binary', '%b')):
    for binary in (False, True):
        row = connection.execute(
            f'SELECT {placeholder}', (Vector(ROWS[0]),),
            binary=binary).fetchone()
        check(row[0] == ROWS[0],
              f'{name} in, {"binary" if binary else "text"} out')

for binary in (False, True):
    row = connection.execute(
        'SELECT %s::vector[]', ([Vector(v) for v in ROWS[:3]],),
        binary=binary).fetchone()
    check(row[0] == ROWS[:3], f'arrays, {"binary" if binary else "text"} out')

connection.execute(f'CREATE TABLE items (id int, v vector({DIMENSIONS}))')
for binary in (False, True):
    form = 'binary' if binary else 'text'
    copy_in(connection, binary)
    check(copy_out(connection, binary) == ROWS, f'COPY in and out as {form}')

connection.cursor().executemany(
    'INSERT INTO items VALUES (%s, %s)',
    [(len(ROWS) + i, Vector(v)) for i, v in enumerate(ROWS[:100])])
count = connection.execute('SELECT count(*) FROM items').fetchone()[0]
check(count == len(ROWS) + 100, 'executemany')

exact = nearest(connection, 50)
connection.execute('CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)')
connection.execute('SET enable_seqscan = off')
plan = '\n'.join(row[0] for row in connection.execute(
    f"EXPLAIN SELECT id FROM items ORDER BY v <-> '{text_form(QUERY)}' LIMIT 10"))
check('Index Scan using items_v' in plan, 'the plan uses the index')
for i in range(8):
    found = nearest(connection, 50, prepare=True)
check(found == sorted(found) and
      sum(d <= exact[-1] for d in found) >= 47, 'prepared search')

with connection.transaction(), connection.cursor(name='near') as cursor:
    cursor.execute('SELECT v <-> %s FROM items ORDER BY 1', (Vector(QUERY),))
    found = []
    while len(found) < 300:
        found += [row[0] for row in cursor.fetchmany(30)]
check(found == sorted(found) and len(set(found)) > 1, 'server-side cursor')

with connection.pipeline():
    cursors = [connection.execute(
        'SELECT v FROM items ORDER BY v <-> %s LIMIT 1', (Vector(v),))
        for v in ROWS[:20]]
    answers = [cursor.fetchone()[0] for cursor in cursors]
check(answers == ROWS[:20], 'pipeline')

check_raises(psycopg.errors.DataException,
             'different vector dimensions 8 and 2',
             lambda: connection.execute(
                 "SELECT v <-> '[1,2]' FROM items LIMIT 1"),
             'an error has its class')
check_raises(psycopg.errors.InvalidTextRepresentation,
             'invalid input syntax for type vector',
             lambda: connection.execute("SELECT '[1'::vector"),
             'so has one of syntax')
connection.execute("SELECT hnsw_index_check('items_v', true)")
check(True, 'the index is sound')
done()
