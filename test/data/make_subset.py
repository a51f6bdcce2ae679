#!/usr/bin/env python3
"""Cut the vectors that ship with the project out of a larger set.

usage: make_subset.py SOURCE NAME BASE QUERIES

SOURCE/NAME_base.bvecs and SOURCE/NAME_query.bvecs are read; BASE vectors and
QUERIES queries are picked at equal distances and written beside this script,
with the exact L2 neighbours of each query among the picked vectors.
"""

import operator
import os
import struct
import sys

NEIGHBOURS = 100


def read_bvecs(path):
    """The vectors of a bvecs file, as a list of bytes objects."""
    with open(path, "rb") as file:
        data = file.read()
    dim, = struct.unpack_from("<i", data)
    size = 4 + dim
    if len(data) % size != 0:
        sys.exit(f"{path}: not a whole number of {dim}-dimensional vectors")
    return [data[at + 4:at + size] for at in range(0, len(data), size)]


def pick(vectors, count):
    """count of the vectors, at equal distances, starting with the first."""
    if len(vectors) < count:
        sys.exit(f"{count} vectors wanted, {len(vectors)} there")
    return vectors[::len(vectors) // count][:count]


def dot(a, b):
    return sum(map(operator.mul, a, b))


def nearest(query, base, norms):
    """Ids of the nearest vectors; the lower id first where two tie."""
    distances = [norm - 2 * dot(query, vector)
                 for vector, norm in zip(base, norms)]
    order = sorted(range(len(base)), key=lambda i: (distances[i], i))
    return order[:NEIGHBOURS]


def write_bvecs(path, vectors):
    with open(path, "wb") as file:
        for vector in vectors:
            file.write(struct.pack("<i", len(vector)) + vector)


def write_ivecs(path, rows):
    with open(path, "wb") as file:
        for row in rows:
            file.write(struct.pack(f"<{len(row) + 1}i", len(row), *row))


def main(source, name, base_count, query_count):
    base = pick(read_bvecs(os.path.join(source, f"{name}_base.bvecs")),
                int(base_count))
    queries = pick(read_bvecs(os.path.join(source, f"{name}_query.bvecs")),
                   int(query_count))
    norms = [dot(vector, vector) for vector in base]

    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    write_bvecs(f"{target}_base.bvecs", base)
    write_bvecs(f"{target}_query.bvecs", queries)
    write_ivecs(f"{target}_groundtruth.ivecs",
                [nearest(query, base, norms) for query in queries])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
