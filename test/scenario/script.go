package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Script is a scenario as it is written.
type Script struct {
	Name  string
	Rule  string // in words: the comment at the top
	steps []step
	files map[string]string
}

// step is one sentence.
type step struct {
	where string   // file:line
	words []string // of the sentence
	more  []string // lines below that are indented
}

// Parse reads a scenario.
func Parse(name string, text []byte) (*Script, error) {
	s := &Script{Name: name, files: map[string]string{}}
	var file string // that the lines belong to; empty: the script itself
	for i, line := range strings.Split(string(text), "\n") {
		if begins, ok := fileMarker(line); ok {
			file = begins
			continue
		}
		if file != "" {
			s.files[file] += line + "\n"
			continue
		}
		where := fmt.Sprintf("%s:%d", name, i+1)
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case strings.HasPrefix(line, "#"):
			if len(s.steps) == 0 {
				s.Rule = strings.TrimSpace(s.Rule + " " + strings.TrimLeft(line, "# "))
			}
		case line[0] == ' ' || line[0] == '\t':
			if len(s.steps) == 0 {
				return nil, fmt.Errorf("%s: an indented line continues the one above, and there is none", where)
			}
			last := &s.steps[len(s.steps)-1]
			last.more = append(last.more, strings.Join(words, " "))
		default:
			s.steps = append(s.steps, step{where: where, words: words})
		}
	}
	if s.Rule == "" {
		return nil, fmt.Errorf("%s: a scenario begins with a comment that says the rule", name)
	}
	return s, nil
}

// fileMarker reads the line before a file of a txtar archive.
func fileMarker(line string) (name string, ok bool) {
	rest, begins := strings.CutPrefix(line, "-- ")
	name, ends := strings.CutSuffix(rest, " --")
	return strings.TrimSpace(name), begins && ends
}

// sentence is a form of words and what it means. In its pattern words in capitals
// stand for any word, NAME... for one or more of them up to the end, and what is in
// brackets may be left out.
type sentence struct {
	pattern string
	do      func(*player, context.Context, values) error
}

// values are what stood in the place of a pattern's capitals.
type values map[string]string

// match returns the values of a sentence, or nil if the words are none.
func match(pattern, words []string) values {
	if len(pattern) == 0 {
		if len(words) == 0 {
			return values{}
		}
		return nil
	}
	p := pattern[0]
	if strings.HasPrefix(p, "[") {
		end := slices.IndexFunc(pattern, func(s string) bool { return strings.HasSuffix(s, "]") })
		option := slices.Clone(pattern[:end+1])
		option[0] = strings.TrimPrefix(option[0], "[")
		option[end] = strings.TrimSuffix(option[end], "]")
		if v := match(slices.Concat(option, pattern[end+1:]), words); v != nil {
			return v
		}
		return match(pattern[end+1:], words)
	}
	name, rest := strings.CutSuffix(p, "...")
	switch {
	case len(words) == 0:
		return nil
	case rest:
		return values{name: strings.Join(words, " ")}
	case p != strings.ToUpper(p):
		if p != words[0] {
			return nil
		}
		return match(pattern[1:], words[1:])
	}
	v := match(pattern[1:], words[1:])
	name, colon := strings.CutSuffix(p, ":")
	if v == nil || colon != strings.HasSuffix(words[0], ":") {
		return nil
	}
	v[name] = strings.TrimSuffix(words[0], ":")
	return v
}

// find returns the meaning of a sentence.
func find(language []sentence, words []string) (sentence, values, error) {
	var similar []string
	for _, s := range language {
		pattern := strings.Fields(s.pattern)
		if v := match(pattern, words); v != nil {
			return s, v, nil
		}
		if pattern[0] == words[0] {
			similar = append(similar, s.pattern)
		}
	}
	text := strings.Join(words, " ")
	if len(similar) == 0 {
		return sentence{}, nil, fmt.Errorf("nothing begins like %q", text)
	}
	return sentence{}, nil, fmt.Errorf("%q is not understood; there is:\n\t%s", text, strings.Join(similar, "\n\t"))
}

// Variants are the worlds that a scenario is to be played in, by name. One without a
// choice has one, whose name is empty.
func (s *Script) Variants() (map[string]Settings, error) {
	worlds := map[string]Settings{"": {}}
	for _, st := range s.steps {
		if st.words[0] != "given" {
			continue
		}
		next := map[string]Settings{}
		for name, settings := range worlds {
			choices, err := given(settings, st.words[1:])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", st.where, err)
			}
			for choice, settings := range choices {
				next[strings.TrimSpace(name+" "+choice)] = settings
			}
		}
		worlds = next
	}
	return worlds, nil
}

// Play plays a scenario in a world with the given settings. It is called in a bubble.
// The error names the line.
func (s *Script) Play(ctx context.Context, settings Settings) error {
	_, err := s.play(ctx, settings)
	return err
}

// trace is what happened in a world.
type trace struct {
	writes []time.Duration // of users, kubelets and controllers to the API server
	calls  []call
}

// play does the same and returns what happened.
func (s *Script) play(ctx context.Context, settings Settings) (tr trace, err error) {
	w, err := NewWorld(ctx, settings)
	if err != nil {
		return tr, err
	}
	defer func() { tr, err = w.trace(), errors.Join(err, w.Close()) }()
	p := &player{world: w, script: s}
	for _, st := range s.steps {
		if st.words[0] == "given" {
			continue
		}
		if err := p.play(ctx, st); err != nil {
			return tr, fmt.Errorf("%s: %s: %w", st.where, strings.Join(st.words, " "), err)
		}
	}
	return tr, nil
}

// player plays one scenario.
type player struct {
	world  *World
	script *Script
	step   step
	// heard and heardReads are the calls that a sentence has asked for, those that
	// change something and those that read.
	heard, heardReads int
}

func (p *player) play(ctx context.Context, st step) error {
	s, v, err := find(language, st.words)
	if err != nil {
		return err
	}
	p.step = st
	if err := s.do(p, ctx, v); err != nil {
		return err
	}
	if err := p.world.Pass(ctx, 0); err != nil {
		return err
	}
	return p.world.Check()
}
