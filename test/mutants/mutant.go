package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// behaviours are those that users of the AWS Load Balancer Controller rely on, and
// that are hardest to keep.
var behaviours = []string{
	"a gated pod is registered before it is ready",
	"a terminating pod leaves at once",
	"an address is used again while the old target drains",
	"a crash between a call and its record",
	"a Service or its port vanishes and comes back",
	"named ports, several slices, both address families",
	"a pod is in its slice before it is in the cache",
	"nodes that cannot be heard",
	"one bad target among many",
	"the quota of targets is below what is wanted",
	"availability zones of targets",
	"a leader is frozen and wakes up",
	"a pod's name comes back with another UID",
	"what a pod's readiness condition says",
	"a target group is replaced",
	"an Ingress joins, leaves and moves between groups",
	"the order of rules, and no hole while it changes",
	"a target group that clusters share",
	"the order of rules and of their conditions",
	"redirects that loop, and what they hide",
	"backends that are not there",
	"a certificate that is missing holds back one member alone",
	"security groups of load balancers and pods",
	"the members of a group, and who decides",
	"a listener has its members' rules",
	"everything is sent to HTTPS",
	"several default backends",
	"certificates of several members",
	"who may reach a load balancer",
	"what LBC has made is taken over",
}

// mutant is one way to break one rule.
type mutant struct {
	Name      string          `json:"name"` // with the name of its file in front of it: area/name
	Rule      string          `json:"rule"` // one sentence
	Behaviour string          `json:"behaviour,omitempty"`
	File      string          `json:"file"` // from the root
	Old       string          `json:"old"`
	New       string          `json:"new"`
	Packages  []string        `json:"packages,omitempty"` // directories, from the root
	Run       string          `json:"run,omitempty"`
	Hangs     metav1.Duration `json:"hangs,omitzero"` // zero: it does not
}

// load reads every mutant of a directory of rules, in the order of the files.
func load(rules string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(rules, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(fmt.Errorf("no rules in %s", rules), err)
	}
	var all []mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var some []mutant
		if err := yaml.UnmarshalStrict(text, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, m := range some {
			m.Name = strings.TrimSuffix(filepath.Base(file), ".yaml") + "/" + m.Name
			if len(m.Packages) == 0 {
				m.Packages = []string{path.Dir(m.File)}
			}
			all = append(all, m)
		}
	}
	return all, nil
}

// mutate returns the mutant's file with the rule broken.
func (m mutant) mutate(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return "", err
	}
	switch n := strings.Count(string(text), m.Old); {
	case m.Old == "" || m.Old == m.New:
		return "", fmt.Errorf("%s: nothing is replaced", m.Name)
	case n != 1:
		return "", fmt.Errorf("%s: the text to be replaced stands %d times in %s", m.Name, n, m.File)
	}
	return strings.Replace(string(text), m.Old, m.New, 1), nil
}

// problems returns what is wrong with a mutant, in words: it is not run for that.
func (m mutant) problems(root string) []string {
	var problems []string
	if _, err := m.mutate(root); err != nil {
		problems = append(problems, err.Error())
	}
	if !strings.HasSuffix(m.Rule, ".") {
		problems = append(problems, m.Name+": the rule is not a sentence")
	}
	if m.Behaviour != "" && !slices.Contains(behaviours, m.Behaviour) {
		problems = append(problems, m.Name+": no behaviour is called "+m.Behaviour)
	}
	for _, dir := range m.Packages {
		tests, err := testsOf(filepath.Join(root, dir))
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("%s: %v", m.Name, err))
		case !tests.match(m.Run):
			problems = append(problems, fmt.Sprintf("%s: %s has no test that matches %q", m.Name, dir, m.Run))
		}
	}
	return problems
}

// tests are what the test files of a package hold.
type tests struct {
	names []string
	rapid bool // some of them are property tests
}

var testName = regexp.MustCompile(`(?m)^func (Test\w*)\(t \*testing\.T\)`)

// testsOf reads the test files of a directory.
func testsOf(dir string) (tests, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return tests{}, err
	}
	var found tests
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return tests{}, err
		}
		for _, match := range testName.FindAllStringSubmatch(string(text), -1) {
			found.names = append(found.names, match[1])
		}
		found.rapid = found.rapid || strings.Contains(string(text), `"pgregory.net/rapid"`)
	}
	return found, nil
}

// match reports whether go test -run would find one of the tests. Of a pattern for
// subtests, only what is before the slash can be known.
func (t tests) match(run string) bool {
	top, _, _ := strings.Cut(run, "/")
	pattern, err := regexp.Compile(top)
	return err == nil && slices.ContainsFunc(t.names, pattern.MatchString)
}

// limit returns how long the mutant's tests may take.
func (m mutant) limit(usual time.Duration) time.Duration {
	if m.Hangs.Duration > 0 {
		return m.Hangs.Duration
	}
	return usual
}
