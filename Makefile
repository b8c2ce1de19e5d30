# Everything from a bare Debian 12 or 13: `make demo` or `make test`, and no other command.

# Debian's own interpreter, whatever else is first in PATH.
PYTHON = /usr/bin/python3

PACKAGES = python3 python3-venv python3-dev gcc libc6-dev libmilter-dev \
	postfix openssl ca-certificates secsipidx libsecsipid1 nodejs redis-server softhsm2 \
	opendkim opendmarc

PIP = $(VENV)/bin/pip --quiet --disable-pip-version-check
UV_LOCK = build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate

# What an environment is made of: the interpreter, the place (its scripts name it), the
# locks, and of pyproject.toml what an installation reads, not the linters' settings.
STATE = $(PYTHON) -c 'import sys, tomllib; \
	t = tomllib.load(open("pyproject.toml", "rb")); \
	print(sys.executable, sys.version, "$(CURDIR)", t["build-system"], t["project"])' && \
	sha256sum requirements/build.lock requirements/$(LOCK).lock

# Of each target of `make fuzz`; 600 is the run before a release.
FUZZ_SECONDS = 60

# Of each turn in `make bench`, of which there are about three hundred.
BENCH_SECONDS = 0.7

# Of the curves in `make bench`, which take three minutes.
GROWTH_EFFORT = 1.0

# Of `make soak`; each worker is weighed ten times.
SOAK_MESSAGES = 100000

# The Debian of `make machine`, that for which `make deb` builds here, and what is in it
# beside its base.
SUITE = $(shell . /etc/os-release && echo $$VERSION_CODENAME)
MACHINE = systemd-sysv,dbus,ca-certificates,iproute2,procps,python3,postfix,libmilter1.0.1

# Processes of `make test`, and mutants of `make mutants` that are tried at a time.
CHILDREN = $(shell nproc)

.PHONY: help demo test check conformance fuzz soak bench costs mutants machine deb lock clean debian-packages venv fuzz-venv bench-venv oracles promtool sendmail

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo: venv ## carry a signed MMS from one operator to another, outcome in demo-out/
	.venv/bin/stirmilter demo --out demo-out

test: check oracles promtool sendmail ## check, then the tests with their coverage
	.venv/bin/coverage erase
	.venv/bin/coverage run -m pytest --numprocesses $(CHILDREN) --dist worksteal
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report

# mypy for the oldest and the newest Python: nothing that either lacks.
check: venv ## format, lint, types, the layers of the architecture, and the conformance page
	.venv/bin/ruff format --quiet --check
	.venv/bin/ruff check --quiet
	.venv/bin/mypy --python-version 3.11
	.venv/bin/mypy --python-version 3.13
	.venv/bin/lint-imports
	.venv/bin/python -m tests.conformance --check

# Test data that only source archives hold; by the hashes of dev.lock, once.
oracles: venv
	.venv/bin/python -m tests.oracles

# Prometheus' checker of rules alone: the package would start a server and take 96 MB.
# In Debian 13 it has a package of its own.
# Where it cannot be had, the tests that need it are skipped, and say so.
promtool: debian-packages
	@set -eu; test ! -x build/promtool/promtool || exit 0; \
	mkdir -p build/promtool/archive; cd build/promtool/archive; \
	package=prometheus; ! apt-cache show promtool >/dev/null 2>&1 || package=promtool; \
	apt-get --quiet --quiet download $$package || exit 0; \
	dpkg-deb --fsys-tarfile $${package}_*.deb | tar -x --strip-components=3 -C .. ./usr/bin/promtool; \
	cd ..; rm -r archive

# Sendmail, which cannot be installed beside Postfix, and what else it needs; unpacked, so
# that nothing of the system changes. It finds its libraries only if it is not setgid.
# Where it cannot be had, the tests that need it are skipped, and say so.
sendmail: debian-packages
	@set -eu; test ! -d build/sendmail/usr || exit 0; \
	rm -rf build/sendmail; mkdir -p build/sendmail/making/archive; cd build/sendmail/making/archive; \
	apt-get --quiet --quiet download sendmail-bin sendmail-cf libwrap0 m4 libsigsegv2 || exit 0; \
	for one in *.deb; do dpkg-deb --extract $$one ..; done; \
	cd ..; chmod g-s usr/libexec/sendmail/sendmail || exit 0; \
	mv usr ..; cd ..; rm -r making

conformance: venv ## write docs/conformance.md: each row of the standards with its tests
	.venv/bin/python -m tests.conformance

fuzz: fuzz-venv ## feed the parsers inputs that reach new branches; FUZZ_SECONDS=600 for longer
	build/fuzz/venv/bin/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

bench: venv bench-venv ## ours beside OpenDKIM, dkimpy-milter and openssl; writes docs/performance
	.venv/bin/python -m tests.bench.load --seconds $(BENCH_SECONDS) --out docs/performance
	build/bench/venv/bin/python -m tests.bench.load.plots docs/performance
	.venv/bin/python -m tests.bench.growth --effort $(GROWTH_EFFORT) --out docs/performance
	build/bench/venv/bin/python -m tests.bench.growth.plot docs/performance

costs: venv ## what the parts cost: hostile inputs, SPF, DKIM, ARC and DMARC, stores
	.venv/bin/python -m tests.bench.core
	.venv/bin/python -m tests.bench.stores
	.venv/bin/python -m tests.bench.methods

soak: venv ## the long tests: kills and reloads under load, and what workers weigh; SOAK_MESSAGES=20000 for less
	.venv/bin/pytest -p no:cacheprovider -rP $(wildcard tests/soak/soak_*.py)
	.venv/bin/python -m tests.bench.soak --messages $(SOAK_MESSAGES)

# A Debian of its own, in build/machine, is made once; a process outside cannot be reached.
machine: deb ## boot a Debian with systemd in namespaces, and hold the package and its units to it
	@.ci/debian-packages debootstrap
	@set -eu; test ! -d build/machine/root || exit 0; \
	rm -rf build/machine; mkdir -p build/machine; \
	echo 'Making a Debian in build/machine'; \
	debootstrap --variant=minbase --include=$(MACHINE) $(SUITE) build/machine/making >build/machine/log; \
	mv build/machine/making build/machine/root
	.venv/bin/python -m tests.machine build/machine/root "$$(ls -t dist/stirmilter_*.deb | head -n 1)"

mutants: venv ## change stir/ in two thousand ways: a test must fail each time; half an hour
	rm -rf mutants
	.venv/bin/mutmut run --max-children $(CHILDREN)
	.venv/bin/python -m tests.mutants.survivors

deb: venv ## build dist/stirmilter_VERSION_ARCH.deb, with an environment, manual pages and completion
	@PYTHON=$(CURDIR)/.venv/bin/python debian/build

# Keeps the pinned versions that still fit; `make lock UPGRADE=--upgrade` renews them.
# The smaller locks follow the largest one, so that they agree.
lock: debian-packages ## pin the dependencies of pyproject.toml anew
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip --quiet --disable-pip-version-check install 'uv>=0.9,<1'
	$(UV_LOCK) $(UPGRADE) -o requirements/dev.lock --extra dev pyproject.toml
	$(UV_LOCK) $(UPGRADE) -o requirements/fuzz.lock --extra fuzz -c requirements/dev.lock pyproject.toml
	$(UV_LOCK) $(UPGRADE) -o requirements/bench.lock --extra bench -c requirements/dev.lock pyproject.toml
	$(UV_LOCK) $(UPGRADE) -o requirements/run.lock --extra redis --extra pkcs11 -c requirements/dev.lock pyproject.toml
	$(UV_LOCK) $(UPGRADE) -o requirements/build.lock -c requirements/dev.lock --group build

clean: ## remove what the other targets made, except Debian's packages
	rm -rf .venv build dist demo-out mutants .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

debian-packages:
	@.ci/debian-packages $(PACKAGES)

# build.lock first and no isolated builds after it: pip would download an isolated
# build's tools without looking at a hash. The state is written last, so that an
# interrupted installation starts over.
venv: VENV = .venv
venv: LOCK = dev
fuzz-venv: VENV = build/fuzz/venv
fuzz-venv: LOCK = fuzz
bench-venv: VENV = build/bench/venv
bench-venv: LOCK = bench
venv fuzz-venv bench-venv: debian-packages
	@set -eu; state=$$($(STATE)); \
	if [ "$$state" = "$$(cat $(VENV)/state 2>/dev/null)" ]; then exit 0; fi; \
	echo 'Installing $(VENV) from requirements/build.lock and $(LOCK).lock'; \
	$(PYTHON) -m venv --clear $(VENV); \
	$(PIP) install --require-hashes -r requirements/build.lock; \
	$(PIP) install --require-hashes --no-build-isolation -r requirements/$(LOCK).lock; \
	$(PIP) install --no-deps --no-build-isolation -e .; \
	$(VENV)/bin/pip check || { echo 'Do the locks fit pyproject.toml? make lock'; exit 1; }; \
	printf '%s\n' "$$state" >$(VENV)/state
