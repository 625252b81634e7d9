package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// said is a flag as it stands on a command line.
type said struct{ name, value string }

// splitWords splits a command line as a shell does: at white space, but for what is
// quoted or follows a backslash.
func splitWords(line string) ([]string, error) {
	var s splitter
	for _, r := range line {
		if s.escaped || !s.mark(r) {
			s.word.WriteRune(r)
			s.begun, s.escaped = true, false
		}
	}
	if s.quote != 0 || s.escaped {
		return nil, fmt.Errorf("%q ends within quotes", line)
	}
	s.end()
	return s.words, nil
}

// splitter is what splitWords knows between two letters.
type splitter struct {
	words   []string
	word    strings.Builder
	begun   bool // a word has; it may be empty
	quote   rune // that is open; 0: none
	escaped bool // by a backslash
}

// mark takes in a letter that is no part of a word, and reports whether it is one.
func (s *splitter) mark(r rune) bool {
	switch {
	case r == '\\' && s.quote != '\'':
		s.escaped = true
	case s.quote != 0 && r == s.quote:
		s.quote = 0
	case s.quote == 0 && strings.ContainsRune("'\"", r):
		s.quote, s.begun = r, true
	case s.quote == 0 && strings.ContainsRune(" \t\n", r):
		s.end()
	default:
		return false
	}
	return true
}

// end ends a word.
func (s *splitter) end() {
	if s.begun {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.begun = false
}

// readFlags reads the AWS Load Balancer Controller's command line as it does itself:
// --name=value, --name value, and --name for true.
func readFlags(words []string) (flags []said, err error) {
	var errs []error
	for n := 0; n < len(words); n++ {
		name, value, found := strings.Cut(strings.TrimPrefix(words[n], "--"), "=")
		flag, known := lbcFlags[name]
		switch {
		case !strings.HasPrefix(words[n], "--") || !known:
			errs = append(errs, fmt.Errorf("%s is no flag of the AWS Load Balancer Controller", words[n]))
			continue
		case found:
		case flag.isBool:
			value = "true"
		case n+1 == len(words):
			errs = append(errs, fmt.Errorf("--%s has no value", name))
			continue
		default:
			n++
			value = words[n]
		}
		before := slices.IndexFunc(flags, func(f said) bool { return f.name == name })
		switch {
		case before < 0:
			flags = append(flags, said{name, value})
		case flag.list:
			flags[before].value += "," + value
		default:
			flags[before].value = value // the last one counts
		}
	}
	return flags, errors.Join(errs...)
}

// translated is a command line in this daemon's words.
type translated struct {
	settings []setting
	without  []string // flags that need no setting, with why
	lost     []string // flags that are not supported, with why
}

func translate(flags []said) (t translated) {
	for _, f := range flags {
		flag := lbcFlags[f.name]
		text := fmt.Sprintf("--%s=%s: ", f.name, f.value)
		switch {
		case flag.setting != "":
			t.settings = append(t.settings, setting{flag.setting, f.value})
		case flag.convert != nil:
			settings, note := flag.convert(f.value)
			t.settings = append(t.settings, settings...)
			if note != "" {
				t.without = append(t.without, text+note)
			}
		case flag.lost:
			t.lost = append(t.lost, text+flag.why)
		default:
			t.without = append(t.without, text+flag.why)
		}
	}
	return t
}

// check reports whether the daemon would take the settings.
func (t translated) check() error {
	environ := map[string]string{}
	for _, s := range t.settings {
		environ[s.name] = s.value
	}
	_, err := loadConfig(environ)
	return err
}

// plain is what needs no quotes in a shell.
var plain = regexp.MustCompile(`^[-A-Za-z0-9_./:=,@%+]*$`)

// write writes the settings as a shell reads them, and the rest as its comments.
func (t translated) write(w io.Writer) error {
	var b strings.Builder
	for _, s := range t.settings {
		if !plain.MatchString(s.value) {
			s.value = "'" + strings.ReplaceAll(s.value, "'", `'\''`) + "'"
		}
		fmt.Fprintf(&b, "%s=%s\n", s.name, s.value)
	}
	for _, part := range []struct {
		title string
		flags []string
	}{{"Not supported:", t.lost}, {"Without a setting:", t.without}} {
		if len(part.flags) > 0 {
			fmt.Fprintf(&b, "\n# %s\n", part.title)
		}
		for _, text := range part.flags {
			fmt.Fprintf(&b, "#   %s\n", text)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// translateArgs writes the environment for a command line of the AWS Load Balancer
// Controller.
func translateArgs(w io.Writer, words []string) error {
	flags, err := readFlags(words)
	if err != nil {
		return err
	}
	t := translate(flags)
	if err := t.check(); err != nil {
		return fmt.Errorf("these settings would be refused:\n%w", err)
	}
	return t.write(w)
}
