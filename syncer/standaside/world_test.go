package standaside_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/tgsync/tgsync/syncer/lease"
	"github.com/tgsync/tgsync/syncer/standaside"
	"github.com/tgsync/tgsync/test/kubesim"
)

func TestMain(m *testing.M) {
	kubesim.DisableErrorBackoff()
	goleak.VerifyTestMain(m)
}

const (
	namespace = "kube-system"
	name      = "aws-load-balancer-controller-leader"
	// LBC's times.
	leaseDuration = 15 * time.Second
	renewPeriod   = 2 * time.Second
	// atOnce is less than any time in the code, and more than requests take.
	atOnce = 10 * time.Millisecond
)

// world is an API server with the other's Lease, and a leader's work that waits for it.
type world struct {
	t     *testing.T
	kube  *kubesim.Server
	admin kubernetes.Interface
	watch *standaside.Watch
	stop  func()
	ended chan error

	mu      sync.Mutex // guards all below
	working bool
	terms   []lease.Term
	causes  []error // why the work ended
	told    []string
}

func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, kube: kubesim.New(kubesim.Options{Latency: time.Millisecond}), stop: func() {}}
		defer w.kube.Close()
		var err error
		w.admin, err = kubernetes.NewForConfig(w.kube.Admin())
		require.NoError(t, err)
		// Virtual time begins in 2000; a Lease of long ago needs a past.
		time.Sleep(24 * time.Hour)
		test(w)
		w.stop()
	})
}

// start starts a watch and a leader that works when the watch lets it.
func (w *world) start() { w.startNamed(name) }

func (w *world) startNamed(name string) {
	w.t.Helper()
	client, err := kubernetes.NewForConfig(w.kube.Config())
	require.NoError(w.t, err)
	w.watch = standaside.New(standaside.Options{
		Looks: client.CoordinationV1(), Watches: client.CoordinationV1(), Namespace: namespace, Name: name,
		Tell: func(_ context.Context, reason, _ string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.told = append(w.told, reason)
		},
		Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	w.ended = make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { w.ended <- w.watch.Run(ctx) })
	running.Go(func() { _ = w.watch.Work(w.work)(ctx, lease.Term{}) })
	w.stop = func() {
		cancel()
		running.Wait()
		w.stop = func() {}
	}
	w.pass(atOnce)
}

// work is the leader's work.
func (w *world) work(ctx context.Context, t lease.Term) error {
	w.set(func() { w.working, w.terms = true, append(w.terms, t) })
	<-ctx.Done()
	w.set(func() { w.working, w.causes = false, append(w.causes, context.Cause(ctx)) })
	return nil
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// said, began and ends return what was told, the terms, and why the work ended.
func (w *world) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told)
}

func (w *world) began() []lease.Term {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.terms)
}

func (w *world) ends() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.causes)
}

// works reports whether the leader works, which it does if and only if it may write.
func (w *world) works() bool {
	w.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Equal(w.t, w.working, !w.watch.Aside())
	require.Equal(w.t, w.working, w.watch.Check() == nil)
	return w.working
}

// write writes the other's Lease, as it is after a renewal at a moment.
func (w *world) write(holder string, renewed time.Time) {
	w.t.Helper()
	seconds := int32(leaseDuration / time.Second)
	l := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: renewed},
		},
	}
	leases := w.admin.CoordinationV1().Leases(namespace)
	old, err := leases.Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		_, err = leases.Create(w.t.Context(), l, metav1.CreateOptions{})
		require.NoError(w.t, err)
		return
	}
	l.ResourceVersion = old.ResourceVersion
	_, err = leases.Update(w.t.Context(), l, metav1.UpdateOptions{})
	require.NoError(w.t, err)
}

// renew lets the other renew its Lease for a while. Its clock is wrong by skew.
func (w *world) renew(d, skew time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); w.pass(renewPeriod) {
		w.write("lbc-1", time.Now().Add(skew))
	}
}

// forbidden makes reads of the Lease fail for want of a permission.
func (w *world) forbidden() {
	w.kube.Inject(kubesim.Fault{Match: kubesim.Match{Resource: "leases"}, Code: 403})
}

// calls returns how many requests were made.
func (w *world) calls() int { return len(w.kube.Calls()) }

func (w *world) service(client kubernetes.Interface) error {
	_, err := client.CoreV1().Services(namespace).Create(w.t.Context(),
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{GenerateName: "s-"}}, metav1.CreateOptions{})
	return err
}
