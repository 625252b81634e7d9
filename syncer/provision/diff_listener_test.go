package provision

import (
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
	"github.com/tgsync/tgsync/test/awssim"
)

const (
	policy2016 = "ELBSecurityPolicy-2016-08"
	policyTLS  = "ELBSecurityPolicy-TLS13-1-2-2021-06"
)

// change changes listeners, and tells which calls that takes and what port 443
// presents then.
type change struct {
	name    string
	to      []ingress.Listener
	writes  []string
	secured string
}

// Listeners come, change and go: what is new comes before what is old goes.
func TestListenersFollowTheModel(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		http := s.m.LoadBalancer.Listeners[0]
		modern := https(443, "a", "b")
		modern.SSLPolicy = policyTLS
		plain := http
		plain.Port = 443
		for _, c := range []change{
			{"encrypted beside plain", []ingress.Listener{http, https(443, "a")}, []string{"CreateListener"}, "HTTPS " + policy2016 + " a []"},
			{
				"more certificates",
				[]ingress.Listener{http, https(443, "a", "b", "c", "b")},
				[]string{"AddListenerCertificates", "AddListenerCertificates"},
				"HTTPS " + policy2016 + " a [b,c]",
			},
			{
				"another default, and the old one stays",
				[]ingress.Listener{http, https(443, "b", "a")},
				[]string{"AddListenerCertificates", "ModifyListener", "RemoveListenerCertificates"},
				"HTTPS " + policy2016 + " b [a,b]",
			},
			{"only the order of others", []ingress.Listener{http, https(443, "b", "a", "b")}, nil, "HTTPS " + policy2016 + " b [a,b]"},
			{"another policy, and back", []ingress.Listener{http, modern}, []string{"ModifyListener", "ModifyListener"}, "HTTPS " + policyTLS + " a [a,b]"},
			{"another port", []ingress.Listener{https(443, "a"), {Port: 81, Protocol: "HTTP", DefaultAction: http.DefaultAction}}, []string{
				"CreateListener", "ModifyListener", "RemoveListenerCertificates", "DeleteListener",
			}, "HTTPS " + policy2016 + " a [a]"},
			{"no more encryption", []ingress.Listener{plain}, []string{"ModifyListener", "DeleteListener"}, "HTTP   []"},
			{"encryption again, with a list", []ingress.Listener{https(443, "c", "d")}, []string{"ModifyListener", "AddListenerCertificates"}, "HTTPS " + policy2016 + " c [d]"},
		} {
			s.m.LoadBalancer.Listeners = c.to
			s.bring()
			require.Equal(s.t, c.writes, s.writes(), c.name)
			require.Equal(s.t, c.secured, s.secured(443), c.name)
			s.restart()
			s.bring()
			require.Empty(s.t, s.writes(), c.name)
		}
	})
}

// A list that somebody added to becomes what the model says, after a restart or with
// the audit.
func TestForeignCertificateGoes(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "a")}
		s.bring()
		require.NoError(s.t, s.aws.ELB.AddListenerCertificate(s.t.Context(), s.listener(443).ARN, cert("theirs")[0]))
		s.restart()
		s.bring()
		require.Equal(s.t, "HTTPS "+policy2016+" a []", s.secured(443))
	})
}

// A listener that only bad members know of is left alone.
func TestKeptListener(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "a", "b")}
		s.bring()
		s.calls()
		s.m.LoadBalancer.Listeners = []ingress.Listener{{
			Port: 443, Protocol: "HTTP", Kept: true, Attributes: map[string]string{"routing.http.response.server.enabled": "false"},
			Rules: []ingress.Rule{aPathRule(1, "/a")},
		}, {Port: 444, Kept: true}}
		s.bring()
		require.Equal(s.t, []string{"CreateRule"}, s.writes())
		require.Equal(s.t, "HTTPS "+policy2016+" a [b]", s.secured(443))
	})
}

// aPathRule answers a path with 404.
func aPathRule(priority int32, path string) ingress.Rule {
	return ingress.Rule{
		Priority: priority, Conditions: []ingress.Condition{{Field: "path-pattern", Values: []string{path}}},
		Action: ingress.Action{FixedResponse: &ingress.FixedResponse{StatusCode: 404, ContentType: "text/plain"}},
	}
}

// A certificate that does not exist keeps no other from being used, whatever its
// place.
func TestMissingCertificate(t *testing.T) {
	tests := map[string]struct {
		before, certificates []string
		refused, secured     string
		port80               bool // still listens
	}{
		"among others": {
			certificates: []string{"a", "gone", "b"},
			refused:      "listener 443, certificate " + cert("gone")[0] + ": AddListenerCertificates",
			secured:      "HTTPS " + policy2016 + " a [b]",
		},
		"by default": {
			certificates: []string{"gone", "a"},
			refused:      "listener 443, certificate " + cert("gone")[0] + ": ModifyListener",
			secured:      "HTTPS " + policy2016 + " a [a]",
		},
		"by default, where another one is": {
			before: []string{"b", "c"}, certificates: []string{"gone", "a"},
			refused: "listener 443, certificate " + cert("gone")[0] + ": ModifyListener",
			secured: "HTTPS " + policy2016 + " b [a,c]",
		},
		"none other": {
			certificates: []string{"gone"}, refused: "listener 443, certificate " + cert("gone")[0] + ": CreateListener", port80: true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			onSite(t, awssim.Options{}, func(s *site) {
				for _, arn := range cert("a", "b", "c") {
					_, err := s.sim.AddCertificate(awssim.Certificate{ARN: arn, Names: []string{"example.com"}})
					require.NoError(s.t, err)
				}
				if test.before != nil {
					s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, test.before...)}
					s.bring()
				}
				s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, test.certificates...)}
				for range 2 {
					refused := s.refused()
					require.Contains(s.t, refused, test.refused)
					require.Contains(s.t, refused, "CertificateNotFound")
					require.NotContains(s.t, refused, "\n", "it is told once")
				}
				if test.port80 {
					s.listener(80) // nothing has taken its place
					return
				}
				require.Equal(s.t, test.secured, s.secured(443))
			})
		})
	}
}

// What is of an Ingress that leaves goes from a listener that has to stay for others.
func TestLeavingRulesGoFromAListenerThatStays(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		forward := ingress.Action{Forward: []ingress.Share{{TargetGroup: "ns/a-s:80", Weight: 1}}}
		leaving, staying := aPathRule(1, "/leaving"), aPathRule(2, "/staying")
		leaving.Action = forward
		s.m.LoadBalancer.Listeners[0].Rules = []ingress.Rule{leaving, staying}
		s.bring()
		s.calls()
		s.leaving = []*networkingv1.Ingress{{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}}
		s.sim.Inject(awssim.Fault{Action: "CreateListener", Code: "CertificateNotFound", Times: 1})
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "gone")}
		s.m.TargetGroups = nil
		require.Contains(s.t, s.refused(), "CertificateNotFound")
		require.Equal(s.t, []string{"CreateListener", "DeleteRule", "DeleteTargetGroup"}, s.writes())
		rules, err := s.aws.ELB.DescribeRules(s.t.Context(), s.listener(80).ARN)
		require.NoError(s.t, err)
		require.Len(s.t, rules, 2)
	})
}

// Where there is no room for a listener, what nobody wants makes some.
func TestListenersAreFull(t *testing.T) {
	onSite(t, awssim.Options{Quotas: awssim.Quotas{ListenersPerLoadBalancer: 1}}, func(s *site) {
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "a")}
		require.Contains(s.t, s.refused(), "listener 443: CreateListener")
		s.bring()
		require.Equal(s.t, []string{"CreateListener", "DeleteListener", "CreateListener"}, s.writes())
	})
}

// One certificate more than there is room for is named; the rest is there.
func TestTooManyCertificates(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		names := func(prefix string, n int) []string {
			out := []string{"default"}
			for i := range n {
				out = append(out, fmt.Sprintf("%s%02d", prefix, i))
			}
			return out
		}
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, names("old", 25)...)}
		s.bring()
		s.calls()
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, names("new", 26)...)}
		refused := s.refused()
		require.Contains(s.t, refused, "listener 443, certificate "+cert("new25")[0]+": AddListenerCertificates")
		require.Contains(s.t, refused, "TooManyCertificates")
		require.NotContains(s.t, refused, "\n")
		require.Contains(s.t, s.secured(443), "[new00,")
		require.NotContains(s.t, s.secured(443), "old")
	})
}

// A policy that does not exist changes nothing else.
func TestMissingPolicy(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		s.m.LoadBalancer.Listeners = []ingress.Listener{https(443, "a")}
		s.bring()
		wrong := https(443, "b")
		wrong.SSLPolicy = "ELBSecurityPolicy-None"
		s.m.LoadBalancer.Listeners = []ingress.Listener{wrong}
		refused := s.refused()
		require.Contains(s.t, refused, "listener 443, TLS policy ELBSecurityPolicy-None: ModifyListener")
		require.Contains(s.t, refused, "SSLPolicyNotFound")
		require.Equal(s.t, "HTTPS "+policy2016+" b []", s.secured(443))
	})
}

// A port is only closed when the one that takes its place is open.
func TestListenerStaysWhileItsSuccessorIsRefused(t *testing.T) {
	onSite(t, awssim.Options{}, func(s *site) {
		wrong := https(443, "a")
		wrong.SSLPolicy = "ELBSecurityPolicy-None"
		s.m.LoadBalancer.Listeners = []ingress.Listener{wrong}
		require.Contains(s.t, s.refused(), "SSLPolicyNotFound")
		require.Equal(s.t, []string{"CreateListener"}, s.writes())
		s.m.LoadBalancer.Listeners[0].SSLPolicy = policyTLS
		s.bring()
		require.Equal(s.t, []string{"CreateListener", "DeleteListener"}, s.writes())
	})
}

// Errors of listeners name the setting that they are about, so that its owner is
// told.
func TestListenerErrors(t *testing.T) {
	l := awsapi.Listener{Port: 443, CertificateARN: "arn:1", SSLPolicy: "p1"}
	mine := &ingress.LoadBalancer{Listeners: []ingress.Listener{{Port: 443, Certificates: []string{"arn:1"}, SSLPolicy: "p2"}}}
	other := &ingress.LoadBalancer{Listeners: []ingress.Listener{{Port: 443, Certificates: []string{"arn:2"}, SSLPolicy: "p1"}}}
	none := &ingress.LoadBalancer{Listeners: []ingress.Listener{{Port: 80}}}
	tests := map[string]struct {
		err  error
		asks []*ingress.LoadBalancer
	}{
		"certificate":       {apiError("CertificateNotFound", ""), []*ingress.LoadBalancer{mine}},
		"text":              {apiError("ValidationError", "Certificate ARN 'arn:1' is not valid"), []*ingress.LoadBalancer{mine}},
		"policy":            {apiError("SSLPolicyNotFound", ""), []*ingress.LoadBalancer{other}},
		"neither":           {apiError("TooManyListeners", ""), []*ingress.LoadBalancer{mine, other}},
		"something invalid": {apiError("ValidationError", "no"), []*ingress.LoadBalancer{mine, other}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var e settingError
			require.ErrorAs(t, listenerError(l, test.err), &e)
			for _, lb := range []*ingress.LoadBalancer{mine, other, none} {
				require.Equal(t, test.asks != nil && (lb == test.asks[0] || len(test.asks) > 1 && lb == test.asks[1]), e.asks(lb))
			}
		})
	}
}

func apiError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}
