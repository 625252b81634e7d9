package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tgsync/tgsync/syncer/target"
)

// Check holds every call until now to what is always true. Each is judged once.
func (w *World) Check() error {
	var errs []error
	var open []call // that may overlap with the next one
	for n, c := range w.tap.since(0) {
		if !c.mutates() {
			continue
		}
		if n >= w.judged {
			errs = append(errs, w.checkCall(c))
		}
		open = slices.DeleteFunc(open, func(o call) bool { return !o.End.IsZero() && !o.End.After(c.Begin) })
		for _, o := range open {
			errs = append(errs, w.checkDisjoint(o, c))
		}
		open = append(open, c)
	}
	w.judged = w.tap.count()
	return errors.Join(errs...)
}

// checkDisjoint returns an error if two calls of one group that overlap in time name
// the same target: their order at AWS would decide.
func (w *World) checkDisjoint(a, b call) error {
	if a.Group != b.Group {
		return nil
	}
	for _, t := range b.Targets {
		if slices.Contains(a.Targets, t) {
			return fmt.Errorf("%s: while %q was under way, %q names %s too", w.since(b.Begin), a.String(), b.String(), a.Group.text(t))
		}
	}
	return nil
}

// checkCall holds one call to the size of calls, to the caches, and to what was
// desired when it began.
func (w *World) checkCall(c call) error {
	if n := len(c.Targets); n < 1 || n > batchSize {
		return fmt.Errorf("%s: a call has %d targets: %s", w.since(c.Begin), n, c.String())
	}
	if !c.Synced {
		return fmt.Errorf("%s: before all caches were full: %s", w.since(c.Begin), c.String())
	}
	for _, t := range c.Targets {
		if c.Action == deregisterTargets && !w.desired.releases(c.Group.binding, t, c.Begin) {
			return fmt.Errorf("%s: %s was desired: %s", w.since(c.Begin), c.Group.text(t), c.String())
		}
		if c.Action == registerTargets && !w.desired.registers(c.Group.binding, t, c.Begin) {
			return fmt.Errorf("%s: %s was not desired: %s", w.since(c.Begin), c.Group.text(t), c.String())
		}
	}
	return nil
}

// CheckSettled returns an error if AWS has not what Kubernetes wants, of any group.
func (w *World) CheckSettled() error {
	var errs []error
	for name := range w.account.groups {
		errs = append(errs, w.checkSettled(name))
	}
	return errors.Join(errs...)
}

func (w *World) checkSettled(group string) error {
	g, err := w.account.group(group)
	if err != nil {
		return err
	}
	have, _, err := w.account.targets(group)
	if err != nil {
		return err
	}
	p := target.Diff(w.desired.now(g.binding).desired, have, nil)
	p.Deregister = slices.DeleteFunc(p.Deregister, func(t target.Target) bool { return !w.desired.releases(g.binding, t, time.Now()) })
	if p.Empty() {
		return nil
	}
	return fmt.Errorf("%s: target group %s lacks %v and has %v too many", w.since(time.Now()), group, p.Register, p.Deregister)
}
