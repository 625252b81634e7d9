package provision

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

// The list of a listener, and what it takes to make it what is wanted. The default
// certificate may be in the list, too: that entry is left alone.
func TestCertificateLists(t *testing.T) {
	tests := map[string]struct {
		def    string
		list   []string
		unread bool
		want   []string
		add    []string
		remove []string
	}{
		"as wanted":                            {def: "a", list: []string{"b"}, want: []string{"a", "b"}},
		"more and less":                        {def: "a", list: []string{"b", "c"}, want: []string{"a", "d", "b", "d"}, add: []string{"d"}, remove: []string{"c"}},
		"default in the list":                  {def: "a", list: []string{"a"}, want: []string{"a"}},
		"default named twice":                  {def: "a", want: []string{"a", "b", "a"}, add: []string{"b"}},
		"default becomes one of many":          {def: "a", list: []string{"b"}, want: []string{"b", "a"}, add: []string{"a"}},
		"default in the list, but for a while": {def: "a", list: []string{"a"}, want: []string{"b"}},
		"not read":                             {def: "a", unread: true, want: []string{"a", "b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := &listener{Listener: awsapi.Listener{CertificateARN: test.def}, certificates: test.list, listRead: !test.unread}
			want := &ingress.Listener{Certificates: test.want}
			var add, remove []string
			for _, s := range missingCertificates(l, want) {
				add = append(add, s.(addCertificate).arn)
			}
			for _, s := range obsoleteCertificates(l, want) {
				remove = append(remove, s.(removeCertificate).arn)
			}
			require.Equal(t, test.add, add)
			require.Equal(t, test.remove, remove)
		})
	}
}

// What may not be read or is not known is left alone.
func TestUnknownCertificatesStay(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "a", "b")}
		s.bring()
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443)}
		s.bring()
		require.Equal(s.t, "HTTPS "+policy2016+" a [b]", s.secured(443))
		s.sim.Inject(awssim.Fault{Action: "DescribeListenerCertificates", Code: "AccessDenied", Message: "no", Times: 1})
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "c", "d")}
		s.restart()
		require.Contains(s.t, s.refused(), "DescribeListenerCertificates")
		require.Equal(s.t, "HTTPS "+policy2016+" c [b]", s.secured(443))
		s.bring()
		require.Equal(s.t, "HTTPS "+policy2016+" c [d]", s.secured(443))
	})
}

// Attributes that may not be read are not set.
func TestUnknownAttributesStay(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.restart()
		s.sim.Inject(awssim.Fault{Action: "DescribeLoadBalancerAttributes", Code: "AccessDenied", Message: "no", Times: 1})
		s.m.LoadBalancer.Attributes = map[string]string{idle: "61"}
		require.Contains(s.t, s.refused(), "attributes of load balancer k8s-lb: DescribeLoadBalancerAttributes")
		require.Empty(s.t, s.writes())
	})
}
