package securitygroup

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/tgsync/tgsync/awsapi"
)

// grant opens what is missing on a group. It waits for nothing: a rule too many for a
// moment does less harm than one too few.
func (l *Loop) grant(ctx context.Context, p *plan, id string) {
	g := l.groups.known[id]
	if g == nil {
		return // it is being looked up
	}
	missing := p.missing(&g.SecurityGroup)
	if len(missing) == 0 {
		g.failures, g.due = 0, time.Time{}
		return
	}
	if time.Now().Before(g.due) {
		l.sooner(g.due)
		l.blame(p, id, l.told)
		return
	}
	err := l.authorize(ctx, g, missing)
	switch awsapi.ClassOf(err) {
	case awsapi.Duplicate:
		// Somebody has opened a part of it since the group was read.
		if err = l.groups.reread(ctx, g); err == nil {
			err = l.authorize(ctx, g, p.missing(&g.SecurityGroup))
		}
	case awsapi.Limit:
		// No room for both: the one case in which the old must make way first.
		if l.close(ctx, g, func(awsapi.Permission) bool { return true }) {
			err = l.authorize(ctx, g, missing)
		}
	default:
	}
	l.settle(ctx, p, g, err)
}

// authorize opens rules on a group.
func (l *Loop) authorize(ctx context.Context, g *group, rules []awsapi.Permission) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := l.o.EC2.AuthorizeIngress(ctx, g.ID, rules)
	g.wrote = time.Now()
	if err == nil && len(rules) > 0 {
		g.Ingress = append(slices.Clone(g.Ingress), rules...)
		l.o.Log.InfoContext(ctx, "opened ports of a security group", slog.String("group", g.ID), slog.Any("rules", rules))
	}
	return err
}

// settle notes how a write went.
func (l *Loop) settle(ctx context.Context, p *plan, g *group, err error) {
	if err == nil {
		g.failures, g.due = 0, time.Time{}
		return
	}
	g.due = time.Now().Add(pause(g.failures))
	g.failures++
	l.sooner(g.due)
	if awsapi.ClassOf(err) == awsapi.Unavailable || awsapi.ClassOf(err) == awsapi.NotFound {
		// What became of it only AWS knows.
		if err := l.groups.reread(ctx, g); err != nil {
			l.o.Log.WarnContext(ctx, "cannot read a security group", slog.Any("error", err))
		}
	}
	if p.groups[g.ID] != nil {
		for _, n := range p.groups[g.ID].needs {
			p.tell(n, "cannot open ports of security group "+g.ID+": AWS answers "+awsapi.Code(err))
		}
	}
	l.o.Log.WarnContext(ctx, "cannot change a security group", slog.String("group", g.ID), slog.Any("error", err))
}

// blame repeats what was told of a group that is not tried now.
func (l *Loop) blame(p *plan, id string, told map[string]string) {
	for _, n := range p.groups[id].needs {
		if text := told[n.Name]; text != "" {
			p.owners[n.Name], p.problems[n.Name] = n, []string{text}
		}
	}
}

// revoke closes what nobody has needed on a group for a while.
func (l *Loop) revoke(ctx context.Context, p *plan, g *group) {
	if !g.ours {
		return
	}
	extra := l.extra(p, g)
	maps.DeleteFunc(g.unneeded, func(r awsapi.Permission, _ time.Time) bool { return !slices.Contains(extra, r) })
	due := false
	for _, r := range extra {
		since, ok := g.unneeded[r]
		if !ok {
			since = time.Now()
			g.unneeded[r] = since
		}
		if time.Since(since) >= linger {
			due = true
		} else {
			l.sooner(since.Add(linger))
		}
	}
	if !due {
		return
	}
	if time.Now().Before(g.due) {
		l.sooner(g.due)
		return
	}
	l.close(ctx, g, func(r awsapi.Permission) bool {
		since, ok := g.unneeded[r]
		return ok && time.Since(since) >= linger
	})
}

// extra returns what nobody needs on a group. In the first minutes that is nothing as
// long as anything is not known.
func (l *Loop) extra(p *plan, g *group) []awsapi.Permission {
	if settled := l.begun.Add(settling); !p.known() && time.Now().Before(settled) {
		l.sooner(settled)
		return nil
	}
	return p.extra(&g.SecurityGroup, l.groups.removable)
}

// close takes away those of a group's rules that nobody needs and that may go, and
// returns whether there were some. The group is read for it, after whatever was written
// to it before; and what is needed is decided after that reading: a rule that was asked
// for meanwhile stays.
func (l *Loop) close(ctx context.Context, g *group, may func(awsapi.Permission) bool) bool {
	err := l.groups.reread(ctx, g)
	p := l.plan()
	var doomed []awsapi.Permission
	if err == nil {
		doomed = slices.DeleteFunc(l.extra(p, g), func(r awsapi.Permission) bool { return !may(r) })
	}
	if len(doomed) > 0 {
		err = l.take(ctx, g, doomed)
	}
	l.settle(ctx, p, g, err)
	return err == nil && len(doomed) > 0
}

// take revokes rules of a group.
func (l *Loop) take(ctx context.Context, g *group, rules []awsapi.Permission) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := l.o.EC2.RevokeIngress(ctx, g.ID, rules)
	g.wrote = time.Now()
	if err != nil {
		return err
	}
	g.Ingress = slices.DeleteFunc(slices.Clone(g.Ingress), func(r awsapi.Permission) bool { return slices.Contains(rules, r) })
	for _, r := range rules {
		delete(g.unneeded, r)
	}
	l.o.Log.InfoContext(ctx, "closed ports of a security group", slog.String("group", g.ID), slog.Any("rules", rules))
	return nil
}

// release deletes the backend group once nobody has needed it for a while. AWS refuses
// that for as long as an interface has it or a rule names it: it is tried again then.
func (l *Loop) release(ctx context.Context, p *plan) {
	b := &l.backend
	if !p.complete || p.backend || !l.o.Backend.removable() {
		b.unneeded, b.failures = time.Time{}, 0
		return
	}
	if b.unneeded.IsZero() {
		b.unneeded = time.Now()
		b.due = b.unneeded.Add(linger)
	}
	if time.Now().Before(b.due) {
		l.sooner(b.due)
		return
	}
	asked := l.o.Backend.wishes() // before the needs: whoever asks has shown that it does
	if l.plan().backend {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := l.o.Backend.remove(ctx, asked)
	if err == nil {
		return
	}
	b.due = time.Now().Add(pause(b.failures))
	b.failures++
	l.sooner(b.due)
	if awsapi.ClassOf(err) != awsapi.InUse {
		l.o.Log.WarnContext(ctx, "cannot delete the backend security group", slog.Any("error", err))
	}
	if awsapi.ClassOf(err) == awsapi.Unavailable {
		l.groups.at = time.Time{} // the next reading of all tells what became of it
	}
}
