package awssim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

// busyRegion takes 2/s of the account's bucket, 0.8/s of the registrations' and 10
// at once every 30 s.
var busyRegion = []awssim.Neighbour{
	{Every: 500 * time.Millisecond, Offset: 7},
	{Buckets: []awssim.Bucket{awssim.RegistrationBucket}, Every: 1250 * time.Millisecond, Offset: 11},
	{Every: 30 * time.Second, Calls: 10, Offset: 30 * time.Second},
}

func TestNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true, Neighbours: busyRegion})
		group := a.group(t, "echo")
		register := func() error { _, err := a.elb.RegisterTargets(t.Context(), targets(group, "10.0.1.1")); return err }
		read := func() error { _, err := a.elb.DescribeTargetGroups(t.Context(), nil); return err }
		const throttled = "ThrottlingException"

		time.Sleep(30 * time.Second)
		require.Equal(t, 30, drain(t, throttled, read), "of the full bucket, 10 are gone")
		time.Sleep(10 * time.Second)
		require.Equal(t, 40, drain(t, throttled, read), "what the neighbours take slowly flows in again")
		time.Sleep(time.Second)
		require.Equal(t, 9, drain(t, throttled, read), "10 flow in, one is taken and one moment was too early")
		time.Sleep(20 * time.Second)
		require.Equal(t, 20, drain(t, throttled, register))
		time.Sleep(5 * time.Second)
		require.Equal(t, 16, drain(t, throttled, register), "20 flow in, 4 are taken")

		accepted, refused := a.NeighbourCalls()
		require.Equal(t, []int{129, 53, 20}, accepted, "within 66 s")
		require.Equal(t, []int{3, 0, 0}, refused, "just after we had taken all there was, three times")
	})
}

// Neighbours get what is left, as everybody does.
func TestNeighboursAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Throttling: true, Neighbours: []awssim.Neighbour{
			{Buckets: []awssim.Bucket{awssim.AccountBucket, awssim.RegistrationBucket}, Every: time.Second, Calls: 6},
		}})
		time.Sleep(time.Minute - 1)
		accepted, refused := a.NeighbourCalls()
		// 20 at the start, 59 x 4 that flow in until the last moment.
		require.Equal(t, []int{20 + 59*4}, accepted)
		require.Equal(t, []int{60*6 - 20 - 59*4}, refused)
	})
}

func TestNoNeighboursWithoutBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, awssim.Options{Neighbours: busyRegion})
		time.Sleep(time.Hour)
		accepted, refused := a.NeighbourCalls()
		require.Equal(t, []int{0, 0, 0}, accepted)
		require.Equal(t, []int{0, 0, 0}, refused)
	})
}

func TestNeighboursRejected(t *testing.T) {
	for name, n := range map[string]awssim.Neighbour{
		"no interval":     {},
		"negative offset": {Every: 1, Offset: -1},
		"negative calls":  {Every: 1, Calls: -1},
		"unknown bucket":  {Every: 1, Buckets: []awssim.Bucket{"elb"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := awssim.New(awssim.Options{Neighbours: []awssim.Neighbour{n}})
			require.Error(t, err)
		})
	}
}
