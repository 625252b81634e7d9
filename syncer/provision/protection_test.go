package provision

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/syncer/securitygroup"
	"github.com/tgsync/tgsync/test/awssim"
)

// protected is a model with a load balancer that has the groups.
func protected(groups ingress.SecurityGroups) *ingress.Model {
	tags := map[string]string{ingress.TagCluster: cluster, ingress.TagStack: "g", ingress.TagResource: ingress.ResourceLoadBalancer}
	if groups.Managed != nil {
		groups.Managed.Name, groups.Managed.Description = "k8s-g", "managed"
		groups.Managed.Tags = map[string]string{ingress.TagCluster: cluster, ingress.TagStack: "g", ingress.TagResource: ingress.ResourceSecurityGroup}
	}
	return &ingress.Model{Group: ingress.GroupID{Name: "g"}, LoadBalancer: &ingress.LoadBalancer{
		Name: "lb", Scheme: "internet-facing", IPAddressType: "ipv4", Tags: tags, SecurityGroups: groups,
		Listeners: []ingress.Listener{{Port: 80, Protocol: "HTTP", DefaultAction: ingress.Action{
			FixedResponse: &ingress.FixedResponse{StatusCode: 404, ContentType: "text/plain"},
		}}},
	}}
}

func managed(permissions ...ingress.Permission) ingress.SecurityGroups {
	return ingress.SecurityGroups{Managed: &ingress.SecurityGroup{Ingress: permissions}}
}

// shelter is an account and what converges it to models made by hand.
type shelter struct {
	*world
	x *executor
}

func inShelter(t *testing.T, test func(*shelter)) {
	t.Helper()
	inWorld(t, awssim.Options{}, func(w *world) {
		s := &shelter{world: w}
		s.restart()
		test(s)
	})
}

// restart forgets all.
func (s *shelter) restart() {
	o := Options{ELB: s.aws.ELB, EC2: s.aws.EC2, VPCID: vpcID, Settings: ingress.Settings{ClusterName: cluster}}
	o.Backend = securitygroup.NewBackend(securitygroup.BackendOptions{EC2: o.EC2, VPCID: vpcID, Cluster: cluster})
	inv := newInventory(o)
	require.NoError(s.t, inv.load(s.t.Context(), nil))
	st, err := inv.stack(s.t.Context(), "g")
	require.NoError(s.t, err)
	s.x = &executor{
		elb: o.ELB, ec2: o.EC2, vpcID: vpcID, inventory: inv, backend: o.Backend, stack: st, log: s.log,
		owned: awsapi.Tags{ingress.TagCluster: cluster, ingress.TagStack: "g"}, publish: func() {}, announce: func(string, string) {},
	}
	s.calls()
}

// converge takes the account to a model.
func (s *shelter) converge(m *ingress.Model) error {
	s.x.waiting, s.x.refused = nil, nil
	return s.x.converge(s.t.Context(), m)
}

// attached are the names of the load balancer's groups.
func (s *shelter) attached() []string {
	balancers, err := s.aws.ELB.DescribeLoadBalancers(s.t.Context())
	require.NoError(s.t, err)
	require.Len(s.t, balancers, 1)
	found, err := s.aws.EC2.FindSecurityGroups(s.t.Context(), vpcID, balancers[0].SecurityGroups, nil)
	require.NoError(s.t, err)
	var names []string
	for _, g := range found {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}

// group makes a security group of somebody else.
func (s *shelter) group(name, tag string) string {
	id, err := s.aws.EC2.CreateSecurityGroup(s.t.Context(), awsapi.SecurityGroup{Name: name, Description: "x", VPCID: vpcID, Tags: awsapi.Tags{"Name": tag}})
	require.NoError(s.t, err)
	time.Sleep(10 * time.Second) // until it is shown
	return id
}

var backendName = ingress.BackendGroupName(cluster)

// TestManagedAndBackend: a new load balancer has both, and after a restart there is
// nothing to ask.
func TestManagedAndBackend(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		want := managed(ingress.Permission{Port: 80, CIDR: "0.0.0.0/0"}, ingress.Permission{Port: 80, CIDRv6: "::/0"}, ingress.Permission{Port: 443, PrefixList: "pl-1"})
		want.Backend = true
		require.NoError(t, s.converge(protected(want)))
		require.Equal(t, []string{"k8s-g", backendName}, s.attached())
		time.Sleep(time.Minute)
		s.restart()
		require.NoError(t, s.converge(protected(want)))
		require.Empty(t, s.calls())
		groups, err := s.aws.EC2.DescribeSecurityGroups(t.Context(), vpcID, awsapi.Tags{ingress.TagStack: "g"})
		require.NoError(t, err)
		require.ElementsMatch(t, []awsapi.Permission{
			{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0"},
			{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDRv6: "::/0"},
			{Protocol: "tcp", FromPort: 443, ToPort: 443, PrefixListID: "pl-1"},
		}, groups[0].Ingress)
	})
}

// TestBlocksAsAWSWritesThem are opened once and not again.
func TestBlocksAsAWSWritesThem(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		m := protected(managed(ingress.Permission{Port: 80, CIDR: "10.1.2.3/8"}, ingress.Permission{Port: 80, CIDR: "10.0.0.0/8"}, ingress.Permission{Port: 80, CIDRv6: "2001:DB8::1/32"}))
		require.NoError(t, s.converge(m))
		time.Sleep(time.Minute)
		s.restart()
		require.NoError(t, s.converge(m))
		require.Empty(t, s.calls())
	})
}

// TestNamedInsteadOfManaged: the load balancer gets the named groups before the managed
// one is deleted, and that again before it gets it back.
func TestNamedInsteadOfManaged(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		id := s.group("web", "Web")
		s.group("office", "Office")
		require.NoError(t, s.converge(protected(managed(ingress.Permission{Port: 80, CIDR: "0.0.0.0/0"}))))
		s.calls()
		named := protected(ingress.SecurityGroups{Named: []string{"Office", id}})
		require.NoError(t, s.converge(named))
		require.Empty(t, s.x.waiting)
		require.Equal(t, []string{"office", "web"}, s.attached())
		require.Equal(t, []string{"SetSecurityGroups", "DeleteSecurityGroup"}, s.writes())
		require.NoError(t, s.converge(named))
		require.Empty(t, s.calls())
		require.NoError(t, s.converge(protected(managed(ingress.Permission{Port: 80, CIDR: "0.0.0.0/0"}))))
		require.Equal(t, []string{"CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "SetSecurityGroups"}, s.writes())
		require.Equal(t, []string{"k8s-g"}, s.attached())
	})
}

// TestExactGroups: what somebody attached is taken off, but the order is AWS's.
func TestExactGroups(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		one, two := s.group("one", "1"), s.group("two", "2")
		require.NoError(t, s.converge(protected(ingress.SecurityGroups{Named: []string{one}})))
		require.NoError(t, s.x.elb.SetSecurityGroups(t.Context(), s.x.stack.balancers[0].ARN, []string{two, one}))
		s.restart()
		require.NoError(t, s.converge(protected(ingress.SecurityGroups{Named: []string{one, two}})))
		require.Empty(t, s.writes())
		require.NoError(t, s.converge(protected(ingress.SecurityGroups{Named: []string{one}})))
		require.Equal(t, []string{"one"}, s.attached())
	})
}

// TestUnknownGroup: what is named and does not exist is told to whoever named it. A load
// balancer that stands keeps its groups, and all else is done; a new one is not made.
func TestUnknownGroup(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		one := s.group("one", "1")
		s.calls()
		m := protected(ingress.SecurityGroups{Named: []string{one, "nobody", "sg-nobody"}})
		err := s.converge(m)
		require.EqualError(t, err, "annotation alb.ingress.kubernetes.io/security-groups: vpc-1 has no security group with the ID or the tag Name nobody, sg-nobody")
		require.True(t, lasts(err))
		require.True(t, keepsPicture(err))
		require.Empty(t, s.writes())

		require.NoError(t, s.converge(protected(managed())))
		s.calls()
		m.LoadBalancer.Listeners[0].Port = 81
		require.NoError(t, s.converge(m))
		require.Len(t, s.x.refused, 1)
		require.Equal(t, []string{"CreateListener", "DeleteListener"}, s.writes())
		require.Equal(t, []string{"k8s-g"}, s.attached())

		p := &pass{group: ingress.Group{Members: []*networkingv1.Ingress{
			{ObjectMeta: metav1.ObjectMeta{Name: "good"}},
			{ObjectMeta: metav1.ObjectMeta{Name: "bad", Annotations: map[string]string{annotationGroups: one + ", nobody"}}},
		}}}
		concerned, _ := p.blame(s.x.refused[0])
		require.Equal(t, p.group.Members[1:], concerned)
	})
}

// TestTagsOfManagedGroup are put right, and those that somebody added stay.
func TestTagsOfManagedGroup(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		require.NoError(t, s.converge(protected(managed())))
		m := protected(managed())
		m.LoadBalancer.SecurityGroups.Managed.Tags["team"] = "x"
		id := s.x.stack.securityGroups[0].ID
		time.Sleep(10 * time.Second)
		require.NoError(t, s.aws.EC2.TagSecurityGroup(t.Context(), id, awsapi.Tags{"theirs": "y"}))
		s.calls()
		require.NoError(t, s.converge(m))
		require.NoError(t, s.converge(m))
		require.Equal(t, []string{"CreateTags"}, s.calls())
		groups, err := s.aws.EC2.FindSecurityGroups(t.Context(), vpcID, []string{id}, nil)
		require.NoError(t, err)
		require.Equal(t, "x", groups[0].Tags["team"])
		require.Equal(t, "y", groups[0].Tags["theirs"])
	})
}

// TestBackendIsGoing: while the backend group is being deleted, a load balancer waits.
func TestBackendIsGoing(t *testing.T) {
	inShelter(t, func(s *shelter) {
		t := s.t
		s.x.backend = going{}
		err := s.converge(protected(ingress.SecurityGroups{Named: []string{s.group("one", "1")}, Backend: true}))
		require.ErrorIs(t, err, errWaiting)
		require.True(t, isWaiting(err))
	})
}

type going struct{}

func (going) ID() string                  { return "" }
func (going) Seen([]awsapi.SecurityGroup) {}

func (going) Get(context.Context) (string, error) { return "", securitygroup.ErrGoing }

// TestNeeds: what a group needs, by what its model and its stack are.
func TestNeeds(t *testing.T) {
	const id = "ns/a-s:80"
	owner := corev1.ObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Namespace: "ns", Name: "a", UID: "u"}
	need := securitygroup.Need{
		Name: "Ingress group g: target group " + id, Service: types.NamespacedName{Namespace: "ns", Name: "s"}, Owners: []corev1.ObjectReference{owner},
	}
	from := func(group string, ports ...securitygroup.Port) []securitygroup.Opening {
		return []securitygroup.Opening{{From: securitygroup.Peer{Group: group}, Ports: ports}}
	}
	opened := func(openings []securitygroup.Opening) securitygroup.Need { n := need; n.Openings = openings; return n }
	held := func(openings []securitygroup.Opening) securitygroup.Need {
		n := opened(openings)
		n.Name, n.Held = n.Name+" as it stands", true
		return n
	}
	ports := []securitygroup.Port{{Protocol: "tcp", Number: 8080}, {Protocol: "tcp", Name: "http"}}
	uses := securitygroup.Need{Name: "Ingress group g", Backend: true}
	tests := map[string]struct {
		change       func(*ingress.Model, *stack)
		backend      string
		unrestricted bool
		want         []securitygroup.Need
	}{
		"from the managed group":  {want: []securitygroup.Need{opened(from("sg-1", ports...))}},
		"all ports":               {unrestricted: true, want: []securitygroup.Need{opened(from("sg-1"))}},
		"from the backend group":  {change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.SecurityGroups.Backend = true }, backend: "sg-b", want: []securitygroup.Need{uses, opened(from("sg-b", ports...))}},
		"before that is known":    {change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.SecurityGroups.Backend = true }, want: []securitygroup.Need{uses}},
		"not seen to by tgsync":   {change: func(m *ingress.Model, _ *stack) { m.TargetGroups[id].Ports = nil }},
		"from named groups alone": {change: func(m *ingress.Model, _ *stack) { m.LoadBalancer.SecurityGroups.Managed = nil }},
		"the backend group is to be taken off": {
			change: func(_ *ingress.Model, st *stack) { st.balancers[0].SecurityGroups = []string{"sg-1", "sg-b"} }, backend: "sg-b",
			want: []securitygroup.Need{uses, opened(from("sg-1", ports...))},
		},
		"nobody is left": {change: func(m *ingress.Model, _ *stack) { m.LoadBalancer, m.TargetGroups = nil, nil }},
		"all are bad": {
			change: func(m *ingress.Model, st *stack) {
				m.LoadBalancer, m.Hold, m.TargetGroups[id].Kept = nil, true, true
				st.balancers[0].SecurityGroups = []string{"sg-x", "sg-b"}
				st.balancers[0].listeners[80].rules = []*awsapi.Rule{aRule(1, "arn:tg", "a")}
			},
			backend: "sg-b", want: []securitygroup.Need{uses, held(from("sg-b"))},
		},
		"a member is bad, and its rules are not read yet": {
			change: func(m *ingress.Model, st *stack) {
				m.TargetGroups, m.Problems, st.listenersRead = nil, []ingress.Problem{{Blocking: true}}, false
			},
			want: []securitygroup.Need{{Name: "Ingress group g as it stands", Held: true, Openings: from("sg-1")}},
		},
		"a member has a warning": {
			change: func(m *ingress.Model, st *stack) {
				m.TargetGroups, m.Problems, st.listenersRead = nil, []ingress.Problem{{}}, false
			},
		},
		"the target group was being replaced, and its rules are not read yet": {
			change: func(m *ingress.Model, st *stack) { m.TargetGroups[id].Name, st.listenersRead = "new", false },
			want:   []securitygroup.Need{opened(from("sg-1", ports...)), held(from("sg-1"))},
		},
		"the target group is being replaced": {
			change: func(m *ingress.Model, st *stack) {
				m.TargetGroups[id].Name = "new"
				st.balancers[0].listeners[80].rules = []*awsapi.Rule{aRule(1, "arn:tg", "a")}
			},
			want: []securitygroup.Need{opened(from("sg-1", ports...)), held(from("sg-1"))},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m, st := aModel(), aStack()
			m.TargetGroups[id].Ports = []intstr.IntOrString{intstr.FromInt32(8080), intstr.FromString("http")}
			st.listenersRead = true
			if tt.change != nil {
				tt.change(m, st)
			}
			l := New(Options{Backend: securitygroup.NewBackend(securitygroup.BackendOptions{ID: tt.backend}), Settings: ingress.Settings{DisableRestrictedRules: tt.unrestricted}})
			g := ingress.Group{ID: m.Group, Members: []*networkingv1.Ingress{{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u"}}}}
			require.Equal(t, tt.want, l.needsOf(g, m, st))
		})
	}
}
