package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// outcome is what became of a mutant.
type outcome string

const (
	killed      outcome = "killed"
	survived    outcome = "SURVIVED"
	notCompiled outcome = "DOES NOT COMPILE" // proves nothing
	timedOut    outcome = "TIMED OUT"        // and is not known to
	failed      outcome = "ERROR"            // of go test itself
)

// verdict is the outcome of a mutant and how it is known.
type verdict struct {
	outcome outcome
	by      string // the test that noticed, and its package
	detail  string // what is to be read of a failure
}

// String is the last column of the table.
func (v verdict) String() string {
	if v.outcome == killed {
		return "killed by " + v.by
	}
	return string(v.outcome)
}

// event is a line of go test -json.
type event struct {
	Action string
	Test   string
	Output string
}

// said is what the events of a package come to.
type said struct {
	text      string // all output
	first     string // the first test to fail: subtests fail before those around them
	fails     bool
	buildFail bool
}

// listen reads the output of go test -json.
func listen(stdout []byte) (said, error) {
	var s said
	var text strings.Builder
	for dec := json.NewDecoder(bytes.NewReader(stdout)); ; {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			s.text = text.String()
			return s, nil
		} else if err != nil {
			return s, fmt.Errorf("read the output of go test: %w", err)
		}
		text.WriteString(e.Output)
		switch e.Action {
		case "build-fail":
			s.buildFail = true
		case "fail":
			s.fails, s.first = true, cmp.Or(s.first, e.Test)
		}
	}
}

// judge tells from the output of go test -json of one package, and whether it
// failed, what the package's tests make of a mutant.
func judge(dir string, stdout []byte, failure error) verdict {
	if failure == nil {
		return verdict{outcome: survived}
	}
	s, err := listen(stdout)
	switch {
	case err != nil:
		return verdict{outcome: failed, detail: err.Error()}
	case s.buildFail:
		return verdict{outcome: notCompiled, detail: s.text}
	case strings.Contains(s.text, "panic: test timed out after "):
		return verdict{outcome: timedOut, detail: s.text}
	case !s.fails:
		return verdict{outcome: failed, detail: s.text + failure.Error()}
	}
	// Without a test it was TestMain, which looks for what is left when all have passed.
	return verdict{outcome: killed, by: cmp.Or(s.first, "TestMain") + " (" + dir + ")", detail: s.text}
}
