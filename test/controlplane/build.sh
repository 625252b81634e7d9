#!/bin/sh
# Builds the control plane into OUTPUT: build.sh OUTPUT.
# The servers' version is not in their modules, so it is linked in: kubectl cannot
# parse the version of a server that has none. No -trimpath: one set of flags for
# good, since another compiles everything again.
set -eu
case "$1" in /*) output=$1 ;; *) output=$PWD/$1 ;; esac
cd "$(dirname "$0")"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
minor=${minor%%.*}
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
	flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1"
	flags="$flags -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
done
exec go build -ldflags "$flags" -o "$output" .
