# tools: what a developer types.
EXTRA_DIST += tools/check tools/common.sh tools/demo tools/lint tools/packages .ci/run \
	tests/unit/test_architecture.sh tests/unit/test_lint.sh
TESTS += tests/unit/test_architecture.sh tests/unit/test_lint.sh

lint:
	$(srcdir)/tools/lint $(srcdir)
.PHONY: lint
