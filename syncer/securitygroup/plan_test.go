package securitygroup

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/awsapi"
)

var (
	lb    = Peer{Group: backend}
	block = Peer{CIDR: "10.0.0.0/8"}
	six   = Peer{CIDRv6: "2001:db8::/32"}
)

func tcp(n int32) Port { return Port{Protocol: TCP, Number: n} }

func udp(n int32) Port { return Port{Protocol: UDP, Number: n} }

func named(s string) Port { return Port{Protocol: TCP, Name: s} }

// needOf is a need for the pods of a Service of the same name.
func needOf(service string, openings ...Opening) Need {
	return Need{Name: service, Service: types.NamespacedName{Name: service}, Openings: openings}
}

// TestMerging: what is opened on one group.
func TestMerging(t *testing.T) {
	of := func(p Peer, protocol string, from, to int32) awsapi.Permission {
		return p.permission(protocol, portRange{from, to})
	}
	other := Peer{Group: "sg-x"}
	tests := map[string]struct {
		openings     []Opening
		unrestricted bool
		want         []awsapi.Permission
	}{
		"a port":                      {openings: []Opening{{lb, []Port{tcp(80)}}}, want: []awsapi.Permission{of(lb, TCP, 80, 80)}},
		"a range of a group's":        {openings: []Opening{{lb, []Port{tcp(9090), tcp(80)}}, {lb, []Port{tcp(85)}}}, want: []awsapi.Permission{of(lb, TCP, 80, 9090)}},
		"protocols apart":             {openings: []Opening{{lb, []Port{tcp(80), tcp(90), udp(53)}}}, want: []awsapi.Permission{of(lb, TCP, 80, 90), of(lb, UDP, 53, 53)}},
		"groups apart":                {openings: []Opening{{lb, []Port{tcp(80)}}, {other, []Port{tcp(90)}}}, want: []awsapi.Permission{of(lb, TCP, 80, 80), of(other, TCP, 90, 90)}},
		"blocks stay apart":           {openings: []Opening{{block, []Port{tcp(80), tcp(90)}}, {six, []Port{tcp(80)}}}, want: []awsapi.Permission{of(six, TCP, 80, 80), of(block, TCP, 80, 80), of(block, TCP, 90, 90)}},
		"the same twice":              {openings: []Opening{{block, []Port{tcp(80)}}, {block, []Port{tcp(80)}}}, want: []awsapi.Permission{of(block, TCP, 80, 80)}},
		"no ports are all of TCP":     {openings: []Opening{{lb, nil}}, want: []awsapi.Permission{of(lb, TCP, 0, 65535)}},
		"all ports of a protocol":     {openings: []Opening{{lb, []Port{{Protocol: UDP}}}}, want: []awsapi.Permission{of(lb, UDP, 0, 65535)}},
		"names are what pods have":    {openings: []Opening{{lb, []Port{named("http")}}}, want: []awsapi.Permission{of(lb, TCP, 8080, 8081)}},
		"unrestricted is not a range": {openings: []Opening{{lb, []Port{tcp(80), tcp(90), tcp(80)}}}, unrestricted: true, want: []awsapi.Permission{of(lb, TCP, 80, 80), of(lb, TCP, 90, 90)}},
	}
	pods := []Pod{{Ports: map[string]int32{"http": 8080}}, {Ports: map[string]int32{"http": 8081}}, {Ports: map[string]int32{"http": 8080}}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := makePlan(view{
				needs: []Need{needOf("web", tt.openings...)}, unrestricted: tt.unrestricted,
				pods: func(Need) []Pod { return pods }, group: func(Pod, *asks) finding { return finding{group: "sg-1"} },
			})
			require.Equal(t, tt.want, p.groups["sg-1"].open)
			require.Empty(t, p.problems)
		})
	}
}

// TestKeeping: which rules stay although nothing opens them.
func TestKeeping(t *testing.T) {
	rules := []awsapi.Permission{rule(80, 90), rule(7, 7), block.permission(TCP, portRange{80, 80}), theirs(rule(1, 1))}
	held := func(n Need) Need { n.Held = true; return n }
	broken := func(n Need) Need { n.Broken = "x"; return n }
	tests := map[string]struct {
		need  Need
		where finding
		extra []awsapi.Permission
	}{
		"nothing is needed":               {need: Need{Name: "x"}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
		"another range":                   {need: needOf("web", Opening{lb, []Port{tcp(85)}}), where: finding{group: "sg-1"}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
		"held":                            {need: held(needOf("web", Opening{lb, []Port{tcp(85)}})), where: finding{group: "sg-1"}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80})}},
		"held on another group":           {need: held(needOf("web", Opening{lb, []Port{tcp(85)}})), where: finding{group: "sg-2"}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
		"of a pod that is not known":      {need: needOf("web", Opening{block, nil}), extra: []awsapi.Permission{rule(7, 7), rule(80, 90)}},
		"of another protocol":             {need: needOf("web", Opening{lb, []Port{{Protocol: UDP}}}), extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
		"of a port that a pod has not":    {need: needOf("web", Opening{lb, []Port{named("x")}}), where: finding{group: "sg-1"}, extra: []awsapi.Permission{block.permission(TCP, portRange{80, 80})}},
		"broken":                          {need: broken(needOf("web")), where: finding{group: "sg-1"}},
		"broken on another group":         {need: broken(needOf("web")), where: finding{group: "sg-2"}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
		"broken, and nobody knows where":  {need: broken(needOf("web"))},
		"held, and nobody knows of whose": {need: held(needOf("", Opening{lb, nil})), extra: []awsapi.Permission{block.permission(TCP, portRange{80, 80})}},
		"a pod outside":                   {need: needOf("web", Opening{lb, nil}), where: finding{outside: true}, extra: []awsapi.Permission{rule(7, 7), block.permission(TCP, portRange{80, 80}), rule(80, 90)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := view{
				needs: []Need{tt.need}, complete: true,
				pods:  func(Need) []Pod { return []Pod{{Name: types.NamespacedName{Name: "p"}}} },
				group: func(Pod, *asks) finding { return tt.where },
			}
			ours := func(*awsapi.SecurityGroup, awsapi.Permission) bool { return true }
			g := &awsapi.SecurityGroup{ID: "sg-1", Ingress: rules}
			require.Equal(t, tt.extra, makePlan(v).extra(g, ours))
			v.complete = false
			require.Empty(t, makePlan(v).extra(g, ours))
		})
	}
}

// TestInputsStay: a plan does not change what it is made of.
func TestInputsStay(t *testing.T) {
	needs := []Need{needOf("web", Opening{lb, []Port{tcp(90), tcp(80)}}), needOf("api", Opening{lb, []Port{tcp(70)}})}
	g := &awsapi.SecurityGroup{ID: "sg-1", Ingress: []awsapi.Permission{rule(9, 9), rule(8, 8)}}
	p := makePlan(view{needs: needs, complete: true, pods: func(Need) []Pod { return []Pod{{}} }, group: func(Pod, *asks) finding { return finding{group: "sg-1"} }})
	require.Equal(t, []awsapi.Permission{rule(70, 90)}, p.missing(g))
	require.Len(t, p.extra(g, func(*awsapi.SecurityGroup, awsapi.Permission) bool { return true }), 2)
	require.Equal(t, []Port{tcp(90), tcp(80)}, needs[0].Openings[0].Ports)
	require.Equal(t, []awsapi.Permission{rule(9, 9), rule(8, 8)}, g.Ingress)
}

// TestBoard: a change signals, the same again does not.
func TestBoard(t *testing.T) {
	b := NewBoard()
	signalled := func() bool {
		select {
		case <-b.Changed():
			return true
		default:
			return false
		}
	}
	n := needOf("web", Opening{lb, []Port{tcp(80)}})
	b.Show("x", []Need{n})
	require.True(t, signalled())
	b.Show("x", []Need{n})
	require.False(t, signalled())
	b.Show("w", []Need{needOf("a")})
	require.True(t, signalled())
	needs, complete := b.Needs()
	require.Equal(t, []Need{needOf("a"), n}, needs)
	require.False(t, complete)
	b.Complete()
	require.True(t, signalled())
	b.Complete()
	require.False(t, signalled())
	b.Show("x", nil)
	b.Show("w", nil)
	needs, complete = b.Needs()
	require.Empty(t, needs)
	require.True(t, complete)
}
