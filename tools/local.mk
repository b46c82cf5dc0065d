# tools: what a developer types.
EXTRA_DIST += tools/check tools/common.sh tools/demo tools/lint tools/packages tests/unit/test_lint.sh .ci/run
TESTS += tests/unit/test_lint.sh

lint:
	$(srcdir)/tools/lint $(srcdir)
.PHONY: lint
