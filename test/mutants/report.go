package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// maxDetail is how much is shown of what went wrong with a mutant, in bytes.
const maxDetail = 4000

// intact runs the tests that the mutants name with nothing broken.
func (b bench) intact(ctx context.Context, mutants []mutant, workers int) error {
	var all []string
	for _, m := range mutants {
		all = append(all, m.Packages...)
	}
	slices.Sort(all)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, pkg := range slices.Compact(all) {
		g.Go(func() error {
			v, err := b.test(ctx, "", pkg, []string{"-timeout=" + buildTime.String()})
			if err == nil && v.outcome != survived {
				err = fmt.Errorf("the tests of %s fail although nothing is broken: %v\n%s", pkg, v, tail(v.detail))
			}
			return err
		})
	}
	return g.Wait()
}

// report runs mutants, at most workers at a time, and writes a table of them in the
// order given. It fails unless all are killed.
func (b bench) report(ctx context.Context, mutants []mutant, workers int, out io.Writer) error {
	verdicts := make([]chan verdict, len(mutants))
	for i := range verdicts {
		verdicts[i] = make(chan verdict, 1) // so that nobody waits for the one before
	}
	g, running := errgroup.WithContext(ctx)
	g.SetLimit(workers + 1)
	g.Go(func() error { return table(running, mutants, verdicts, out) })
	for i, m := range mutants {
		g.Go(func() error {
			v, err := b.run(running, m)
			if err == nil {
				verdicts[i] <- v
			}
			return err
		})
	}
	return g.Wait()
}

// table writes a line for each mutant as soon as it and those before it are through,
// then the counts. What went wrong is told below its line.
func table(ctx context.Context, mutants []mutant, verdicts []chan verdict, out io.Writer) error {
	name, rule := 0, 0
	for _, m := range mutants {
		name, rule = max(name, len(m.Name)), max(rule, len(m.Rule))
	}
	counts := map[outcome]int{}
	for i, m := range mutants {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case v := <-verdicts[i]:
			counts[v.outcome]++
			fmt.Fprintf(out, "%-*s  %-*s  %v\n", name, m.Name, rule, m.Rule, v)
			if v.outcome != killed && v.detail != "" {
				fmt.Fprintln(out, tail(v.detail))
			}
		}
	}
	return summary(counts, mutants, out)
}

// summary writes the counts, and how many mutants break each behaviour.
func summary(counts map[outcome]int, mutants []mutant, out io.Writer) error {
	fmt.Fprintf(out, "\n%d mutants", len(mutants))
	for _, o := range []outcome{killed, survived, notCompiled, timedOut, failed} {
		if n := counts[o]; n > 0 || o == killed {
			fmt.Fprintf(out, ", %d %s", n, o)
		}
	}
	fmt.Fprintln(out)
	broken := map[string]int{}
	for _, m := range mutants {
		broken[m.Behaviour]++
	}
	for _, behaviour := range behaviours {
		fmt.Fprintf(out, "%4d  %s\n", broken[behaviour], behaviour)
	}
	if left := len(mutants) - counts[killed]; left > 0 {
		return fmt.Errorf("%d of %d mutants were not killed", left, len(mutants))
	}
	return nil
}

// tail returns the end of a text.
func tail(text string) string {
	return strings.TrimRight(text[max(0, len(text)-maxDetail):], "\n")
}
