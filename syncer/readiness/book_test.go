package readiness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/endpoints"
)

var (
	ofP      = types.NamespacedName{Namespace: "ns", Name: "p"}
	ofA      = []Membership{{Binding: "a", GroupARN: "a", Target: at, Check: slow}}
	register = []Registration{{Target: at, Pod: ofP, UID: "u"}}
)

// seconds is a time after t0.
func seconds(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }

// factsAt returns what a book knows of a pod.
func factsAt(b *book, pod *endpoints.Pod, s float64) facts {
	return b.stands(pod, ofA, seconds(s))[0].facts
}

// TestReadsOfThePast do not count: what began before a registration shows what was
// before it.
func TestReadsOfThePast(t *testing.T) {
	b := newBook()
	b.stands(gated(static), ofA, seconds(0))
	b.registered("a", register, seconds(2))
	b.observed("a", seconds(1), []awsapi.TargetHealth{initial})
	require.True(t, factsAt(b, gated(static), 3).read.IsZero())
	b.observed("a", seconds(3), []awsapi.TargetHealth{healthy})
	b.observed("a", seconds(2.5), []awsapi.TargetHealth{initial}) // answered late
	f := factsAt(b, gated(static), 4)
	require.Equal(t, healthy, f.health)
	require.False(t, f.own)
	b.observed("a", seconds(4), []awsapi.TargetHealth{initial})
	require.True(t, factsAt(b, gated(static), 5).own)
}

// TestAddressOfAnotherPod is forgotten when a pod has it whose containers are ready, and
// no sooner.
func TestAddressOfAnotherPod(t *testing.T) {
	b := newBook()
	b.stands(gated(static), ofA, seconds(0))
	b.registered("a", register, seconds(1))
	b.observed("a", seconds(2), []awsapi.TargetHealth{initial})
	other := gated(static)
	other.Name, other.UID, other.ContainersReady = "q", "v", false
	require.Zero(t, factsAt(b, other, 3))
	require.True(t, factsAt(b, gated(static), 3).own)
	other.ContainersReady = true
	require.Zero(t, factsAt(b, other, 4))
	require.False(t, factsAt(b, other, 4).own)
}

// TestFreshAddress: who had not been in the group for a minute, by reads that go back
// that far, begins as initial.
func TestFreshAddress(t *testing.T) {
	tests := map[string]struct {
		read []float64 // when the group was read, without the target
		seen []float64 // and with it
		own  bool
	}{
		"nothing is known":                     {},
		"known for a short while":              {read: []float64{70}},
		"known for a minute":                   {read: []float64{39}, own: true},
		"seen a minute ago":                    {seen: []float64{10}, read: []float64{50}, own: true},
		"seen a moment ago":                    {read: []float64{10}, seen: []float64{60}},
		"seen, and not since":                  {seen: []float64{10}},
		"seen long ago, and gone for a moment": {seen: []float64{10, 60}, read: []float64{90}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			b.stands(gated(static), ofA, seconds(0))
			for s := range 100 {
				for _, read := range tt.read {
					if read == float64(s) {
						b.observed("a", seconds(read), nil)
					}
				}
				for _, seen := range tt.seen {
					if seen == float64(s) {
						b.observed("a", seconds(seen), []awsapi.TargetHealth{healthy})
					}
				}
			}
			b.registered("a", register, seconds(100))
			require.Equal(t, tt.own, factsAt(b, gated(static), 101).own)
		})
	}
}

// TestDelaysAreLearned from what is known exactly enough, in the middle of what is
// possible: the first read comes earlier as well as later.
func TestDelaysAreLearned(t *testing.T) {
	var d delays
	require.Equal(t, firstDelay, d.first())
	require.Equal(t, lastPropagation+slow.Interval, d.last(slow))
	for range learned {
		d.add(t0, seconds(1), seconds(60)) // teaches nothing
	}
	require.Equal(t, firstDelay, d.first())
	for range learned {
		d.add(t0, seconds(8), seconds(10))
	}
	d.add(t0, seconds(0), seconds(4))
	d.add(t0, seconds(18), seconds(20))
	require.Equal(t, 2*time.Second, d.first())
	require.Equal(t, 19*time.Second, d.last(slow))
	for range samples {
		d.add(t0, seconds(30), seconds(32))
	}
	require.Equal(t, 31*time.Second, d.first(), "only the latest count")
}

// TestRank is what a read of a group is worth.
func TestRank(t *testing.T) {
	rank := func(change func(b *book)) float64 {
		b := newBook()
		b.stands(gated(static), ofA, seconds(0))
		b.observed("a", seconds(0), nil)
		b.await(ofP, []wait{{Membership: ofA[0]}}, seconds(0))
		change(b)
		return b.rank("a", seconds(10))
	}
	one := rank(func(*book) {})
	require.InDelta(t, 100, one, 1e-9, "one pod, 10 s squared")
	require.InDelta(t, 200, rank(func(b *book) {
		b.await(types.NamespacedName{Name: "q"}, []wait{{Membership: ofA[0]}}, seconds(0))
	}), 1e-9)
	require.InDelta(t, 25, rank(func(b *book) { b.observed("a", seconds(5), nil) }), 1e-9)
	require.Zero(t, rank(func(b *book) { b.await(ofP, []wait{{ofA[0], seconds(20)}}, seconds(0)) }), "it is too early")
	require.InDelta(t, urgent*100, rank(func(b *book) { b.registered("a", register, seconds(8)) }), 1e-9, "initial is to be seen")
	require.Zero(t, newBook().rank("a", seconds(1)))
}

// TestWhoWaitedIsToldOfTheFirstReadThatSucceeds, whatever it shows.
func TestWhoWaitedIsToldOfTheFirstReadThatSucceeds(t *testing.T) {
	b := newBook()
	b.stands(gated(static), ofA, seconds(0))
	b.await(ofP, []wait{{Membership: ofA[0]}}, seconds(0))
	b.observed("a", seconds(1), []awsapi.TargetHealth{initial})
	require.Empty(t, b.observed("a", seconds(2), []awsapi.TargetHealth{initial}))
	require.Empty(t, b.failed("a", awsapi.Denied, seconds(3)))
	require.Equal(t, []types.NamespacedName{ofP}, b.failed("a", awsapi.Denied, seconds(34)))
	require.Equal(t, awsapi.Denied, b.stands(gated(static), ofA, seconds(35))[0].unreadable)
	require.Equal(t, []types.NamespacedName{ofP}, b.observed("a", seconds(36), []awsapi.TargetHealth{initial}))
	require.Empty(t, b.stands(gated(static), ofA, seconds(37))[0].unreadable)
}
