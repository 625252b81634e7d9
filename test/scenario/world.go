package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"github.com/tgsync/tgsync/test/awssim"
	"github.com/tgsync/tgsync/test/kubesim"
)

// callLatency is how long a call to AWS takes.
const callLatency = 60 * time.Millisecond

// Settings are what a world is made with. The zero value is a world with the
// daemon's own settings and AWS's defaults, in which nobody is throttled.
type Settings struct {
	BatchInterval time.Duration // 0: 200 ms
	AuditInterval time.Duration // 0: 10 min
	GracePeriod   time.Duration // 0: 1 min
	FailClosed    bool

	Throttling          bool // AWS has its published token buckets
	Quotas              awssim.Quotas
	Switches            awssim.Switches
	DeregistrationDelay time.Duration // of every group; 0: AWS's own, 300 s
}

// World is a cluster, an account, and daemons between them. It lives in a bubble of
// virtual time and is used from one goroutine. Its methods return errors: it knows
// nothing of tests.
type World struct {
	settings Settings
	cluster  *cluster
	account  *account
	kube     *kubesim.Server
	sim      *awssim.Sim
	tap      *tap
	desired  *desired
	daemons  map[string]*daemon // those that run, by name
	killed   []*daemon          // those that were killed
	instant  time.Duration      // what the next time of the driver gets on top
	began    time.Time
	judged   int // calls that Check has looked at
	started  int // daemons until now
}

// NewWorld makes a world in which nothing runs yet.
func NewWorld(ctx context.Context, s Settings) (*World, error) {
	s.BatchInterval = cmp.Or(s.BatchInterval, batchInterval)
	s.AuditInterval = cmp.Or(s.AuditInterval, auditInterval)
	s.GracePeriod = cmp.Or(s.GracePeriod, gracePeriod)
	w := &World{settings: s, kube: kubesim.New(kubesim.Options{Seed: s.Switches.Seed}), tap: &tap{}, began: time.Now(), daemons: map[string]*daemon{}}
	var err error
	if w.sim, err = newSim(s); err != nil {
		return nil, err
	}
	w.account = newAccount(w.sim, s)
	w.tap.account = w.account
	if w.cluster, err = newCluster(w.kube); err != nil {
		return nil, err
	}
	w.desired = &desired{settings: s}
	w.cluster.changed = func() { w.desired.note(w.cluster) }
	return w, w.cluster.setNode(ctx, firstNode, "True")
}

// Close ends everything that runs in the world.
func (w *World) Close() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(w.daemons)) {
		errs = append(errs, w.Kill(name))
	}
	for _, d := range w.killed {
		<-d.ended // The error of one that was killed is nobody's.
	}
	w.kube.Close()
	return errors.Join(errs...)
}

// Pass lets time pass and lets everything come to rest that happens in it. Each
// stretch of time is a nanosecond longer than the one before: so nothing that the
// driver does shares an instant with what was set off by what it did before, and
// what would happen together has an order.
func (w *World) Pass(ctx context.Context, d time.Duration) error {
	if d > 0 {
		w.instant++
		d += w.instant
	}
	end := time.Now().Add(d)
	for {
		synctest.Wait()
		due, ok := w.cluster.nextSync()
		if !ok || due.After(end) {
			break
		}
		sleepUntil(due)
		synctest.Wait()
		if err := w.cluster.syncDue(ctx); err != nil {
			return err
		}
	}
	sleepUntil(end)
	synctest.Wait()
	return nil
}

// since is a moment in the history of the world.
func (w *World) since(t time.Time) string { return "at " + t.Sub(w.began).String() }

func sleepUntil(t time.Time) {
	if d := time.Until(t); d > 0 {
		time.Sleep(d)
	}
}

// trace is what has happened until now.
func (w *World) trace() trace {
	tr := trace{calls: w.tap.since(0)}
	for _, m := range w.desired.past {
		tr.writes = append(tr.writes, m.from.Sub(w.began))
	}
	return tr
}

// daemon returns a daemon that runs.
func (w *World) daemon(name string) (*daemon, error) {
	d := w.daemons[name]
	if d == nil {
		return nil, fmt.Errorf("%s does not run", nameOf(name))
	}
	return d, nil
}

// nameOf names a daemon in errors.
func nameOf(replica string) string {
	if replica == "" {
		return "the daemon"
	}
	return "replica " + replica
}
