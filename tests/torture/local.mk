# tests/torture: proof that nothing acknowledged is lost. tools/check runs a short one.
EXTRA_DIST += tests/torture/run tests/torture/load.py tests/torture/killer.py tests/torture/verdict.py
