package scenario

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// TestWrongSentences: whatever is wrong with a scenario is told with its line.
func TestWrongSentences(t *testing.T) {
	tests := map[string]struct{ text, err string }{
		"no rule":            {"start\n", "s.txtar: a scenario begins with a comment that says the rule"},
		"no such word":       {"# Rule.\n\nstart\nbegin\n", `s.txtar:4: begin: nothing begins like "begin"`},
		"no such form":       {"# Rule.\nwait a while\n", "s.txtar:2: wait a while: \"wait a while\" is not understood; there is:\n\twait DURATION"},
		"no duration":        {"# Rule.\nwait long\n", `s.txtar:2: wait long: time: invalid duration "long"`},
		"nothing to go on":   {"# Rule.\n    register web\n", "s.txtar:2: an indented line continues the one above, and there is none"},
		"no such premise":    {"# Rule.\ngiven luck\n", `s.txtar:2: given "luck" is not understood`},
		"no such group":      {"# Rule.\nregistered web nothing\n", "s.txtar:2: registered web nothing: there is no target group web"},
		"no such pod":        {"# Rule.\nterminate web-1\n", "s.txtar:2: terminate web-1: "},
		"no daemon":          {"# Rule.\nstop\n", "s.txtar:2: stop: the daemon does not run"},
		"no such file":       {"# Rule.\napply x.yaml\n", "s.txtar:2: apply x.yaml: the scenario has no file x.yaml"},
		"no such state":      {"# Rule.\npod a of b at 10.0.0.1 happy\n", `s.txtar:2: pod a of b at 10.0.0.1 happy: no pod is "happy"`},
		"no such action":     {"# Rule.\nAWS throttles sleep\n", "s.txtar:2: AWS throttles sleep: calls are to register, deregister, read or everything"},
		"wrong expectation":  {"# Rule.\nleader a\n", "s.txtar:2: leader a: it is nobody"},
		"a call too few":     {"# Rule.\ncalls within 1s:\n    register web 10.0.0.1\n", "s.txtar:2: calls within 1s:: expected"},
		"a wrong drain":      {"# Rule.\ngiven registering a draining target explodes\n", `s.txtar:2: registering a draining target does not do "explodes"`},
		"the end of options": {"# Rule.\nservice web port 80 -> 8080 for free\n", `s.txtar:2: service web port 80 -> 8080 for free: no Service is "for free"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := playText(t.Context(), tc.text)
				require.ErrorContains(t, err, tc.err)
			})
		})
	}
}

// playText plays a scenario that is not in a file.
func playText(ctx context.Context, text string) error {
	s, err := Parse("s.txtar", []byte(text))
	if err != nil {
		return err
	}
	worlds, err := s.Variants()
	if err != nil {
		return err
	}
	return s.Play(ctx, worlds[""])
}

func TestParse(t *testing.T) {
	s, err := Parse("s.txtar", []byte("# One rule\n# in two lines.\n\nwait 1s\n# A remark.\ncalls within 1s:\n\n    a  b\n\tc\n-- f --\nx\n\n  y\n"))
	require.NoError(t, err)
	require.Equal(t, "One rule in two lines.", s.Rule)
	require.Equal(t, []step{
		{where: "s.txtar:4", words: []string{"wait", "1s"}},
		{where: "s.txtar:6", words: []string{"calls", "within", "1s:"}, more: []string{"a b", "c"}},
	}, s.steps)
	require.Equal(t, map[string]string{"f": "x\n\n  y\n\n"}, s.files)
}

// TestLanguage: every sentence is reachable, so none is hidden by an earlier one.
func TestLanguage(t *testing.T) {
	for _, want := range language {
		words := sample(want.pattern)
		got, _, err := find(language, words)
		require.NoError(t, err)
		require.Equal(t, want.pattern, got.pattern, "%v", words)
	}
}

// sample is a sentence of a pattern, with all that may be left out.
func sample(pattern string) []string {
	var words []string
	for p := range strings.FieldsSeq(pattern) {
		words = append(words, strings.ToLower(strings.TrimSuffix(strings.Trim(p, "[]"), "...")))
	}
	for i, p := range strings.Fields(pattern) {
		if bare := strings.TrimSuffix(strings.Trim(p, "[]"), "..."); bare != strings.ToUpper(bare) || bare == "AWS" {
			words[i] = bare
		}
	}
	return words
}
