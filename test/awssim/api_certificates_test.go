package awssim_test

import (
	"fmt"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/stretchr/testify/require"

	"github.com/tgsync/tgsync/test/awssim"
)

func certARN(id string) string {
	return "arn:aws:acm:ap-northeast-3:123456789012:certificate/" + id
}

func newHTTPS(lb *string, port int32, cert string) *elb.CreateListenerInput {
	return &elb.CreateListenerInput{
		LoadBalancerArn: lb, Port: &port, Protocol: types.ProtocolEnumHttps, DefaultActions: []types.Action{respond("404")},
		Certificates: []types.Certificate{{CertificateArn: &cert}},
	}
}

func (a account) https(t *testing.T, lb *string, port int32, cert string) *string {
	t.Helper()
	return do(t, a.elb.CreateListener, newHTTPS(lb, port, cert)).Listeners[0].ListenerArn
}

func addCert(listener *string, cert string) *elb.AddListenerCertificatesInput {
	return &elb.AddListenerCertificatesInput{ListenerArn: listener, Certificates: []types.Certificate{{CertificateArn: &cert}}}
}

func removeCert(listener *string, cert string) *elb.RemoveListenerCertificatesInput {
	return &elb.RemoveListenerCertificatesInput{ListenerArn: listener, Certificates: []types.Certificate{{CertificateArn: &cert}}}
}

// shownCertificates are a listener's, the default one in brackets.
func (a account) shownCertificates(t *testing.T, listener *string) []string {
	t.Helper()
	var list []string
	pages := elb.NewDescribeListenerCertificatesPaginator(a.elb, &elb.DescribeListenerCertificatesInput{ListenerArn: listener, PageSize: new(int32(1))})
	for page := range pagesOf(t, pages) {
		for _, c := range page.Certificates {
			text := (*c.CertificateArn)[len(certARN("")):]
			if *c.IsDefault {
				text = "[" + text + "]"
			}
			list = append(list, text)
		}
	}
	return list
}

func TestListenerCertificates(t *testing.T) {
	a := open(t, awssim.Options{Quotas: awssim.Quotas{CertificatesPerLoadBalancer: 2}})
	lb := a.balancer(t, "demo").LoadBalancerArn
	listener, other := a.https(t, lb, 443, certARN("m")), a.https(t, lb, 8443, certARN("m"))
	do(t, a.elb.AddListenerCertificates, addCert(listener, certARN("z")))
	do(t, a.elb.AddListenerCertificates, addCert(listener, certARN("a")))
	do(t, a.elb.AddListenerCertificates, addCert(listener, certARN("a")))
	require.Equal(t, []string{"[m]", "a", "z"}, a.shownCertificates(t, listener))
	requireCode(t, fails(t, a.elb.AddListenerCertificates, addCert(other, certARN("b"))), "TooManyCertificates", "")

	requireCode(t, fails(t, a.elb.RemoveListenerCertificates, removeCert(listener, certARN("m"))), "OperationNotPermitted", "")
	do(t, a.elb.RemoveListenerCertificates, removeCert(listener, certARN("none")))
	do(t, a.elb.RemoveListenerCertificates, removeCert(listener, certARN("z")))
	require.Equal(t, []string{"[m]", "a"}, a.shownCertificates(t, listener))

	do(t, a.elb.AddListenerCertificates, addCert(listener, certARN("m")))
	require.Equal(t, []string{"[m]", "a", "m"}, a.shownCertificates(t, listener), "a default certificate can be in the list too")
	do(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: listener, Certificates: []types.Certificate{{CertificateArn: new(certARN("n"))}}})
	require.Equal(t, []string{"[n]", "a", "m"}, a.shownCertificates(t, listener), "the list outlives the default certificate")

	plain := a.listener(t, lb, 80)
	requireCode(t, fails(t, a.elb.AddListenerCertificates, addCert(plain, certARN("a"))), "OperationNotPermitted", "")
	two := addCert(listener, certARN("a"))
	two.Certificates = append(two.Certificates, two.Certificates[0])
	requireCode(t, fails(t, a.elb.AddListenerCertificates, two), "ValidationError", "")
	requireCode(t, fails(t, a.elb.AddListenerCertificates, addCert(listener, "arn:aws:acm:a:b")), "ValidationError", "")
	do(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: listener, Protocol: types.ProtocolEnumHttp})
	require.Empty(t, a.shownCertificates(t, listener), "HTTP has none")
}

func TestCertificatesExist(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	a.https(t, lb, 8000, certARN("any")) // Before the account has certificates.
	_, err := a.AddCertificate(awssim.Certificate{})
	require.Error(t, err)
	_, err = a.AddCertificate(awssim.Certificate{ARN: "arn:aws:iam::123456789012:server-certificate/x", Names: []string{"a.example.com"}})
	require.Error(t, err)
	issued, err := a.AddCertificate(awssim.Certificate{Names: []string{"a.example.com"}})
	require.NoError(t, err)
	pending, err := a.AddCertificate(awssim.Certificate{ARN: certARN("p"), Names: []string{"b.example.com"}, Status: "PENDING_VALIDATION"})
	require.NoError(t, err)
	listener := a.https(t, lb, 443, issued)
	for i, missing := range []string{certARN("any"), pending} {
		requireCode(t, fails(t, a.elb.CreateListener, newHTTPS(lb, int32(9000+i), missing)), "CertificateNotFound",
			fmt.Sprintf("Certificate '%s' not found", missing))
		requireCode(t, fails(t, a.elb.AddListenerCertificates, addCert(listener, missing)), "CertificateNotFound", "")
		requireCode(t, fails(t, a.elb.ModifyListener, &elb.ModifyListenerInput{
			ListenerArn: listener, Certificates: []types.Certificate{{CertificateArn: &missing}},
		}), "CertificateNotFound", "")
	}
}

func TestSSLPolicies(t *testing.T) {
	a := open(t, awssim.Options{})
	lb := a.balancer(t, "demo").LoadBalancerArn
	in := newHTTPS(lb, 443, certARN("c"))
	in.SslPolicy = new("ELBSecurityPolicy-None")
	requireCode(t, fails(t, a.elb.CreateListener, in), "SSLPolicyNotFound", "")
	in.SslPolicy = new("ELBSecurityPolicy-TLS13-1-2-Res-2021-06")
	listener := do(t, a.elb.CreateListener, in).Listeners[0]
	require.Equal(t, *in.SslPolicy, *listener.SslPolicy)
	requireCode(t, fails(t, a.elb.ModifyListener, &elb.ModifyListenerInput{ListenerArn: listener.ListenerArn, SslPolicy: new("x")}), "SSLPolicyNotFound", "")
	policy := do(t, a.elb.DescribeSSLPolicies, &elb.DescribeSSLPoliciesInput{Names: []string{*in.SslPolicy}}).SslPolicies[0]
	require.Equal(t, []string{"TLSv1.2", "TLSv1.3"}, policy.SslProtocols)
}

func TestModifyListenerAttributes(t *testing.T) {
	a := open(t, awssim.Options{})
	listener := a.listener(t, a.balancer(t, "demo").LoadBalancerArn, 80)
	set := func(key, value string) *elb.ModifyListenerAttributesInput {
		return &elb.ModifyListenerAttributesInput{ListenerArn: listener, Attributes: []types.ListenerAttribute{{Key: &key, Value: &value}}}
	}
	do(t, a.elb.ModifyListenerAttributes, set("routing.http.response.server.enabled", "false"))
	requireCode(t, fails(t, a.elb.ModifyListenerAttributes, set("routing.http.response.server.enabled", "no")), "ValidationError", "")
	requireCode(t, fails(t, a.elb.ModifyListenerAttributes, set("tcp.idle_timeout.seconds", "60")), "ValidationError",
		"Listener attribute key 'tcp.idle_timeout.seconds' is not recognized")
	shown := map[string]string{}
	for _, pair := range do(t, a.elb.DescribeListenerAttributes, &elb.DescribeListenerAttributesInput{ListenerArn: listener}).Attributes {
		shown[*pair.Key] = *pair.Value
	}
	require.Equal(t, "false", shown["routing.http.response.server.enabled"])
	require.Empty(t, shown["routing.http.response.x_frame_options.header_value"])
}
