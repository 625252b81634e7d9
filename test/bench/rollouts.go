package bench

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/endpoints"
)

// surge is how many pods a Deployment of 10 may have more than that.
const surge = 3

// rollout is how the rollouts went.
type rollout struct {
	lags   []time.Duration // from healthy to the open gate, sorted
	done   time.Duration
	opened []moment
}

// moment is that in which a gate opened.
type moment struct {
	at      time.Duration // from the start
	waiting int           // groups that pods still waited for
}

// playGated plays rollouts of pods with gates. Its bounds are those of one who knows
// every healthy moment, and of reading all groups that wait in turn.
func playGated(ctx context.Context, t Trace, e entrant) ([]figure, error) {
	r, reads, err := playRollouts(ctx, t, keeperOf(e.name))
	if err != nil {
		return nil, err
	}
	oracle := r
	if e.name == productName {
		if oracle, _, err = playRollouts(ctx, t, knowing); err != nil {
			return nil, err
		}
	}
	turn, longest := turnOf(r.opened, reads)
	return []figure{
		{"healthy to condition p50", quantile(r.lags, 0.5).Seconds(), "s", turn},
		{"healthy to condition p99", quantile(r.lags, 0.99).Seconds(), "s", longest},
		{"done", r.done.Seconds(), "s", oracle.done.Seconds()},
		{"reads", float64(len(reads.reads)), "calls", 0},
		{"throttled", share(reads.throttled(), len(reads.reads)+len(reads.calls)), "%", 0},
	}, nil
}

// turnOf is how long it takes to read every group that pods wait for once, with what
// registration leaves of the account's tokens: on average over the moments in which
// gates opened, and at the worst of them. In the first seconds all pods are registered
// at once, and a turn takes twice as long as later.
func turnOf(opened []moment, p *played) (average, longest float64) {
	const window = 10 * time.Second // in which registrations are counted
	for _, m := range opened {
		var registrations float64
		for _, c := range p.calls {
			if c.sent > m.at-window && c.sent <= m.at {
				registrations++
			}
		}
		turn := float64(m.waiting) / (account.Refill - registrations/min(window, m.at).Seconds())
		average += turn / float64(len(opened))
		longest = max(longest, turn)
	}
	return average, longest
}

// playRollouts lets one keeper of gates play.
func playRollouts(ctx context.Context, t Trace, keep keeper) (rollout, *played, error) {
	w, err := newGated(ctx, t)
	if err != nil {
		return rollout{}, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return w.sim.Run(ctx) })
	running.Go(func() error { return w.product.Run(ctx) })
	w.factory.StartWithContext(ctx)
	running.Go(func() error { return keep(ctx, w) })
	var r rollout
	running.Go(func() (err error) {
		defer cancel()
		r, err = w.roll(ctx)
		return err
	})
	err = running.Wait()
	w.factory.Shutdown()
	w.kube.Close()
	return r, w.record(), err
}

// roll replaces all pods of all groups.
func (w *gated) roll(ctx context.Context) (rollout, error) {
	if err := sleep(ctx, rest); err != nil {
		return rollout{}, err
	}
	w.start = time.Now()
	var (
		r   rollout
		mu  sync.Mutex // guards r, and the product's slices
		all errgroup.Group
	)
	for g := range w.trace.Groups {
		begin := time.Duration(g) * startsWithin / time.Duration(w.trace.Groups)
		fresh := make(chan Change, len(w.trace.Changes))
		for _, c := range w.freshOf(g) {
			fresh <- c
		}
		close(fresh)
		for slot := range surge {
			all.Go(func() error {
				if err := sleep(ctx, begin+time.Duration(slot)); err != nil {
					return err
				}
				for c := range fresh {
					lag, err := w.replaceOne(ctx, c, &mu)
					if err != nil {
						return err
					}
					mu.Lock()
					r.lags = append(r.lags, lag)
					r.opened = append(r.opened, moment{time.Since(w.start), len(w.gates.Waiting())})
					mu.Unlock()
				}
				return nil
			})
		}
	}
	err := all.Wait()
	r.done = time.Since(w.start)
	slices.Sort(r.lags)
	return r, err
}

// freshOf returns the new pods of a group, in the order in which they are made.
func (w *gated) freshOf(group int) []Change {
	of := slices.DeleteFunc(slices.Clone(w.trace.Changes), func(c Change) bool { return c.Group != group })
	slices.SortFunc(of, func(a, b Change) int { return a.Target - b.Target })
	return of
}

// startsWithin is the time in which the rollouts begin.
const startsWithin = 5 * time.Second

// replaceOne makes a pod, waits until it is Ready, and deletes an old one. It returns
// how long the gate stayed closed although the target was healthy.
func (w *gated) replaceOne(ctx context.Context, c Change, slices *sync.Mutex) (time.Duration, error) {
	opened, err := w.create(ctx, c)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, c.At); err != nil {
		return 0, err
	}
	if err := w.containersReady(ctx, c.Target); err != nil {
		return 0, err
	}
	if err := w.change(ctx, c, slices); err != nil {
		return 0, err
	}
	// One of the two: a gate that never opens ends with the benchmark.
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-opened:
	}
	healthy := w.healthySince(c)
	if healthy.IsZero() {
		return 0, fmt.Errorf("the gate of target %d is open, and it is not healthy", c.Target)
	}
	lag := time.Since(healthy)
	old := c.Target - w.trace.Groups*w.trace.Held
	return lag, w.change(ctx, Change{Group: c.Group, Target: old, Operation: Deregister}, slices)
}

// createHeld makes the pods that are there at the start, with open gates.
func (w *gated) createHeld(ctx context.Context) error {
	for n := range w.trace.Groups * w.trace.Held {
		if _, err := w.create(ctx, Change{Group: n / w.trace.Held, Target: n}); err != nil {
			return err
		}
		for _, name := range []string{endpoints.GateTargetsReady, string(corev1.ContainersReady)} {
			if err := w.condition(ctx, n, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// change tells the Syncer of an address.
func (w *gated) change(ctx context.Context, c Change, slices *sync.Mutex) error {
	slices.Lock()
	defer slices.Unlock()
	return w.product.Change(ctx, []Change{c})
}

// create makes a pod with a gate.
func (w *gated) create(ctx context.Context, c Change) (opened <-chan struct{}, err error) {
	pods := w.hand.CoreV1().Pods(namespace)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName(c.Target).Name, Labels: map[string]string{"group": strconv.Itoa(c.Group)}},
		Spec:       corev1.PodSpec{NodeName: "n", ReadinessGates: []corev1.PodReadinessGate{{ConditionType: endpoints.GateTargetsReady}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	ip := address(c.Target).IP.String()
	pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	if _, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	opens := make(chan struct{})
	w.uids[c.Target], w.opens[c.Target] = pod.UID, opens
	return opens, nil
}

// containersReady sets what a kubelet sets.
func (w *gated) containersReady(ctx context.Context, n int) error {
	return w.condition(ctx, n, string(corev1.ContainersReady))
}

// condition makes a condition of a pod true.
func (w *gated) condition(ctx context.Context, n int, name string) error {
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":%q,"status":"True","lastTransitionTime":%q}]}}`, name, time.Now().UTC().Format(time.RFC3339))
	_, err := w.hand.CoreV1().Pods(namespace).Patch(ctx, podName(n).Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	return err
}

// healthySince returns since when a target is healthy; zero: it is not.
func (w *gated) healthySince(c Change) time.Time {
	at := netip.AddrPortFrom(address(c.Target).IP, targetPort)
	for _, t := range w.sim.Targets(w.arns[c.Group]) {
		if t.Address == at {
			return t.Healthy
		}
	}
	return time.Time{}
}

func (w *gated) groupOf(label string) int {
	g, err := strconv.Atoi(label)
	if err != nil {
		return 0 // of a pod that is not of this world
	}
	return g
}

func podName(n int) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("pod-%05d", n)}
}
