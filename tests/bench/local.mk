# tests/bench: the suite beside Debian's Postfix, see doc/performance.md
EXTRA_DIST += tests/bench/run tests/bench/suites.py tests/bench/loads.py tests/bench/meter.py \
	tests/bench/relays.py tests/bench/sinks.py
