#!/usr/bin/env python3
"""hdf5_to_vecs.py FILE DIRECTORY

Writes a data set in the form of ann-benchmarks (HDF5 with the arrays "train",
"test" and "neighbors") as NAME_base.fvecs, NAME_query.fvecs and
NAME_groundtruth.ivecs: records of an int32 count and as many numbers.
"""

import os
import re
import sys

import h5py
import numpy

CHUNK = 65536


def write_records(path, rows, kind):
    with open(path, "wb") as out:
        for start in range(0, rows.shape[0], CHUNK):
            part = numpy.asarray(rows[start : start + CHUNK], dtype=kind)
            records = numpy.empty((part.shape[0], part.shape[1] + 1), "<i4")
            records[:, 0] = part.shape[1]
            records[:, 1:] = part.view("<i4")
            records.tofile(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, directory = sys.argv[1:]
    name = re.sub(r"\W", "_", os.path.splitext(os.path.basename(source))[0])
    pieces = (
        ("train", "base.fvecs", "<f4"),
        ("test", "query.fvecs", "<f4"),
        ("neighbors", "groundtruth.ivecs", "<i4"),
    )
    with h5py.File(source, "r") as data:
        for array, suffix, kind in pieces:
            if array not in data:
                sys.exit(f"{source}: no array {array}")
            path = os.path.join(directory, f"{name}_{suffix}")
            write_records(path, data[array], kind)


main()
