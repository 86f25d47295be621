#!/bin/sh
# Write tests/formats/fixtures/marshalled.txt: one line for each Python given as argument, with its version and a code object.
# Usage: tests/support/make_marshalled_fixtures.sh python2.7 python3.6 … > tests/formats/fixtures/marshalled.txt
for python in "$@"; do
    "$python" -c '
import base64, marshal, sys
def f(x):
    import os
    g = lambda y: y + 1
    os.system("touch x")
    return [g(i) for i in x]
sys.stdout.write("%d.%d %s\n" % (sys.version_info[0], sys.version_info[1], base64.b64encode(marshal.dumps(f.__code__)).decode()))'
done
