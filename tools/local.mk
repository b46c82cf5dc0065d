# tools: what a developer types.
EXTRA_DIST += tools/lint tests/unit/test_lint.sh
TESTS += tests/unit/test_lint.sh

lint:
	$(srcdir)/tools/lint $(srcdir)
.PHONY: lint
