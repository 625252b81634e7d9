package groupbinding

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tgsync/tgsync/syncer/securitygroup"
)

// TestOpenings: what spec.networking opens, as it is written.
func TestOpenings(t *testing.T) {
	var (
		group = securitygroup.Peer{Group: "sg-1"}
		http  = securitygroup.Port{Protocol: "tcp", Number: 80}
	)
	tests := map[string]struct {
		spec   string
		want   []securitygroup.Opening
		broken string
	}{
		"nothing":         {spec: `{}`},
		"a group":         {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"protocol":"TCP","port":80}]}]}`, want: []securitygroup.Opening{{From: group, Ports: []securitygroup.Port{http}}}},
		"no ports":        {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}]}]}`, want: []securitygroup.Opening{{From: group}}},
		"by name":         {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"port":"http"}]}]}`, want: []securitygroup.Opening{{From: group, Ports: []securitygroup.Port{{Protocol: "tcp", Name: "http"}}}}},
		"all of UDP":      {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"protocol":"UDP"}]}]}`, want: []securitygroup.Opening{{From: group, Ports: []securitygroup.Port{{Protocol: "udp"}}}}},
		"blocks":          {spec: `{"ingress":[{"from":[{"ipBlock":{"cidr":"10.1.2.3/8"}},{"ipBlock":{"cidr":"2001:DB8::1/32"}}]}]}`, want: []securitygroup.Opening{{From: securitygroup.Peer{CIDR: "10.0.0.0/8"}}, {From: securitygroup.Peer{CIDRv6: "2001:db8::/32"}}}},
		"no block":        {spec: `{"ingress":[{"from":[{"ipBlock":{"cidr":"x"}},{"securityGroup":{"groupID":"sg-1"}}]}]}`, want: []securitygroup.Opening{{From: group}}, broken: `spec.networking.ingress[0].from[0].ipBlock.cidr: "x" is not a block of addresses`},
		"no peer":         {spec: `{"ingress":[{"from":[{}]}]}`, broken: "spec.networking.ingress[0].from[0]: one of ipBlock.cidr and securityGroup.groupID is needed"},
		"no protocol":     {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"protocol":"ICMP"}]}]}`, broken: `spec.networking.ingress[0].ports[0].protocol: "ICMP" is neither TCP nor UDP`},
		"a port too high": {spec: `{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"port":65536}]}]}`, broken: "spec.networking.ingress[0].ports[0].port: 65536 is not a port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := &Networking{}
			require.NoError(t, json.Unmarshal([]byte(tt.spec), n))
			got, broken := openings(n)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.broken, broken)
		})
	}
}

// TestNeeds: whose rules are opened, whose stay as they are, and whose are nobody's.
func TestNeeds(t *testing.T) {
	lets := func(change ...func(*verdict)) verdict {
		o := &Object{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a", UID: "u"}}
		o.Spec.ServiceRef.Name, o.Spec.Networking = "echo", &Networking{Ingress: []NetworkingRule{{From: []NetworkingPeer{{}}}}}
		v := verdict{object: o}
		for _, f := range change {
			f(&v)
		}
		return v
	}
	does := func(a action) func(*verdict) { return func(v *verdict) { v.action = a } }
	says := func(reason string) func(*verdict) { return func(v *verdict) { v.reason = reason } }
	leftover := func(v *verdict) { v.object.Labels = map[string]string{labelStack: "g"} }
	deleting := func(v *verdict) { v.object.DeletionTimestamp = &metav1.Time{} }
	opened, held, elsewhere := "opened", "held", "held everywhere"
	tests := map[string]struct {
		v    verdict
		want string // empty: none
	}{
		"bound":                         {lets(does(bind)), opened},
		"being emptied":                 {lets(does(drain), deleting), opened},
		"let go":                        {lets(does(release), deleting), ""},
		"its group is not found yet":    {lets(says(reasonNoGroup)), held},
		"its group is another's":        {lets(says(reasonTaken)), ""},
		"its targets are nodes":         {lets(says(reasonNotSupported)), elsewhere},
		"LBC's, and the provisioner's":  {lets(leftover), ""},
		"LBC's, and not provisioned":    {lets(leftover, does(bind)), opened},
		"nothing is asked for":          {lets(does(bind), func(v *verdict) { v.object.Spec.Networking = nil }), ""},
		"nothing of it can be read":     {lets(func(v *verdict) { v.object.Malformed, v.object.Spec = "x", Spec{} }), elsewhere},
		"nothing of it, and it is gone": {lets(deleting, func(v *verdict) { v.object.Malformed, v.object.Spec = "x", Spec{} }), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			all := needs([]verdict{tt.v})
			if len(all) == 1 {
				got = opened
				if all[0].Held {
					got = held
				}
				if all[0].Service.Name == "" {
					got = elsewhere
				} else {
					require.Equal(t, types.NamespacedName{Namespace: "ns", Name: "echo"}, all[0].Service)
				}
				require.Equal(t, "TargetGroupBinding ns/a", all[0].Name)
				require.NotEmpty(t, all[0].Broken)
				if !tt.v.object.leftover() {
					require.Equal(t, []corev1.ObjectReference{{APIVersion: "elbv2.k8s.aws/v1beta1", Kind: "TargetGroupBinding", Namespace: "ns", Name: "a", UID: "u"}}, all[0].Owners)
				}
			}
			require.Equal(t, tt.want, got)
		})
	}
}
