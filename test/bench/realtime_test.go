package bench

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer"
	"github.com/tgsync/tgsync/syncer/opqueue"
	"github.com/tgsync/tgsync/syncer/target"
)

// instantAPI is an AWS that answers at once and tells of each call.
type instantAPI struct {
	has   map[string][]target.Target // by group; not changed
	calls chan struct{}
	reads chan struct{}
}

var _ syncer.TargetAPI = (*instantAPI)(nil)

func (a *instantAPI) RegisterTargets(context.Context, string, []target.Target, func(netip.Addr) string) error {
	a.calls <- struct{}{}
	return nil
}

func (a *instantAPI) DeregisterTargets(context.Context, string, []target.Target) error {
	a.calls <- struct{}{}
	return nil
}

func (a *instantAPI) DescribeTargetHealth(_ context.Context, arn string) ([]awsapi.TargetHealth, error) {
	all := make([]awsapi.TargetHealth, 0, len(a.has[arn]))
	for _, t := range a.has[arn] {
		all = append(all, awsapi.TargetHealth{Target: t, Zone: "ap-northeast-3a", State: "healthy"})
	}
	a.reads <- struct{}{}
	return all, nil
}

// freeTokens is a budget without limits.
type freeTokens struct{}

func (freeTokens) RegistrationToken(context.Context) (*opqueue.Token, error) { return nil, nil }

func (freeTokens) ReadToken(context.Context, string) (*opqueue.Token, error) { return nil, nil }

// running is a product that runs in real time, over a cluster of groups that AWS
// has already.
type running struct {
	*product
	api  *instantAPI
	stop func()
}

// prepare makes a cluster of groups with a number of pods each.
func prepare(b *testing.B, groups, pods int) (*running, syncer.Source) {
	b.Helper()
	w := &world{trace: Trace{Groups: groups, Held: pods}}
	r := &running{product: &product{}, api: &instantAPI{
		has: map[string][]target.Target{}, calls: make(chan struct{}, 1), reads: make(chan struct{}, groups),
	}}
	var objects []kruntime.Object
	for g := range groups {
		w.arns = append(w.arns, groupName(g))
		r.api.has[groupName(g)] = w.held(g)
		r.slices = append(r.slices, heldSlice(g, w.held(g)))
		objects = append(objects, service(g), r.slices[g].DeepCopy())
	}
	r.kube = newCluster(objects)
	return r, fixed(w.bindings())
}

// start returns when every group has been observed.
func (r *running) start(b *testing.B, source syncer.Source) {
	b.Helper()
	var err error
	if r.informers, err = syncer.NewInformers(nil, r.kube); err != nil {
		b.Fatal(err)
	}
	r.syncer, err = syncer.New(r.options(api{r.api, freeTokens{}}, source, 0))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
	for range r.api.has {
		<-r.api.reads
	}
}

// BenchmarkChange takes one change through the whole pipeline, from the update of an
// EndpointSlice to the call, with an AWS that answers at once. The fake API server's
// part is measured too; BenchmarkFakeUpdate says how much that is.
func BenchmarkChange(b *testing.B) {
	r, source := prepare(b, 1, 20)
	r.start(b, source)
	defer r.stop()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r.flip(b, n)
		<-r.api.calls
	}
}

// BenchmarkFakeUpdate is what of BenchmarkChange is not the product's: the fake API
// server takes an update that nobody watches.
func BenchmarkFakeUpdate(b *testing.B) {
	r, _ := prepare(b, 1, 20)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		r.flip(b, n)
	}
}

// flip makes one pod ready that is not, or the other way round.
func (r *running) flip(b *testing.B, n int) {
	b.Helper()
	slice := r.slices[0]
	slice.Endpoints[0].Conditions.Ready = new(n%2 == 1)
	if _, err := r.kube.DiscoveryV1().EndpointSlices(namespace).Update(b.Context(), slice.DeepCopy(), metav1.UpdateOptions{}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMemory is what the daemon holds of 1,000 pods in a group: its caches
// and what it knows of AWS. The cluster's own objects are not counted.
func BenchmarkMemory(b *testing.B) {
	const groups, thousands = 20, 20
	var held uint64
	for b.Loop() {
		r, source := prepare(b, groups, thousands*1000/groups)
		before := heap()
		r.start(b, source)
		// The last answer is read; what becomes of it is not told.
		time.Sleep(100 * time.Millisecond)
		held += (heap() - before) / thousands
		r.stop()
		runtime.KeepAlive(r)
	}
	b.ReportMetric(float64(held)/float64(b.N), "B/1000pods")
}

// heap returns how much is in use after everything else has been collected.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
