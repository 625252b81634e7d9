package provision

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/test/awssim"
)

// encrypted makes an Ingress of the group "shared" that listens on 443 for a host. With
// a certificate it names that, else it leaves it to us to find one.
func (w *world) encrypted(name, host, certificate string) {
	w.t.Helper()
	annotations := map[string]string{"group.name": "shared", "listen-ports": `[{"HTTPS":443}]`}
	if certificate != "" {
		annotations["certificate-arn"] = certificate
	}
	w.service("demo0", name)
	w.ingress("demo0", name, annotations, name)
	w.update("demo0", name, func(ing *networkingv1.Ingress) { ing.Spec.Rules[0].Host = host })
}

// certify gives ACM a certificate.
func (w *world) certify(names ...string) (arn string) {
	w.t.Helper()
	arn, err := w.sim.AddCertificate(awssim.Certificate{Names: names})
	require.NoError(w.t, err)
	return arn
}

// site looks at the world as at a site.
func (w *world) site() *site { return &site{world: w} }

// presents returns what port 443 presents, certificates by the names given for them.
func (w *world) presents(names map[string]string) string {
	w.t.Helper()
	text := w.site().secured(443)
	for arn, name := range names {
		text = strings.ReplaceAll(text, arn[strings.LastIndexByte(arn, '/')+1:], name)
	}
	return strings.TrimPrefix(text, "HTTPS "+policy2016+" ")
}

// toldTo returns the events that warn an Ingress.
func toldTo(said []string, ingress string) []string {
	var out []string
	for _, s := range said {
		if strings.HasPrefix(s, "demo0/"+ingress+" ") && !strings.Contains(s, reasonReconciled) {
			out = append(out, s)
		}
	}
	return out
}

// Certificates are found in ACM, which is asked when something is new, and with the
// audit.
func TestCertificatesAreFound(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		names := map[string]string{w.certify("*.example.com"): "wildcard"}
		w.encrypted("a", "a.example.com", "")
		w.start()
		w.settle()
		require.Equal(t, "wildcard []", w.presents(names))
		require.Equal(t, 1, count(w.calls(), "ListCertificates"))

		w.settle()
		w.update("demo0", "a", func(ing *networkingv1.Ingress) { ing.Labels = map[string]string{"of": "no interest"} })
		w.settle()
		require.Empty(t, w.calls())

		names[w.certify("b.example.org")] = "b"
		w.encrypted("b", "b.example.org", "")
		w.settle()
		require.Equal(t, "wildcard [b]", w.presents(names))
		w.said()

		names[w.certify("a.example.com")] = "renewed"
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.ElementsMatch(t, []string{"b", "renewed", "wildcard"}, strings.FieldsFunc(w.presents(names), func(r rune) bool { return strings.ContainsRune("[], ", r) }))
		w.calls()
		w.restart()
		require.Empty(t, w.writes())
	})
}

// Who has no certificate waits for it alone, and has it minutes after it is issued.
func TestCertificateThatIsIssuedLater(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		names := map[string]string{w.certify("a.example.com"): "a"}
		w.encrypted("a", "a.example.com", "")
		w.encrypted("b", "b.example.com", "")
		w.start()
		w.settle()
		require.Equal(t, "a []", w.presents(names))
		said := w.said()
		require.Empty(t, toldTo(said, "a"))
		require.Len(t, toldTo(said, "b"), 1)
		require.Contains(t, toldTo(said, "b")[0], "no certificate found for host: b.example.com")
		names[w.certify("b.example.com")] = "b"
		w.settle()
		w.settle()
		require.Equal(t, "a [b]", w.presents(names))
	})
}

// Who may not ask ACM serves those who name their certificates.
func TestCertificatesThatMayNotBeListed(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		named := w.certify("a.example.com")
		w.encrypted("a", "a.example.com", named)
		w.encrypted("b", "a.example.com", "")
		w.sim.Inject(awssim.Fault{Action: "ListCertificates", Code: "AccessDeniedException", Message: "no"})
		w.start()
		w.settle()
		require.Equal(t, "a []", w.presents(map[string]string{named: "a"}))
		said := w.said()
		require.Empty(t, toldTo(said, "a"))
		require.Len(t, toldTo(said, "b"), 1)
		require.LessOrEqual(t, count(w.calls(), "ListCertificates"), 3)
	})
}

// A certificate that does not exist is told to who named it, and the rest of the group
// is served.
func TestOwnerOfAMissingCertificateIsTold(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		good := w.certify("b.example.com")
		w.encrypted("a", "a.example.com", cert("gone")[0])
		w.encrypted("b", "b.example.com", good)
		w.start()
		w.settle()
		require.Equal(t, "b [b]", w.presents(map[string]string{good: "b"}))
		said := w.said()
		require.Len(t, toldTo(said, "a"), 1)
		require.Contains(t, toldTo(said, "a")[0], "FailedDeployModel: listener 443, certificate "+cert("gone")[0])
		require.Empty(t, toldTo(said, "b"))
		require.NotEmpty(t, w.get("demo0", "b").Status.LoadBalancer.Ingress)
	})
}

// While a member is bad, the certificates that stand stay.
func TestCertificatesOfABadMemberStay(t *testing.T) {
	inWorld(t, awssim.Options{}, func(w *world) {
		t := w.t
		a, b := w.certify("a.example.com"), w.certify("b.example.com")
		w.encrypted("a", "a.example.com", a)
		w.encrypted("b", "b.example.com", b)
		w.start()
		w.settle()
		w.update("demo0", "b", func(ing *networkingv1.Ingress) { ing.Annotations[prefix+"scheme"] = "neither" })
		w.calls()
		w.restart()
		require.Equal(t, "a [b]", w.presents(map[string]string{a: "a", b: "b"}))
		require.Empty(t, w.writes())
	})
}
