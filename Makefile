# tgsync: everything a developer runs. `make help` lists the targets.
#
# Needs Go, make and git. What is built goes to bin/, under a temporary name
# first, so that two runs side by side never meet a half-written file.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help

# One setting for every build: what is tested is what ships, and nothing is
# compiled twice. Only the race detector needs cgo, and a C compiler.
export CGO_ENABLED := 0

VERSION := $(or $(shell git describe --tags --always --dirty 2>/dev/null),devel)
IMAGE   ?= tgsync:latest

# Of the tests: TESTFLAGS is added to every `go test`, RACE=1 puts any of them
# under the race detector, FUZZTIME is the time of each fuzz target, BENCH
# selects benchmarks, MUTANTS selects mutants.
TESTFLAGS ?= -timeout 20m
RACE      ?=
FUZZTIME  ?= 20s
BENCH     ?= .
MUTANTS   ?=

# The packages of the product and its tests; test/ has nested modules that
# `./...` leaves out.
SOURCE_DIRS := awsapi cmd metrics syncer test
MODULES     := . test/controlplane test/tools

CONTROLPLANE_SOURCES := $(filter-out %_test.go,$(wildcard test/controlplane/*.go test/controlplane/go.* test/controlplane/build.sh))
BINARIES := $(addprefix bin/,controlplane kwok tgsync playground)

GO_TEST = $(if $(RACE),CGO_ENABLED=1 go test -race,go test) -count=1 $(TESTFLAGS)

# The end-to-end tests find their binaries here; without it they are skipped.
E2E_ENV := TGSYNC_TEST_BIN='$(CURDIR)/bin'

##@ Everyday

.PHONY: help
help: ## Show this list.
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: $(BINARIES) ## Build every binary into bin/.
	@ls -lh $(BINARIES) | awk '{ print $$5 "\t" $$NF }'

.PHONY: test
test: $(BINARIES) ## Run all tests: unit, simulator, and end to end on a real API server.
	@$(E2E_ENV) $(GO_TEST) ./...

.PHONY: race
race: RACE := 1
race: ## Run all tests but the end-to-end ones under the race detector (needs a C compiler).
	@$(GO_TEST) ./...

.PHONY: lint
lint: bin/golangci-lint ## Check style, formatting and the import law.
	@echo 'lint: golangci-lint'
	@bin/golangci-lint run ./...
	@echo 'lint: go vet'
	@go vet ./...
	@echo 'lint: test/controlplane'
	@cd test/controlplane && go vet ./... && ../../bin/golangci-lint run --enable-only errorlint,godot,misspell,revive,unused ./...

.PHONY: verify
verify: ## Check that generated text, module files and manifests are up to date.
	@echo 'verify: gofmt'
	@unformatted=$$(gofmt -l $(SOURCE_DIRS)); [ -z "$$unformatted" ] || { echo "not formatted:" $$unformatted >&2; exit 1; }
	@for module in $(MODULES); do echo "verify: go mod tidy, $$module"; (cd $$module && go mod tidy -diff); done
	@echo 'verify: the settings table of README.md'
	@case "$$(go test -list README ./cmd/tgsync)" in TestREADME*) ;; *) echo 'cmd/tgsync has no test of README.md' >&2; exit 1;; esac
	@go test -count=1 -run README ./cmd/tgsync
	@echo 'verify: manifests and the IAM policy'
	@go test -count=1 -run 'Manifests|Policy' ./test

##@ Try it

.PHONY: demo
demo: $(BINARIES) ## Play the whole path once, from Ingress to HTTP answer, and clean up.
	@bin/playground demo -bin bin

.PHONY: up
up: $(BINARIES) ## Start the same stack and leave it running until Ctrl-C.
	@bin/playground up -bin bin

##@ More tests

.PHONY: e2e
e2e: $(BINARIES) ## Run the end-to-end tests alone.
	@$(E2E_ENV) $(GO_TEST) -v ./test/e2e/...

.PHONY: soak
soak: $(BINARIES) ## Freeze the leader 200 times while it is busy (a quarter of an hour; make test: 10 times).
	@TGSYNC_SIGSTOPS=200 $(E2E_ENV) $(GO_TEST) -v -run TestFrozenLeader ./test/e2e

.PHONY: bench
bench: ## Hold the engine against its bars (build/bench.json), then run the benchmarks (BENCH=regexp selects).
	@failed=0; go test -count=1 $(TESTFLAGS) -v -run='^TestBench$$' ./test/bench -args -out='$(CURDIR)/build/bench.json' || failed=1; \
	dirs=$$(grep -rlE --include='*_test.go' '^func Benchmark' $(SOURCE_DIRS) | xargs -n1 dirname | sort -u | sed 's|^|./|'); \
	go test -run='^$$' -bench='$(BENCH)' -benchmem $$dirs || failed=1; \
	exit $$failed

.PHONY: mutants
mutants: ## Break each rule in turn and list the test that notices (MUTANTS=regexp selects by name).
	@go run ./test/mutants -select='$(MUTANTS)'

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (20s) each.
	@targets=$$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' $(SOURCE_DIRS) | sort || true); \
	[ -n "$$targets" ] || { echo 'fuzz: there are no fuzz targets'; exit 0; }; \
	for target in $${targets// /:}; do \
		IFS=: read -r file _ name <<< "$$target"; dir=$$(dirname "$$file"); \
		echo "fuzz: $$name in $$dir for $(FUZZTIME)"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) ./$$dir; \
	done

##@ Ship

.PHONY: image
image: ## Build the container image with buildah or docker, whichever is there.
	@if command -v buildah >/dev/null; then \
		buildah build --build-arg VERSION='$(VERSION)' -t '$(IMAGE)' .; \
	elif command -v docker >/dev/null; then \
		docker build --build-arg VERSION='$(VERSION)' -t '$(IMAGE)' .; \
	else \
		echo 'image: needs buildah or docker, and neither is installed' >&2; exit 1; \
	fi

# Binaries. $(call install,COMMAND) runs COMMAND with the shell variable $out
# naming a temporary file, and moves that to the target when it succeeded. The
# file starts as a copy of the last build: go build then links only when it must.
# It ends with the time at which the build began: a source that changed since
# then is newer.
define install
	@mkdir -p bin; out=$$PWD/bin/.$(@F).$$$$; trap 'rm -f "$$out" "$$out.start"' EXIT; touch "$$out.start"; \
	cp -p $@ "$$out" 2>/dev/null || true; $(1); \
	touch -r "$$out.start" "$$out"; mv -f "$$out" '$(CURDIR)/$@'
endef

.PHONY: bin/tgsync bin/playground
bin/tgsync:
	$(call install,go build -ldflags '-s -w -X main.version=$(VERSION)' -o "$$out" ./cmd/tgsync)

bin/playground:
	$(call install,go build -o "$$out" ./test/playground/cmd/playground)

bin/controlplane: $(CONTROLPLANE_SOURCES)
	@echo 'Building the Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) for the tests.'
	@echo 'First build: 5 to 7 minutes on 2 cores, downloads about 600 MB; later builds reuse the Go cache: under half a minute.'
	$(call install,test/controlplane/build.sh "$$out")

# After the control plane: both share most packages, and two builds at once
# would fight for the same cores.
bin/kwok: test/controlplane/go.mod test/controlplane/go.sum | bin/controlplane
	@echo 'Building KWOK (nodes and pods without a kubelet): about half a minute the first time.'
	$(call install,cd test/controlplane; go build -ldflags '-s -w' -o "$$out" sigs.k8s.io/kwok/cmd/kwok)

bin/golangci-lint: test/tools/go.mod test/tools/go.sum
	@echo 'Building golangci-lint: 1 to 4 minutes the first time on 2 cores.'
	$(call install,cd test/tools; go build -ldflags '-s -w' -o "$$out" github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
