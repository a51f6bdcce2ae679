# tap.py
#   What the programs share: TAP, and vectors.

import sys

_count = 0
_failed = 0


def check(good, name):
    global _count, _failed

    _count += 1
    _failed += not good
    print(f'{"ok" if good else "not ok"} {_count} - {name}', flush=True)


def check_raises(kind, message, call, name):
    try:
        call()
    except kind as error:
        if message not in str(error):
            print(f'# {error}')
        check(message in str(error), name)
    else:
        check(False, name)


def done():
    print(f'1..{_count}')
    sys.exit(_failed > 0)


def vectors(count, dimensions=8):
    """Components are multiples of 1/64, which all forms hold exactly."""
    state = 42
    result = []
    for _ in range(count):
        v = []
        for _ in range(dimensions):
            state = (state * 1103515245 + 12345) % 2**32
            v.append((state >> 16) % 256 / 64 - 2)
        result.append(v)
    return result
