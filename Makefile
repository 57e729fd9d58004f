# Developers and CI use the same targets. A target installs missing programs with the
# package manager; none needs Docker.

# Arguments for run, bench, bench-peers and torture: make run ARGS=--help
ARGS =
# How long make fuzz spends on each target.
FUZZTIME = 10s
# How many requests make alternate sends.
ALTERNATIONS = 1000000
# How long make torture injects faults.
DURATION = 5m
# Flags of go test in make test. -parallel 6, because most tests wait for timers or other
# processes most of the time; -vet=off, because make lint has vetted all packages; -w,
# because linking is faster without DWARF.
TESTFLAGS = -race -shuffle=on -parallel 6 -timeout 20m -vet=off -ldflags=-w
# Flags that make each test program also run its benchmarks once. They follow -args, because
# with -bench, go test runs one package at a time.
BENCHFLAGS = -test.bench=. -test.benchtime=1x
# make test sets RACE to -race for the linters: they then use the packages that were
# compiled for the tests, so that each package is compiled once.
RACE =
# The version that make build puts into the program. By default Go records the version
# and the revision that git gives.
VERSION =

# Go refuses to record the revision if git refuses to answer, for example to root in the
# repository of another user.
ifneq ($(wildcard .git),)
ifeq ($(shell git rev-parse HEAD 2>/dev/null),)
export GOFLAGS := $(GOFLAGS) -buildvcs=false
endif
endif

# Go, Postgres's clients and the browser keep files in the home directory. A service may run
# without the variable, or as a user whose home directory does not exist.
ifeq ($(HOME),)
export HOME := $(shell home=$$(eval echo "~$$(id -un)"); [ -w "$$home" ] && echo "$$home" || echo "$(CURDIR)/.home")
endif

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s  %s\n", $$1, $$2 }' Makefile

run: ## start the development server with a private Postgres and a demo page
	@.ci/install postgres
	@go build -o bin/tidings ./cmd/tidings
	@exec bin/tidings dev $(ARGS)

test: ## lint, tests on a real Postgres and in a real browser, each benchmark once
	@.ci/install cc postgres psql pgbouncer chromium headless_shell npm nginx haproxy
	@$(MAKE) --no-print-directory lint RACE=-race
	@$(MAKE) --no-print-directory test-types
	go test $(TESTFLAGS) ./... -args $(BENCHFLAGS)

test-proxies: ## test all proxies of docs/proxies.md, and their idle timeouts
	@.ci/install cc postgres nginx haproxy caddy apache2 varnishd squid lighttpd h2o
	go test $(TESTFLAGS) -parallel 64 -run '^TestProxies' ./cmd/tidings -proxies

test-types: ## check the types of the client for browsers with TypeScript, and pack it for npm
	@.ci/install npm
	@cd api/web/types && npm ci --silent --no-audit --no-fund --ignore-scripts && npm run --silent check

torture-tabs: ## end the leading one of ten tabs 100 times, mount elements 1,000 times, check all looks
	@.ci/install cc postgres chromium headless_shell npm
	go test -timeout 30m -run '^TestBrowserTabs|^TestElements_(LeaveNothing|RenderOnlyWhatChanges|AreAccessible)|^TestBrowserPages' ./cmd/tidings -tabs.ends 100 -tabs.tabs 10 -browser.mounts 1000 -browser.listed 2000 -browser.looks

lint: ## vet, gofmt, staticcheck
	go vet $(RACE) ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w" $$unformatted; exit 1; fi
	staticcheck=$$(go tool -n staticcheck) && GOFLAGS="$$GOFLAGS $(RACE)" $$staticcheck ./...

bench: build ## measure a server: make bench ARGS="--url http://localhost:8080"
	@exec bin/tidings bench $(ARGS)

bench-peers: build ## measure Tidings, Nchan, Socket.IO and a bare write loop, for docs/benchmarks.md
	@.ci/install postgres nchan npm haproxy
	go build -trimpath -o bin/bench-peers ./cmd/bench-peers
	@exec bin/bench-peers --out docs/benchmarks.md $(ARGS)

torture: build ## inject faults into a cluster for DURATION, and count lost events
	@exec bin/tidings verify --chaos --duration $(DURATION) $(ARGS)

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for package in $$(go list ./...); do \
		listed=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$listed" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

alternate: ## send ALTERNATIONS requests for polls, of all kinds, through shared connections
	@.ci/install cc postgres
	go test -race -count=1 -timeout 2h -run '^TestPollsAlternate$$' ./api -alternations $(ALTERNATIONS)

generate: ## write the generated files again
	go generate ./...

build: ## build bin/tidings
	go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/tidings ./cmd/tidings

.PHONY: help run test test-proxies test-types torture-tabs lint bench bench-peers torture fuzz alternate generate build
