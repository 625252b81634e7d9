package groupbinding

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/tgsync/tgsync/syncer/target"
)

// accounts looks target groups up, those of each role in its own account. Our own is
// asked in the middle of a pass. The others are asked beside passes, each by itself: one
// that denies us or does not answer keeps nobody waiting.
type accounts struct {
	own   *finder
	roles func(target.Role) AWS
	log   *slog.Logger
	done  func() // is called when another account has answered

	asking sync.WaitGroup // the lookups that are under way
	mu     sync.Mutex     // guards others, and every other
	others map[target.Role]*other
}

// other is the account of a role.
type other struct {
	finder *finder // its asker's, if there is one
	asked  bool    // somebody asks
	known  map[string]*finding
}

func newAccounts(o Options, done func()) *accounts {
	return &accounts{own: newFinder(o.AWS, o.Log), roles: o.Roles, log: o.Log, done: done, others: map[target.Role]*other{}}
}

// found returns what is known of an object's group, nil: nothing yet.
func (a *accounts) found(o *Object) *finding {
	role := o.role()
	if role == (target.Role{}) {
		return a.own.known[o.groupName()]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := a.others[role]; at != nil {
		return at.known[o.groupName()]
	}
	return nil
}

// refresh looks up those of the names whose time has come, forgets all others, and
// returns when the next is due, but for those that are being looked up.
func (a *accounts) refresh(ctx context.Context, wanted map[target.Role]map[string]time.Duration) (next time.Time) {
	next = a.own.refresh(ctx, wanted[target.Role{}])
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.others, func(role target.Role, _ *other) bool { return len(wanted[role]) == 0 })
	for role, names := range wanted {
		if role == (target.Role{}) {
			continue
		}
		at := a.others[role]
		if at == nil {
			at = &other{finder: newFinder(a.roles(role), a.log)}
			a.others[role] = at
		}
		if due := a.refreshLocked(ctx, at, names); !due.IsZero() && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	return next
}

// refreshLocked does the same in one other account.
func (a *accounts) refreshLocked(ctx context.Context, at *other, names map[string]time.Duration) (next time.Time) {
	if at.asked {
		return next // whoever asks wakes us
	}
	if next = at.finder.next(names); next.After(time.Now()) {
		return next
	}
	at.asked = true
	a.asking.Go(func() {
		at.finder.refresh(ctx, names)
		known := maps.Clone(at.finder.known)
		a.mu.Lock()
		at.asked, at.known = false, known
		a.mu.Unlock()
		a.done()
	})
	return time.Time{}
}

// wait returns when nobody asks any more.
func (a *accounts) wait() { a.asking.Wait() }
